/**
 * What a request must be before a provider sees it: the rules of the protocol and of docs/INTERFACES.md that need nothing
 * but the message and its fid.
 */
import type { Bytes } from "../ports/index.ts";
import * as p9 from "./constants.ts";
import type { Fid } from "./fids.ts";
import type { Message } from "./message.ts";
import { BAD_FID, BUSY, INVALID, PERMISSION, type Refusal, TOO_BIG, UNSUPPORTED } from "./refusal.ts";
import { INEXACT, type Span } from "./wire.ts";

const SLASH = 0x2f;

/** Whether it is UTF-8 without NUL. */
export function isText(span: Span, port: Bytes): boolean {
  return !span.has(0) && port.validate(span.bytes, span.start, span.length);
}

/** Why this is no element of a path. `.` and `..` are elements. */
export function checkName(name: Span, port: Bytes): Refusal | undefined {
  const { bytes, start, length } = name;
  if (length > p9.COMPONENT_BYTES) return TOO_BIG;
  if (length === 0) return INVALID;
  let bits = 0;
  for (let at = start; at < start + length; at++) {
    const byte = bytes[at]!;
    if (byte === SLASH || byte === 0) return INVALID;
    bits |= byte;
  }
  return bits < 0x80 || port.validate(bytes, start, length) ? undefined : INVALID;
}

/** Why a Tattach is refused before its ticket is looked at. @param taken whether the new fid's number is in use */
export function checkAttach(m: Message, taken: boolean, port: Bytes): Refusal | undefined {
  if (m.afid !== p9.NOFID || m.fid === p9.NOFID) return INVALID;
  if (!isText(m.uname, port) || !isText(m.aname, port)) return INVALID;
  return taken ? BUSY : undefined;
}

/** Why a Twalk is refused before its first step. @param taken whether the new fid's number is in use, by another fid */
export function checkWalk(m: Message, fid: Fid, taken: boolean, port: Bytes): Refusal | undefined {
  const same = m.newfid === m.fid;
  if (m.newfid === p9.NOFID) return INVALID;
  if (same && fid.file !== undefined) return INVALID;
  if (taken || (same && fid.claimed)) return BUSY;
  if (m.nwname > p9.WALK_DEPTH) return TOO_BIG;
  if (m.names !== undefined) return undefined;
  for (let i = 0; i < m.nwname; i++) {
    const why = checkName(m.wnames[i]!, port);
    if (why !== undefined) return why;
  }
  return undefined;
}

/** Why a request on a fid is refused that a node or its open file would have to do. */
export function check(m: Message, fid: Fid, msize: number): Refusal | undefined {
  // The frequent ones first, for QuickJS tries one case after the other.
  switch (m.type) {
    case p9.TREAD: {
      const most = msize - p9.READ_HEADER;
      return checkIo(fid, p9.O_WRONLY, false) ?? checkRange(m.offset, m.count < most ? m.count : most);
    }
    case p9.TWRITE:
      return checkIo(fid, p9.O_RDONLY, false) ?? checkRange(m.offset, m.data.length);
    case p9.TLOPEN:
      return checkOpen(m.flags, fid);
    case p9.TGETATTR:
      return undefined;
    case p9.TREADDIR:
      return checkIo(fid, p9.O_WRONLY, true) ?? checkRange(m.offset, 0);
    case p9.TSETATTR:
      return (m.change.valid & p9.SETATTR_SIZE) !== 0 && m.change.size === INEXACT ? INVALID : undefined;
    case p9.TREADLINK:
      // readlink(2) on what is no symbolic link.
      return INVALID;
    default:
      return UNSUPPORTED;
  }
}

function checkOpen(flags: number, fid: Fid): Refusal | undefined {
  const access = flags & p9.O_ACCMODE;
  const directory = (fid.node.qid.type & p9.QTDIR) !== 0;
  if (fid.file !== undefined || access === p9.O_ACCMODE) return INVALID;
  if (fid.claimed) return BUSY;
  if (directory) return access === p9.O_RDONLY ? undefined : PERMISSION;
  return (flags & p9.O_DIRECTORY) !== 0 ? INVALID : undefined;
}

function checkIo(fid: Fid, wrongAccess: number, directory: boolean): Refusal | undefined {
  if (fid.file === undefined || (fid.flags & p9.O_ACCMODE) === wrongAccess) return BAD_FID;
  return ((fid.node.qid.type & p9.QTDIR) !== 0) === directory ? undefined : INVALID;
}

/** Offsets are numbers: what would end beyond 2^53 − 1 could not be told from its neighbours. */
function checkRange(offset: number, count: number): Refusal | undefined {
  return offset === INEXACT || offset > Number.MAX_SAFE_INTEGER - count ? INVALID : undefined;
}
