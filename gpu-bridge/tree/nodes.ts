/** What the bridge's tree is made of beside its own files: folders, and files as the hive's namespace has them. */

import type { AttributeChange } from "../../services/secure9p/message.ts";
import { DT_DIR, DT_REG, QTDIR } from "../../services/secure9p/constants.ts";
import { INVALID, NOT_FOUND, PERMISSION } from "../../services/secure9p/refusal.ts";
import type { Node, OpenFile, Request } from "../../services/secure9p/tree.ts";
import type { Qid } from "../../services/secure9p/wire.ts";
import { answerAttributes, MODE_DIRECTORY, wantsToWrite } from "../../services/ninedoor/attributes.ts";
import type { Client, Place } from "../../services/ninedoor/place.ts";

/** A name in a folder; its offset in listings is larger than that of any before it. */
export interface Entry {
  readonly name: string;
  readonly node: Node;
  readonly offset: number;
}

export class Folder implements Node {
  readonly qid: Qid;
  readonly #find: (name: string) => Node | undefined;
  readonly #entries: () => Iterable<Entry>;

  /** @param find what a name leads to, whether it is listed or not */
  constructor(qid: Qid, find: (name: string) => Node | undefined, entries: () => Iterable<Entry>) {
    this.qid = qid;
    this.#find = find;
    this.#entries = entries;
  }

  /** A folder that never changes. */
  static of(qid: Qid, nodes: Readonly<Record<string, Node>>): Folder {
    const entries = Object.entries(nodes).map(([name, node], index) => ({ name, node, offset: index + 1 }));
    const byName = new Map(Object.entries(nodes));
    return new Folder(
      qid,
      (name) => byName.get(name),
      () => entries,
    );
  }

  walk(request: Request, name: string): void {
    const node = this.#find(name);
    if (node === undefined) request.refuse(NOT_FOUND);
    else request.found(node);
  }

  open(request: Request): void {
    if (wantsToWrite(request.flags)) request.refuse(PERMISSION);
    else request.opened(new OpenFolder(this));
  }

  getattr(request: Request): void {
    answerAttributes(request, MODE_DIRECTORY, 0);
  }

  setattr(request: Request): void {
    request.refuse(PERMISSION);
  }

  list(request: Request): void {
    for (const { name, node, offset } of this.#entries()) {
      if (offset <= request.offset) continue;
      const type = (node.qid.type & QTDIR) === 0 ? DT_REG : DT_DIR;
      if (!request.entry(node.qid, offset, type, name)) break;
    }
    request.done();
  }
}

class OpenFolder implements OpenFile {
  readonly #folder: Folder;

  constructor(folder: Folder) {
    this.#folder = folder;
  }

  read(request: Request): void {
    request.refuse(INVALID);
  }

  write(request: Request): void {
    request.refuse(PERMISSION);
  }

  readdir(request: Request): void {
    this.#folder.list(request);
  }

  close(): void {}
}

/** A file of the hive's kind: who asks is the hive, whoever it asks for. */
export class Leaf implements Node {
  readonly #place: Place;
  readonly #client: Client;

  constructor(place: Place, client: Client) {
    this.#place = place;
    this.#client = client;
  }

  get qid(): Qid {
    return this.#place.qid;
  }

  walk(request: Request): void {
    request.refuse(NOT_FOUND);
  }

  open(request: Request): void {
    this.#place.open(request, this.#client);
  }

  getattr(request: Request, file: OpenFile | undefined): void {
    this.#place.getattr(request, file, this.#client);
  }

  setattr(request: Request, change: AttributeChange, file: OpenFile | undefined): void {
    this.#place.setattr(request, change, file, this.#client);
  }
}
