/**
 * Messages to bytes, both directions of 9P2000.L. It writes a whole frame within the room it is given or says that it
 * cannot: a string over 65,535 bytes, a number that a field cannot hold or a frame too long is never cut to fit.
 */
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
  w.begin(into, at, room);
  w.u32(0);
  w.u8(m.type);
  w.u16(m.tag);
  if (!body(m, w) || w.failed) return UNFIT;
  const size = w.at - at;
  putU32(into, at, size);
  return size;
}

function body(m: Message, w: Writer): boolean {
  switch (m.type) {
    case p9.TREAD:
    case p9.TREADDIR:
      w.u32(m.fid);
      w.u64(m.offset);
      w.u32(m.count);
      break;
    case p9.TWRITE:
      w.u32(m.fid);
      w.u64(m.offset);
      w.u32(m.data.length);
      w.span(m.data);
      break;
    case p9.TWALK:
      walk(m, w);
      break;
    case p9.TLOPEN:
      w.u32(m.fid);
      w.u32(m.flags);
      break;
    case p9.TGETATTR:
      w.u32(m.fid);
      w.mask(m.mask);
      break;
    case p9.TFLUSH:
      w.u16(m.oldtag);
      break;
    case p9.TCLUNK:
    case p9.TREMOVE:
    case p9.TREADLINK:
    case p9.TSTATFS:
      w.u32(m.fid);
      break;
    case p9.TFSYNC:
      w.u32(m.fid);
      w.u32(m.datasync);
      break;
    case p9.TVERSION:
    case p9.RVERSION:
      w.u32(m.msize);
      w.string(m.version);
      break;
    case p9.TATTACH:
      w.u32(m.fid);
      user(m, w);
      break;
    case p9.TAUTH:
      user(m, w);
      break;
    case p9.TSETATTR:
      w.u32(m.fid);
      change(m.change, w);
      break;
    case p9.TLCREATE:
      w.u32(m.fid);
      w.string(m.name);
      w.u32(m.flags);
      w.u32(m.mode);
      w.u32(m.gid);
      break;
    case p9.TSYMLINK:
      w.u32(m.fid);
      w.string(m.name);
      w.string(m.target);
      w.u32(m.gid);
      break;
    case p9.TMKNOD:
      w.u32(m.fid);
      w.string(m.name);
      w.u32(m.mode);
      w.u32(m.major);
      w.u32(m.minor);
      w.u32(m.gid);
      break;
    case p9.TMKDIR:
      w.u32(m.fid);
      w.string(m.name);
      w.u32(m.mode);
      w.u32(m.gid);
      break;
    case p9.TRENAME:
      w.u32(m.fid);
      w.u32(m.dfid);
      w.string(m.name);
      break;
    case p9.TLINK:
      w.u32(m.dfid);
      w.u32(m.fid);
      w.string(m.name);
      break;
    case p9.TRENAMEAT:
      w.u32(m.fid);
      w.string(m.name);
      w.u32(m.dfid);
      w.string(m.newname);
      break;
    case p9.TUNLINKAT:
      w.u32(m.fid);
      w.string(m.name);
      w.u32(m.flags);
      break;
    case p9.TXATTRWALK:
      w.u32(m.fid);
      w.u32(m.newfid);
      w.string(m.name);
      break;
    case p9.TXATTRCREATE:
      w.u32(m.fid);
      w.string(m.name);
      w.u64(m.size);
      w.u32(m.flags);
      break;
    case p9.TLOCK:
      w.u32(m.fid);
      w.u8(m.lock.type);
      w.u32(m.lock.flags);
      lockRange(m.lock, w);
      break;
    case p9.TGETLOCK:
      w.u32(m.fid);
      w.u8(m.lock.type);
      lockRange(m.lock, w);
      break;
    default:
      return encodeReply(m, w);
  }
  return true;
}

function encodeReply(m: Message, w: Writer): boolean {
  switch (m.type) {
    case p9.RREAD:
    case p9.RREADDIR:
      w.u32(m.data.length);
      w.span(m.data);
      break;
    case p9.RWRITE:
      w.u32(m.count);
      break;
    case p9.RWALK:
      walked(m, w);
      break;
    case p9.RLOPEN:
    case p9.RLCREATE:
      w.qid(m.qid);
      w.u32(m.iounit);
      break;
    case p9.RLERROR:
      w.u32(m.ecode);
      break;
    case p9.RGETATTR:
      w.mask(m.attributes.valid);
      w.qid(m.qid);
      attributes(m.attributes, w);
      break;
    case p9.RAUTH:
    case p9.RATTACH:
    case p9.RSYMLINK:
    case p9.RMKNOD:
    case p9.RMKDIR:
      w.qid(m.qid);
      break;
    case p9.RSTATFS:
      status(m.status, w);
      break;
    case p9.RREADLINK:
      w.string(m.target);
      break;
    case p9.RXATTRWALK:
      w.u64(m.size);
      break;
    case p9.RLOCK:
      w.u8(m.lockStatus);
      break;
    case p9.RGETLOCK:
      w.u8(m.lock.type);
      lockRange(m.lock, w);
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
      return false;
  }
  return true;
}

function walk(m: Message, w: Writer): void {
  w.u32(m.fid);
  w.u32(m.newfid);
  w.u16(m.nwname);
  if (m.nwname > p9.MAX_WELEM) w.failed = true;
  else for (let i = 0; i < m.nwname; i++) w.string(m.wnames[i]!);
}

function walked(m: Message, w: Writer): void {
  w.u16(m.nwqid);
  if (m.nwqid > p9.MAX_WELEM) w.failed = true;
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
