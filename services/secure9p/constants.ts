/**
 * The numbers of 9P2000.L: message types, flags, masks and the limits of ours that docs/INTERFACES.md names.
 * Names are those of diod's `protocol.md` and of Linux's `include/net/9p/9p.h`.
 */

/** The one version spoken here, and the answer to any other (version(5)). */
export const VERSION = "9P2000.L";
export const VERSION_UNKNOWN = "unknown";

/** Messages by name; a reply is its request + 1. */
export const RLERROR = 7;
export const TSTATFS = 8;
export const RSTATFS = 9;
export const TLOPEN = 12;
export const RLOPEN = 13;
export const TLCREATE = 14;
export const RLCREATE = 15;
export const TSYMLINK = 16;
export const RSYMLINK = 17;
export const TMKNOD = 18;
export const RMKNOD = 19;
export const TRENAME = 20;
export const RRENAME = 21;
export const TREADLINK = 22;
export const RREADLINK = 23;
export const TGETATTR = 24;
export const RGETATTR = 25;
export const TSETATTR = 26;
export const RSETATTR = 27;
export const TXATTRWALK = 30;
export const RXATTRWALK = 31;
export const TXATTRCREATE = 32;
export const RXATTRCREATE = 33;
export const TREADDIR = 40;
export const RREADDIR = 41;
export const TFSYNC = 50;
export const RFSYNC = 51;
export const TLOCK = 52;
export const RLOCK = 53;
export const TGETLOCK = 54;
export const RGETLOCK = 55;
export const TLINK = 70;
export const RLINK = 71;
export const TMKDIR = 72;
export const RMKDIR = 73;
export const TRENAMEAT = 74;
export const RRENAMEAT = 75;
export const TUNLINKAT = 76;
export const RUNLINKAT = 77;
export const TVERSION = 100;
export const RVERSION = 101;
export const TAUTH = 102;
export const RAUTH = 103;
export const TATTACH = 104;
export const RATTACH = 105;
export const TFLUSH = 108;
export const RFLUSH = 109;
export const TWALK = 110;
export const RWALK = 111;
export const TREAD = 116;
export const RREAD = 117;
export const TWRITE = 118;
export const RWRITE = 119;
export const TCLUNK = 120;
export const RCLUNK = 121;
export const TREMOVE = 122;
export const RREMOVE = 123;

/** A tag or fid that names nothing. */
export const NOTAG = 0xffff;
export const NOFID = 0xffffffff;
/** Tattach's `n_uname` of somebody without a number. */
export const NONUNAME = 0xffffffff;

/** Size of `size[4] type[1] tag[2]`. */
export const HEADER = 7;
/** What Linux takes off msize for the largest Twrite (`P9_IOHDRSZ`): `iounit` is msize less this. */
export const IO_HEADER = 24;
/** What stands before the data of an Rread or Rreaddir. */
export const READ_HEADER = HEADER + 4;
/** A qid on the wire. */
export const QID_SIZE = 13;
/** A directory entry without its name: qid, offset, type, length of the name. */
export const ENTRY_HEADER = QID_SIZE + 8 + 1 + 2;

export const MSIZE_MIN = 512;
export const MSIZE_MAX = 8192;
/** Elements of a Twalk that the protocol allows (`P9_MAXWELEM`). */
export const MAX_WELEM = 16;
/** Elements of a Twalk that we walk, and the depth of a fid below its attach root. */
export const WALK_DEPTH = 8;
export const COMPONENT_BYTES = 255;
/** A claimed frame longer than this ends the session: nobody may hold it open with a false length. */
export const FALSE_LENGTH = 65536;

/** `qid.type` (intro(5)). */
export const QTDIR = 0x80;
export const QTAPPEND = 0x40;
export const QTFILE = 0x00;

/** Type of a directory entry (readdir(3)). */
export const DT_DIR = 4;
export const DT_REG = 8;

/** Flags of Tlopen (open(2) as Linux on x86 numbers it, which is what v9fs sends from every machine). */
export const O_RDONLY = 0o0;
export const O_WRONLY = 0o1;
export const O_RDWR = 0o2;
export const O_ACCMODE = 0o3;
export const O_CREAT = 0o100;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_DIRECTORY = 0o200000;

/** File types in `mode` (stat(2)). */
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;

/** Bits of Tgetattr's `request_mask` and of Rgetattr's `valid`. */
export const GETATTR_MODE = 0x1;
export const GETATTR_NLINK = 0x2;
export const GETATTR_UID = 0x4;
export const GETATTR_GID = 0x8;
export const GETATTR_RDEV = 0x10;
export const GETATTR_ATIME = 0x20;
export const GETATTR_MTIME = 0x40;
export const GETATTR_CTIME = 0x80;
export const GETATTR_INO = 0x100;
export const GETATTR_SIZE = 0x200;
export const GETATTR_BLOCKS = 0x400;
/** All fields up to `blocks`. */
export const GETATTR_BASIC = 0x7ff;
export const GETATTR_DATA_VERSION = 0x2000;

/** Bits of Tsetattr's `valid`. */
export const SETATTR_MODE = 0x1;
export const SETATTR_UID = 0x2;
export const SETATTR_GID = 0x4;
export const SETATTR_SIZE = 0x8;
export const SETATTR_ATIME = 0x10;
export const SETATTR_MTIME = 0x20;
export const SETATTR_CTIME = 0x40;
export const SETATTR_ATIME_SET = 0x80;
export const SETATTR_MTIME_SET = 0x100;

/** `Rstatfs.type` of 9P (`V9FS_MAGIC` in Linux's `magic.h`). */
export const V9FS_MAGIC = 0x01021997;
