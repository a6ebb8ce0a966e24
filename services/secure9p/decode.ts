/**
 * Bytes to messages, both directions of 9P2000.L. Whatever the bytes, it does not throw, looks at nothing outside the
 * frame, and accepts a message only if its fields fill the frame exactly. Strings and data stay where they are, as spans.
 */
import { byType } from "./by-type.ts";
import * as p9 from "./constants.ts";
import type { AttributeChange, Attributes, FileSystemStatus, Lock, Message } from "./message.ts";
import { type Reader } from "./wire.ts";

export const DECODED = 0;
/** The fields do not fill the frame, or a count or qid in it cannot be. */
export const MALFORMED = 1;
/** No message of 9P2000.L has this type. `type` and `tag` are read. */
export const UNKNOWN_TYPE = 2;
export type Verdict = typeof DECODED | typeof MALFORMED | typeof UNKNOWN_TYPE;

/**
 * Decode one whole frame of `size` ≥ 7 bytes, whose size field has been checked.
 * `type` and `tag` of the message are set whatever it returns.
 */
export function decode(m: Message, r: Reader, bytes: Uint8Array, at: number, size: number): Verdict {
  const type = bytes[at + 4]!;
  m.type = type;
  m.tag = bytes[at + 5]! | (bytes[at + 6]! << 8);
  const body = BODIES[type];
  if (body === undefined) return UNKNOWN_TYPE;
  r.begin(bytes, at + p9.HEADER, size - p9.HEADER);
  body(m, r);
  return !r.failed && r.at === r.end ? DECODED : MALFORMED;
}

type Body = (m: Message, r: Reader) => void;

/** What follows the header, by type. A table, because QuickJS tries the cases of a `switch` one after the other. */
const BODIES: readonly (Body | undefined)[] = byType<Body>({
  [p9.TREAD]: range,
  [p9.TREADDIR]: range,
  [p9.TWRITE]: (m, r) => {
    m.fid = r.u32();
    m.offset = r.u64();
    r.span(m.data, r.u32());
  },
  [p9.TWALK]: walk,
  [p9.TLOPEN]: (m, r) => {
    m.fid = r.u32();
    m.flags = r.u32();
  },
  [p9.TGETATTR]: (m, r) => {
    m.fid = r.u32();
    m.mask = r.mask();
  },
  [p9.TFLUSH]: (m, r) => {
    m.oldtag = r.u16();
  },
  [p9.TCLUNK]: fidOnly,
  [p9.TREMOVE]: fidOnly,
  [p9.TREADLINK]: fidOnly,
  [p9.TSTATFS]: fidOnly,
  [p9.TFSYNC]: (m, r) => {
    m.fid = r.u32();
    m.datasync = r.u32();
  },
  [p9.TVERSION]: version,
  [p9.RVERSION]: version,
  [p9.TATTACH]: (m, r) => {
    m.fid = r.u32();
    user(m, r);
  },
  [p9.TAUTH]: user,
  [p9.TSETATTR]: (m, r) => {
    m.fid = r.u32();
    change(m.change, r);
  },
  [p9.TLCREATE]: (m, r) => {
    m.fid = r.u32();
    r.string(m.name);
    m.flags = r.u32();
    m.mode = r.u32();
    m.gid = r.u32();
  },
  [p9.TSYMLINK]: (m, r) => {
    m.fid = r.u32();
    r.string(m.name);
    r.string(m.target);
    m.gid = r.u32();
  },
  [p9.TMKNOD]: (m, r) => {
    m.fid = r.u32();
    r.string(m.name);
    m.mode = r.u32();
    m.major = r.u32();
    m.minor = r.u32();
    m.gid = r.u32();
  },
  [p9.TMKDIR]: (m, r) => {
    m.fid = r.u32();
    r.string(m.name);
    m.mode = r.u32();
    m.gid = r.u32();
  },
  [p9.TRENAME]: (m, r) => {
    m.fid = r.u32();
    m.dfid = r.u32();
    r.string(m.name);
  },
  [p9.TLINK]: (m, r) => {
    m.dfid = r.u32();
    m.fid = r.u32();
    r.string(m.name);
  },
  [p9.TRENAMEAT]: (m, r) => {
    m.fid = r.u32();
    r.string(m.name);
    m.dfid = r.u32();
    r.string(m.newname);
  },
  [p9.TUNLINKAT]: (m, r) => {
    m.fid = r.u32();
    r.string(m.name);
    m.flags = r.u32();
  },
  [p9.TXATTRWALK]: (m, r) => {
    m.fid = r.u32();
    m.newfid = r.u32();
    r.string(m.name);
  },
  [p9.TXATTRCREATE]: (m, r) => {
    m.fid = r.u32();
    r.string(m.name);
    m.size = r.u64();
    m.flags = r.u32();
  },
  [p9.TLOCK]: (m, r) => {
    m.fid = r.u32();
    m.lock.type = r.u8();
    m.lock.flags = r.u32();
    lockRange(m.lock, r);
  },
  [p9.TGETLOCK]: (m, r) => {
    m.fid = r.u32();
    m.lock.type = r.u8();
    lockRange(m.lock, r);
  },
  [p9.RREAD]: content,
  [p9.RREADDIR]: content,
  [p9.RWRITE]: (m, r) => {
    m.count = r.u32();
  },
  [p9.RWALK]: walked,
  [p9.RLOPEN]: opened,
  [p9.RLCREATE]: opened,
  [p9.RLERROR]: (m, r) => {
    m.ecode = r.u32();
  },
  [p9.RGETATTR]: (m, r) => {
    m.attributes.valid = r.mask();
    r.qid(m.qid);
    attributes(m.attributes, r);
  },
  [p9.RAUTH]: qidOnly,
  [p9.RATTACH]: qidOnly,
  [p9.RSYMLINK]: qidOnly,
  [p9.RMKNOD]: qidOnly,
  [p9.RMKDIR]: qidOnly,
  [p9.RSTATFS]: (m, r) => {
    status(m.status, r);
  },
  [p9.RREADLINK]: (m, r) => {
    r.string(m.target);
  },
  [p9.RXATTRWALK]: (m, r) => {
    m.size = r.u64();
  },
  [p9.RLOCK]: (m, r) => {
    m.lockStatus = r.u8();
  },
  [p9.RGETLOCK]: (m, r) => {
    m.lock.type = r.u8();
    lockRange(m.lock, r);
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

function range(m: Message, r: Reader): void {
  m.fid = r.u32();
  m.offset = r.u64();
  m.count = r.u32();
}

function fidOnly(m: Message, r: Reader): void {
  m.fid = r.u32();
}

function version(m: Message, r: Reader): void {
  m.msize = r.u32();
  r.string(m.version);
}

function content(m: Message, r: Reader): void {
  r.span(m.data, r.u32());
}

function opened(m: Message, r: Reader): void {
  r.qid(m.qid);
  m.iounit = r.u32();
}

function qidOnly(m: Message, r: Reader): void {
  r.qid(m.qid);
}

/** Header alone. */
function nothing(): void {}

function walk(m: Message, r: Reader): void {
  m.fid = r.u32();
  m.newfid = r.u32();
  m.nwname = r.u16();
  if (m.nwname > p9.MAX_WELEM) r.fail();
  else for (let i = 0; i < m.nwname; i++) r.string(m.wnames[i]!);
}

function walked(m: Message, r: Reader): void {
  m.nwqid = r.u16();
  if (m.nwqid > p9.MAX_WELEM) r.fail();
  else for (let i = 0; i < m.nwqid; i++) r.qid(m.wqids[i]!);
}

function user(m: Message, r: Reader): void {
  m.afid = r.u32();
  r.string(m.uname);
  r.string(m.aname);
  m.nUname = r.u32();
}

function change(c: AttributeChange, r: Reader): void {
  c.valid = r.u32();
  c.mode = r.u32();
  c.uid = r.u32();
  c.gid = r.u32();
  c.size = r.u64();
  c.atimeSec = r.u64();
  c.atimeNsec = r.u64();
  c.mtimeSec = r.u64();
  c.mtimeNsec = r.u64();
}

function attributes(a: Attributes, r: Reader): void {
  a.mode = r.u32();
  a.uid = r.u32();
  a.gid = r.u32();
  a.nlink = r.u64();
  a.rdev = r.u64();
  a.size = r.u64();
  a.blksize = r.u64();
  a.blocks = r.u64();
  a.atimeSec = r.u64();
  a.atimeNsec = r.u64();
  a.mtimeSec = r.u64();
  a.mtimeNsec = r.u64();
  a.ctimeSec = r.u64();
  a.ctimeNsec = r.u64();
  a.btimeSec = r.u64();
  a.btimeNsec = r.u64();
  a.gen = r.u64();
  a.dataVersion = r.u64();
}

function status(s: FileSystemStatus, r: Reader): void {
  s.type = r.u32();
  s.bsize = r.u32();
  s.blocks = r.u64();
  s.bfree = r.u64();
  s.bavail = r.u64();
  s.files = r.u64();
  s.ffree = r.u64();
  s.fsid = r.u64();
  s.namelen = r.u32();
}

function lockRange(lock: Lock, r: Reader): void {
  lock.start = r.u64();
  lock.length = r.u64();
  lock.procId = r.u32();
  r.string(lock.clientId);
}
