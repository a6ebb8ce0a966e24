/**
 * The layouts of 9P2000.L as diod's `protocol.md` prints them, with the numbers of Linux's `9p.h`, and a codec that reads
 * them literally: slow, and made of nothing that the codec under test is made of.
 */
import type { Message } from "../../../services/secure9p/message.ts";
import type { Span } from "../../../services/secure9p/wire.ts";

/** Type, name, fields behind the tag. A field is `name[width]`, `s` a string, `13` a qid; `=path` says where `Message` has it. */
export const LAYOUTS: readonly (readonly [number, string, string])[] = [
  [7, "Rlerror", "ecode[4]"],
  [8, "Tstatfs", "fid[4]"],
  [
    9,
    "Rstatfs",
    "type[4]=status.type bsize[4]=status.bsize blocks[8]=status.blocks bfree[8]=status.bfree bavail[8]=status.bavail files[8]=status.files ffree[8]=status.ffree fsid[8]=status.fsid namelen[4]=status.namelen",
  ],
  [12, "Tlopen", "fid[4] flags[4]"],
  [13, "Rlopen", "qid[13] iounit[4]"],
  [14, "Tlcreate", "fid[4] name[s] flags[4] mode[4] gid[4]"],
  [15, "Rlcreate", "qid[13] iounit[4]"],
  [16, "Tsymlink", "fid[4] name[s] symtgt[s]=target gid[4]"],
  [17, "Rsymlink", "qid[13]"],
  [18, "Tmknod", "dfid[4]=fid name[s] mode[4] major[4] minor[4] gid[4]"],
  [19, "Rmknod", "qid[13]"],
  [20, "Trename", "fid[4] dfid[4] name[s]"],
  [21, "Rrename", ""],
  [22, "Treadlink", "fid[4]"],
  [23, "Rreadlink", "target[s]"],
  [24, "Tgetattr", "fid[4] request_mask[m]=mask"],
  [
    25,
    "Rgetattr",
    "valid[m]=attributes.valid qid[13] mode[4]=attributes.mode uid[4]=attributes.uid gid[4]=attributes.gid nlink[8]=attributes.nlink rdev[8]=attributes.rdev size[8]=attributes.size blksize[8]=attributes.blksize blocks[8]=attributes.blocks atime_sec[8]=attributes.atimeSec atime_nsec[8]=attributes.atimeNsec mtime_sec[8]=attributes.mtimeSec mtime_nsec[8]=attributes.mtimeNsec ctime_sec[8]=attributes.ctimeSec ctime_nsec[8]=attributes.ctimeNsec btime_sec[8]=attributes.btimeSec btime_nsec[8]=attributes.btimeNsec gen[8]=attributes.gen data_version[8]=attributes.dataVersion",
  ],
  [
    26,
    "Tsetattr",
    "fid[4] valid[4]=change.valid mode[4]=change.mode uid[4]=change.uid gid[4]=change.gid size[8]=change.size atime_sec[8]=change.atimeSec atime_nsec[8]=change.atimeNsec mtime_sec[8]=change.mtimeSec mtime_nsec[8]=change.mtimeNsec",
  ],
  [27, "Rsetattr", ""],
  [30, "Txattrwalk", "fid[4] newfid[4] name[s]"],
  [31, "Rxattrwalk", "size[8]"],
  [32, "Txattrcreate", "fid[4] name[s] attr_size[8]=size flags[4]"],
  [33, "Rxattrcreate", ""],
  [40, "Treaddir", "fid[4] offset[8] count[4]"],
  [41, "Rreaddir", "data[d]"],
  [50, "Tfsync", "fid[4] datasync[4]"],
  [51, "Rfsync", ""],
  [
    52,
    "Tlock",
    "fid[4] type[1]=lock.type flags[4]=lock.flags start[8]=lock.start length[8]=lock.length proc_id[4]=lock.procId client_id[s]=lock.clientId",
  ],
  [53, "Rlock", "status[1]=lockStatus"],
  [
    54,
    "Tgetlock",
    "fid[4] type[1]=lock.type start[8]=lock.start length[8]=lock.length proc_id[4]=lock.procId client_id[s]=lock.clientId",
  ],
  [
    55,
    "Rgetlock",
    "type[1]=lock.type start[8]=lock.start length[8]=lock.length proc_id[4]=lock.procId client_id[s]=lock.clientId",
  ],
  [70, "Tlink", "dfid[4] fid[4] name[s]"],
  [71, "Rlink", ""],
  [72, "Tmkdir", "dfid[4]=fid name[s] mode[4] gid[4]"],
  [73, "Rmkdir", "qid[13]"],
  [74, "Trenameat", "olddirfid[4]=fid oldname[s]=name newdirfid[4]=dfid newname[s]"],
  [75, "Rrenameat", ""],
  [76, "Tunlinkat", "dirfd[4]=fid name[s] flags[4]"],
  [77, "Runlinkat", ""],
  [100, "Tversion", "msize[4] version[s]"],
  [101, "Rversion", "msize[4] version[s]"],
  [102, "Tauth", "afid[4] uname[s] aname[s] n_uname[4]=nUname"],
  [103, "Rauth", "qid[13]"],
  [104, "Tattach", "fid[4] afid[4] uname[s] aname[s] n_uname[4]=nUname"],
  [105, "Rattach", "qid[13]"],
  [108, "Tflush", "oldtag[2]"],
  [109, "Rflush", ""],
  [110, "Twalk", "fid[4] newfid[4] wnames[*s]"],
  [111, "Rwalk", "wqids[*13]"],
  [116, "Tread", "fid[4] offset[8] count[4]"],
  [117, "Rread", "data[d]"],
  [118, "Twrite", "fid[4] offset[8] data[d]"],
  [119, "Rwrite", "count[4]"],
  [120, "Tclunk", "fid[4]"],
  [121, "Rclunk", ""],
  [122, "Tremove", "fid[4]"],
  [123, "Rremove", ""],
];

export interface Field {
  readonly width: string;
  readonly path: string;
}

export function fields(layout: string): Field[] {
  return [...layout.matchAll(/(\w+)\[([^\]]+)\](?:=([\w.]+))?/g)].map(([, name, width, path]) => ({
    width: width!,
    path: path ?? name!,
  }));
}

export type Value = number | number[] | QidValue | number[][] | QidValue[];
export interface QidValue {
  type: number;
  version: number;
  path: number;
}

export function integer(value: number, width: number): number[] {
  return Array.from({ length: width }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
}

const qid = (q: QidValue): number[] => [...integer(q.type, 1), ...integer(q.version, 4), ...integer(q.path, 8)];
const string = (s: number[]): number[] => [...integer(s.length, 2), ...s];

/** Bytes of one field. */
export function emit(width: string, value: Value): number[] {
  if (width === "s") return string(value as number[]);
  if (width === "d") return [...integer((value as number[]).length, 4), ...(value as number[])];
  if (width === "13") return qid(value as QidValue);
  if (width === "*s") return [...integer((value as number[][]).length, 2), ...(value as number[][]).flatMap(string)];
  if (width === "*13") return [...integer((value as QidValue[]).length, 2), ...(value as QidValue[]).flatMap(qid)];
  return integer(value as number, width === "m" ? 8 : Number(width));
}

export function message(type: number, tag: number, body: readonly number[]): Uint8Array {
  return Uint8Array.from([...integer(7 + body.length, 4), type, ...integer(tag, 2), ...body]);
}

/** The record that has the field, and its name there. */
function holder(m: Message, path: string): [object, string] {
  const [first = "", second] = path.split(".");
  if (second === undefined) return [m, first];
  const records: Record<string, object> = {
    attributes: m.attributes,
    change: m.change,
    status: m.status,
    lock: m.lock,
  };
  return [records[first]!, second];
}

const bytesOf = (s: Span): number[] => [...s.bytes.subarray(s.start, s.start + s.length)];

/** What a message holds in a field. */
export function get(m: Message, { width, path }: Field): Value {
  if (width === "*s") return m.wnames.slice(0, m.nwname).map(bytesOf);
  if (width === "*13") return m.wqids.slice(0, m.nwqid).map((q) => ({ ...q }));
  const [at, name] = holder(m, path);
  if (width === "s" || width === "d") return bytesOf((at as Record<string, Span>)[name]!);
  if (width === "13") return { ...m.qid };
  return (at as Record<string, number>)[name]!;
}

function setSpan(s: Span, value: number[]): void {
  s.set(Uint8Array.from([0xee, ...value, 0xee]), 1, value.length);
}

export function set(m: Message, { width, path }: Field, value: Value): void {
  if (width === "*s") {
    m.nwname = (value as number[][]).length;
    (value as number[][]).forEach((name, i) => setSpan(m.wnames[i]!, name));
  } else if (width === "*13") {
    m.nwqid = (value as QidValue[]).length;
    (value as QidValue[]).forEach((q, i) => Object.assign(m.wqids[i]!, q));
  } else if (width === "13") Object.assign(m.qid, value);
  else {
    const [at, name] = holder(m, path);
    if (width === "s" || width === "d") setSpan((at as Record<string, Span>)[name]!, value as number[]);
    else Object.assign(at, { [name]: value });
  }
}
