/**
 * Bytes to messages, both directions of 9P2000.L. Whatever the bytes, it does not throw, looks at nothing outside the
 * frame, and accepts a message only if its fields fill the frame exactly. Strings and data stay where they are, as spans.
 */
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
  r.begin(bytes, at + 4, size - 4);
  const type = r.u8();
  m.type = type;
  m.tag = r.u16();
  switch (type) {
    case p9.TREAD:
    case p9.TREADDIR:
      m.fid = r.u32();
      m.offset = r.u64();
      m.count = r.u32();
      break;
    case p9.TWRITE:
      m.fid = r.u32();
      m.offset = r.u64();
      r.span(m.data, r.u32());
      break;
    case p9.TWALK:
      walk(m, r);
      break;
    case p9.TLOPEN:
      m.fid = r.u32();
      m.flags = r.u32();
      break;
    case p9.TGETATTR:
      m.fid = r.u32();
      m.mask = r.mask();
      break;
    case p9.TFLUSH:
      m.oldtag = r.u16();
      break;
    case p9.TCLUNK:
    case p9.TREMOVE:
    case p9.TREADLINK:
    case p9.TSTATFS:
      m.fid = r.u32();
      break;
    case p9.TFSYNC:
      m.fid = r.u32();
      m.datasync = r.u32();
      break;
    case p9.TVERSION:
    case p9.RVERSION:
      m.msize = r.u32();
      r.string(m.version);
      break;
    case p9.TATTACH:
      m.fid = r.u32();
      user(m, r);
      break;
    case p9.TAUTH:
      user(m, r);
      break;
    case p9.TSETATTR:
      m.fid = r.u32();
      change(m.change, r);
      break;
    case p9.TLCREATE:
      m.fid = r.u32();
      r.string(m.name);
      m.flags = r.u32();
      m.mode = r.u32();
      m.gid = r.u32();
      break;
    case p9.TSYMLINK:
      m.fid = r.u32();
      r.string(m.name);
      r.string(m.target);
      m.gid = r.u32();
      break;
    case p9.TMKNOD:
      m.fid = r.u32();
      r.string(m.name);
      m.mode = r.u32();
      m.major = r.u32();
      m.minor = r.u32();
      m.gid = r.u32();
      break;
    case p9.TMKDIR:
      m.fid = r.u32();
      r.string(m.name);
      m.mode = r.u32();
      m.gid = r.u32();
      break;
    case p9.TRENAME:
      m.fid = r.u32();
      m.dfid = r.u32();
      r.string(m.name);
      break;
    case p9.TLINK:
      m.dfid = r.u32();
      m.fid = r.u32();
      r.string(m.name);
      break;
    case p9.TRENAMEAT:
      m.fid = r.u32();
      r.string(m.name);
      m.dfid = r.u32();
      r.string(m.newname);
      break;
    case p9.TUNLINKAT:
      m.fid = r.u32();
      r.string(m.name);
      m.flags = r.u32();
      break;
    case p9.TXATTRWALK:
      m.fid = r.u32();
      m.newfid = r.u32();
      r.string(m.name);
      break;
    case p9.TXATTRCREATE:
      m.fid = r.u32();
      r.string(m.name);
      m.size = r.u64();
      m.flags = r.u32();
      break;
    case p9.TLOCK:
      m.fid = r.u32();
      m.lock.type = r.u8();
      m.lock.flags = r.u32();
      lockRange(m.lock, r);
      break;
    case p9.TGETLOCK:
      m.fid = r.u32();
      m.lock.type = r.u8();
      lockRange(m.lock, r);
      break;
    default:
      return decodeReply(m, r);
  }
  return r.complete() ? DECODED : MALFORMED;
}

function decodeReply(m: Message, r: Reader): Verdict {
  switch (m.type) {
    case p9.RREAD:
    case p9.RREADDIR:
      r.span(m.data, r.u32());
      break;
    case p9.RWRITE:
      m.count = r.u32();
      break;
    case p9.RWALK:
      walked(m, r);
      break;
    case p9.RLOPEN:
    case p9.RLCREATE:
      r.qid(m.qid);
      m.iounit = r.u32();
      break;
    case p9.RLERROR:
      m.ecode = r.u32();
      break;
    case p9.RGETATTR:
      m.attributes.valid = r.mask();
      r.qid(m.qid);
      attributes(m.attributes, r);
      break;
    case p9.RAUTH:
    case p9.RATTACH:
    case p9.RSYMLINK:
    case p9.RMKNOD:
    case p9.RMKDIR:
      r.qid(m.qid);
      break;
    case p9.RSTATFS:
      status(m.status, r);
      break;
    case p9.RREADLINK:
      r.string(m.target);
      break;
    case p9.RXATTRWALK:
      m.size = r.u64();
      break;
    case p9.RLOCK:
      m.lockStatus = r.u8();
      break;
    case p9.RGETLOCK:
      m.lock.type = r.u8();
      lockRange(m.lock, r);
      break;
    case p9.RCLUNK:
    case p9.RREMOVE:
    case p9.RFLUSH:
    case p9.RSETATTR:
    case p9.RFSYNC:
    case p9.RRENAME:
    case p9.RRENAMEAT:
    case p9.RUNLINKAT:
    case p9.RLINK:
    case p9.RXATTRCREATE:
      break;
    default:
      return UNKNOWN_TYPE;
  }
  return r.complete() ? DECODED : MALFORMED;
}

function walk(m: Message, r: Reader): void {
  m.fid = r.u32();
  m.newfid = r.u32();
  m.nwname = r.u16();
  if (m.nwname > p9.MAX_WELEM) r.failed = true;
  else for (let i = 0; i < m.nwname; i++) r.string(m.wnames[i]!);
}

function walked(m: Message, r: Reader): void {
  m.nwqid = r.u16();
  if (m.nwqid > p9.MAX_WELEM) r.failed = true;
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
