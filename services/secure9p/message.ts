/**
 * One record for every message of 9P2000.L, filled by `decode` and read by `encode`: whoever handles messages has one
 * and uses it again. A message's type says which fields mean something; the others keep what they had.
 */
import { MAX_WELEM } from "./constants.ts";
import { type Qid, Span } from "./wire.ts";

/** Rgetattr. Fields that `valid` does not name are sent as they are. */
export class Attributes {
  /** {@link GETATTR_BASIC} and the like; only the lower half of the 64 bits has a meaning. */
  valid = 0;
  mode = 0;
  uid = 0;
  gid = 0;
  nlink = 0;
  rdev = 0;
  size = 0;
  blksize = 0;
  blocks = 0;
  atimeSec = 0;
  atimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;
  btimeSec = 0;
  btimeNsec = 0;
  gen = 0;
  dataVersion = 0;
}

/** Tsetattr. A `size` or time that is not exact is {@link INEXACT}. */
export class AttributeChange {
  valid = 0;
  mode = 0;
  uid = 0;
  gid = 0;
  size = 0;
  atimeSec = 0;
  atimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
}

/** Rstatfs. */
export class FileSystemStatus {
  type = 0;
  bsize = 0;
  blocks = 0;
  bfree = 0;
  bavail = 0;
  files = 0;
  ffree = 0;
  fsid = 0;
  namelen = 0;
}

/** Tlock, Tgetlock, Rgetlock. */
export class Lock {
  type = 0;
  flags = 0;
  start = 0;
  length = 0;
  procId = 0;
  readonly clientId = new Span();
}

export class Message {
  type = 0;
  tag = 0;

  fid = 0;
  /** Tauth, Tattach. */
  afid = 0;
  /** Twalk, Txattrwalk. */
  newfid = 0;
  /** The directory of Trename and Tlink, `newdirfid` of Trenameat. In the other messages the directory is `fid`. */
  dfid = 0;

  /** Tversion, Rversion. */
  msize = 0;
  readonly version = new Span();
  /** Tauth, Tattach. */
  readonly uname = new Span();
  readonly aname = new Span();
  nUname = 0;
  /** Tflush. */
  oldtag = 0;
  /** Rlerror. */
  ecode = 0;

  /** Twalk. */
  nwname = 0;
  /** Twalk of a client within this process: the names as texts that are known to be names, instead of `wnames`. */
  names: readonly string[] | undefined = undefined;
  readonly wnames: readonly Span[] = Array.from({ length: MAX_WELEM }, () => new Span());
  /** Rwalk. */
  nwqid = 0;
  readonly wqids: readonly Qid[] = Array.from({ length: MAX_WELEM }, () => ({ type: 0, version: 0, path: 0 }));
  /** Rauth, Rattach, Rlopen, Rlcreate, Rsymlink, Rmknod, Rmkdir, Rgetattr. */
  readonly qid: Qid = { type: 0, version: 0, path: 0 };
  /** Rlopen, Rlcreate. */
  iounit = 0;

  /** Tlopen, Tlcreate, Txattrcreate, Tunlinkat. */
  flags = 0;
  /** Tlcreate, Tmknod, Tmkdir. */
  mode = 0;
  /** Tlcreate, Tsymlink, Tmknod, Tmkdir. */
  gid = 0;
  /** Tmknod. */
  major = 0;
  minor = 0;
  /** The first name of a message, and the second of Trenameat. */
  readonly name = new Span();
  readonly newname = new Span();
  /** Tsymlink, Rreadlink. */
  readonly target = new Span();

  /** Tread, Twrite, Treaddir. */
  offset = 0;
  /** Tread, Treaddir, Rwrite; elsewhere the data's length counts. */
  count = 0;
  /** Twrite, Rread, Rreaddir. */
  readonly data = new Span();
  /** Tfsync. */
  datasync = 0;
  /** Tgetattr: the lower half of `request_mask`. */
  mask = 0;
  /** Rgetattr; whoever encodes may put a record of its own here. */
  attributes = new Attributes();
  /** Tsetattr. */
  change = new AttributeChange();
  /** Rstatfs. */
  readonly status = new FileSystemStatus();
  /** Txattrcreate, Rxattrwalk. */
  size = 0;
  /** Tlock, Tgetlock, Rgetlock, and Rlock's answer. */
  readonly lock = new Lock();
  lockStatus = 0;
}
