/** Which method of a tree, of a node or of an open file serves which request. */
import type { Bytes } from "../ports/index.ts";
import * as p9 from "./constants.ts";
import type { Message } from "./message.ts";
import type { Slot } from "./request.ts";
import type { Tree } from "./tree.ts";

/** Hand a request to its provider; what that throws comes out. The message's spans and records are valid in here only. */
export function provide(slot: Slot, m: Message, tree: Tree, bytes: Bytes): void {
  const fid = slot.fid!;
  if (slot.type === p9.TREAD) fid.file!.read(slot);
  else if (slot.type === p9.TWRITE) fid.file!.write(slot, m.data.bytes, m.data.start, m.data.length);
  else if (slot.type === p9.TREADDIR) fid.file!.readdir(slot);
  else if (slot.type === p9.TLOPEN) fid.node.open(slot);
  else if (slot.type === p9.TGETATTR) fid.node.getattr(slot, fid.file);
  else if (slot.type === p9.TSETATTR) fid.node.setattr(slot, m.change, fid.file);
  else tree.attach(slot, m.aname.text(bytes), m.uname.text(bytes));
}
