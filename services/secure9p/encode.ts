/**
 * Messages to bytes, both directions of 9P2000.L. It writes a whole frame within the room it is given or says that it
 * cannot: a string over 65,535 bytes, a number that a field cannot hold or a frame too long is never cut to fit.
 */
import { byType } from "./by-type.ts";
import * as p9 from "./constants.ts";
import type { AttributeChange, Attributes, FileSystemStatus, Lock, Message } from "./message.ts";
import { putU32, type Writer } from "./wire.ts";

/** What {@link encode} returns for a message that does not fit. */
export const UNFIT = -1;

/**
 * Encode `m` at `into[at]`. The spans in it may lie anywhere but where the frame is written.
 * @returns the frame's size, or {@link UNFIT}; then the bytes in that room are undefined.
 */
export function encode(m: Message, w: Writer, into: Uint8Array, at: number, room: number): number {
  const { type, tag } = m;
  const body = BODIES[type];
  w.begin(into, at, room);
  if (body === undefined || at + p9.HEADER > w.end) return UNFIT;
  w.at = at + p9.HEADER;
  body(m, w);
  if (w.failed) return UNFIT;
  const size = w.at - at;
  putU32(into, at, size);
  into[at + 4] = type;
  into[at + 5] = tag;
  into[at + 6] = tag >> 8;
  return size;
}

type Body = (m: Message, w: Writer) => void;

/** What follows the header, by type. A table, because QuickJS tries the cases of a `switch` one after the other. */
const BODIES: readonly (Body | undefined)[] = byType<Body>({
  [p9.TREAD]: range,
  [p9.TREADDIR]: range,
  [p9.TWRITE]: (m, w) => {
    w.u32(m.fid);
    w.u64(m.offset);
    w.u32(m.data.length);
    w.span(m.data);
  },
  [p9.TWALK]: walk,
  [p9.TLOPEN]: (m, w) => {
    w.u32(m.fid);
    w.u32(m.flags);
  },
  [p9.TGETATTR]: (m, w) => {
    w.u32(m.fid);
    w.mask(m.mask);
  },
  [p9.TFLUSH]: (m, w) => {
    w.u16(m.oldtag);
  },
  [p9.TCLUNK]: fidOnly,
  [p9.TREMOVE]: fidOnly,
  [p9.TREADLINK]: fidOnly,
  [p9.TSTATFS]: fidOnly,
  [p9.TFSYNC]: (m, w) => {
    w.u32(m.fid);
    w.u32(m.datasync);
  },
  [p9.TVERSION]: version,
  [p9.RVERSION]: version,
  [p9.TATTACH]: (m, w) => {
    w.u32(m.fid);
    user(m, w);
  },
  [p9.TAUTH]: user,
  [p9.TSETATTR]: (m, w) => {
    w.u32(m.fid);
    change(m.change, w);
  },
  [p9.TLCREATE]: (m, w) => {
    w.u32(m.fid);
    w.string(m.name);
    w.u32(m.flags);
    w.u32(m.mode);
    w.u32(m.gid);
  },
  [p9.TSYMLINK]: (m, w) => {
    w.u32(m.fid);
    w.string(m.name);
    w.string(m.target);
    w.u32(m.gid);
  },
  [p9.TMKNOD]: (m, w) => {
    w.u32(m.fid);
    w.string(m.name);
    w.u32(m.mode);
    w.u32(m.major);
    w.u32(m.minor);
    w.u32(m.gid);
  },
  [p9.TMKDIR]: (m, w) => {
    w.u32(m.fid);
    w.string(m.name);
    w.u32(m.mode);
    w.u32(m.gid);
  },
  [p9.TRENAME]: (m, w) => {
    w.u32(m.fid);
    w.u32(m.dfid);
    w.string(m.name);
  },
  [p9.TLINK]: (m, w) => {
    w.u32(m.dfid);
    w.u32(m.fid);
    w.string(m.name);
  },
  [p9.TRENAMEAT]: (m, w) => {
    w.u32(m.fid);
    w.string(m.name);
    w.u32(m.dfid);
    w.string(m.newname);
  },
  [p9.TUNLINKAT]: (m, w) => {
    w.u32(m.fid);
    w.string(m.name);
    w.u32(m.flags);
  },
  [p9.TXATTRWALK]: (m, w) => {
    w.u32(m.fid);
    w.u32(m.newfid);
    w.string(m.name);
  },
  [p9.TXATTRCREATE]: (m, w) => {
    w.u32(m.fid);
    w.string(m.name);
    w.u64(m.size);
    w.u32(m.flags);
  },
  [p9.TLOCK]: (m, w) => {
    w.u32(m.fid);
    w.u8(m.lock.type);
    w.u32(m.lock.flags);
    lockRange(m.lock, w);
  },
  [p9.TGETLOCK]: (m, w) => {
    w.u32(m.fid);
    w.u8(m.lock.type);
    lockRange(m.lock, w);
  },
  [p9.RREAD]: content,
  [p9.RREADDIR]: content,
  [p9.RWRITE]: (m, w) => {
    w.u32(m.count);
  },
  [p9.RWALK]: walked,
  [p9.RLOPEN]: opened,
  [p9.RLCREATE]: opened,
  [p9.RLERROR]: (m, w) => {
    w.u32(m.ecode);
  },
  [p9.RGETATTR]: (m, w) => {
    w.mask(m.attributes.valid);
    w.qid(m.qid);
    attributes(m.attributes, w);
  },
  [p9.RAUTH]: qidOnly,
  [p9.RATTACH]: qidOnly,
  [p9.RSYMLINK]: qidOnly,
  [p9.RMKNOD]: qidOnly,
  [p9.RMKDIR]: qidOnly,
  [p9.RSTATFS]: (m, w) => {
    status(m.status, w);
  },
  [p9.RREADLINK]: (m, w) => {
    w.string(m.target);
  },
  [p9.RXATTRWALK]: (m, w) => {
    w.u64(m.size);
  },
  [p9.RLOCK]: (m, w) => {
    w.u8(m.lockStatus);
  },
  [p9.RGETLOCK]: (m, w) => {
    w.u8(m.lock.type);
    lockRange(m.lock, w);
  },
  [p9.RCLUNK]: nothing,
  [p9.RREMOVE]: nothing,
  [p9.RFLUSH]: nothing,
  [p9.RSETATTR]: nothing,
  [p9.RFSYNC]: nothing,
  [p9.RRENAME]: nothing,
  [p9.RRENAMEAT]: nothing,
  [p9.RUNLINKAT]: nothing,
  [p9.RLINK]: nothing,
  [p9.RXATTRCREATE]: nothing,
});

function range(m: Message, w: Writer): void {
  w.u32(m.fid);
  w.u64(m.offset);
  w.u32(m.count);
}

function fidOnly(m: Message, w: Writer): void {
  w.u32(m.fid);
}

function version(m: Message, w: Writer): void {
  w.u32(m.msize);
  w.string(m.version);
}

function content(m: Message, w: Writer): void {
  w.u32(m.data.length);
  w.span(m.data);
}

function opened(m: Message, w: Writer): void {
  w.qid(m.qid);
  w.u32(m.iounit);
}

function qidOnly(m: Message, w: Writer): void {
  w.qid(m.qid);
}

/** Header alone. */
function nothing(): void {}

function walk(m: Message, w: Writer): void {
  w.u32(m.fid);
  w.u32(m.newfid);
  w.u16(m.nwname);
  if (m.nwname > p9.MAX_WELEM) w.fail();
  else for (let i = 0; i < m.nwname; i++) w.string(m.wnames[i]!);
}

function walked(m: Message, w: Writer): void {
  w.u16(m.nwqid);
  if (m.nwqid > p9.MAX_WELEM) w.fail();
  else for (let i = 0; i < m.nwqid; i++) w.qid(m.wqids[i]!);
}

function user(m: Message, w: Writer): void {
  w.u32(m.afid);
  w.string(m.uname);
  w.string(m.aname);
  w.u32(m.nUname);
}

function change(c: AttributeChange, w: Writer): void {
  w.u32(c.valid);
  w.u32(c.mode);
  w.u32(c.uid);
  w.u32(c.gid);
  w.u64(c.size);
  w.u64(c.atimeSec);
  w.u64(c.atimeNsec);
  w.u64(c.mtimeSec);
  w.u64(c.mtimeNsec);
}

function attributes(a: Attributes, w: Writer): void {
  w.u32(a.mode);
  w.u32(a.uid);
  w.u32(a.gid);
  w.u64(a.nlink);
  w.u64(a.rdev);
  w.u64(a.size);
  w.u64(a.blksize);
  w.u64(a.blocks);
  w.u64(a.atimeSec);
  w.u64(a.atimeNsec);
  w.u64(a.mtimeSec);
  w.u64(a.mtimeNsec);
  w.u64(a.ctimeSec);
  w.u64(a.ctimeNsec);
  w.u64(a.btimeSec);
  w.u64(a.btimeNsec);
  w.u64(a.gen);
  w.u64(a.dataVersion);
}

function status(s: FileSystemStatus, w: Writer): void {
  w.u32(s.type);
  w.u32(s.bsize);
  w.u64(s.blocks);
  w.u64(s.bfree);
  w.u64(s.bavail);
  w.u64(s.files);
  w.u64(s.ffree);
  w.u64(s.fsid);
  w.u32(s.namelen);
}

function lockRange(lock: Lock, w: Writer): void {
  w.u64(lock.start);
  w.u64(lock.length);
  w.u32(lock.procId);
  w.string(lock.clientId);
}
