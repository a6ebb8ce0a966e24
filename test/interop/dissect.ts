/**
 * Wireshark's 9P dissector as a second opinion on every field of a message. The table says for each type of 9P2000.L under
 * which names the dissector shows its fields; what it is silent about, or known to read wrongly, is named with its reason.
 */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { DECODED, decode, UNKNOWN_TYPE } from "../../services/secure9p/decode.ts";
import { Message } from "../../services/secure9p/message.ts";
import { INEXACT, Reader } from "../../services/secure9p/wire.ts";
import { get, integer, LAYOUTS, type QidValue, type Value } from "../services/secure9p/layouts.ts";
import { pcap, type Segment } from "./pcap.ts";

const QID = "9p.qidtype=qid 9p.qidvers=qid 9p.qidpath=qid";
const DATA = "9p.count=data.length data.data=data";
const RANGE = "9p.lock.start=lock.start 9p.lock.length=lock.length 9p.lock.procid=lock.procId 9p.wname=lock.clientId";

/**
 * By type: `<the dissector's field>=<ours>` in the order of the wire. `9p.message_data` is how it shows what it has no name
 * for: hexadecimal, as it lies in the frame.
 */
const FIELDS: Readonly<Record<number, string>> = {
  7: "9p.message_data=ecode",
  8: "9p.fid=fid",
  9: "9p.fstype=status.type 9p.blksize=status.bsize 9p.blocks=status.blocks 9p.bfree=status.bfree 9p.bavail=status.bavail 9p.files=status.files 9p.ffree=status.ffree 9p.fsid=status.fsid 9p.namelen=status.namelen",
  12: "9p.fid=fid 9p.statmode=flags",
  13: `${QID} 9p.iounit=iounit`,
  14: "9p.fid=fid 9p.filename=name 9p.lcreate.flags=flags 9p.statmode=mode 9p.gid=gid",
  15: `${QID} 9p.iounit=iounit`,
  16: "9p.fid=fid 9p.wname=name 9p.wname=target 9p.gid=gid",
  17: QID,
  18: "9p.fid=fid 9p.wname=name 9p.statmode=mode 9p.mknod.major=major 9p.mknod.minor=minor 9p.gid=gid",
  19: QID,
  20: "9p.fid=fid 9p.dfid=dfid 9p.wname=name",
  21: "",
  22: "9p.fid=fid",
  23: "9p.wname=target",
  24: "9p.fid=fid 9p.getattr.flags=mask",
  25: `9p.getattr.flags=attributes.valid ${QID} 9p.statmode=attributes.mode 9p.uid=attributes.uid 9p.gid=attributes.gid 9p.nlink=attributes.nlink 9p.rdev=attributes.rdev 9p.size=attributes.size 9p.blksize=attributes.blksize 9p.blocks=attributes.blocks 9p.atime=attributes.atime 9p.mtime=attributes.mtime 9p.ctime=attributes.ctime 9p.btime=attributes.btime 9p.gen=attributes.gen 9p.dataversion=attributes.dataVersion`,
  26: "9p.fid=fid 9p.setattr.flags=change.valid 9p.statmode=change.mode 9p.uid=change.uid 9p.gid=change.gid 9p.size=change.size 9p.atime=change.atime 9p.mtime=change.mtime",
  27: "",
  30: "9p.fid=fid 9p.newfid=newfid 9p.wname=name",
  31: "9p.size=size",
  32: "9p.fid=fid 9p.wname=name 9p.size=size 9p.xattr.flag=flags",
  33: "",
  40: "9p.fid=fid 9p.offset=offset 9p.count=count",
  41: DATA,
  50: "9p.fid=fid 9p.message_data=datasync",
  51: "",
  52: `9p.fid=fid 9p.lock.type=lock.type 9p.lock.flag=lock.flags ${RANGE}`,
  53: "9p.lock.status=lockStatus",
  54: `9p.fid=fid 9p.lock.type=lock.type ${RANGE}`,
  55: `9p.lock.type=lock.type ${RANGE}`,
  70: "9p.dfid=dfid 9p.fid=fid 9p.wname=name",
  71: "",
  72: "9p.fid=fid 9p.wname=name 9p.statmode=mode 9p.gid=gid",
  73: QID,
  74: "9p.dfid=fid 9p.wname=name 9p.newfid=dfid 9p.wname=newname",
  75: "",
  76: "9p.dfid=fid 9p.wname=name 9p.unlinkat.flags=flags",
  77: "",
  100: "9p.maxsize=msize 9p.version=version",
  101: "9p.maxsize=msize 9p.version=version",
  102: "9p.afid=afid 9p.uname=uname 9p.aname=aname 9p.message_data=nUname",
  103: QID,
  104: "9p.fid=fid 9p.afid=afid 9p.uname=uname 9p.aname=aname 9p.uid=nUname",
  105: QID,
  108: "9p.oldtag=oldtag",
  109: "",
  110: "9p.fid=fid 9p.newfid=newfid 9p.nwalk=nwname 9p.wname=wnames",
  111: `9p.nqid=nwqid ${QID.replaceAll("=qid", "=wqids")}`,
  116: "9p.fid=fid 9p.offset=offset 9p.count=count",
  117: DATA,
  118: `9p.fid=fid 9p.offset=offset ${DATA}`,
  119: "9p.count=count",
  120: "9p.fid=fid",
  121: "",
  122: "9p.fid=fid",
  123: "",
};

/**
 * Where the dissector itself is wrong (packet-9p.c of Wireshark 4.0): in Tgetlock and Rgetlock it reads the `flags[4]` that
 * only Tlock has, and so runs over the frame's end. It must be wrong exactly so: what stands before is compared, its flags
 * have to be the lower half of `start`. A dissector that calls them well-formed is compared in full.
 */
const ERRORS: Readonly<Record<number, string>> = {
  54: "9p.fid=fid 9p.lock.type=lock.type 9p.lock.flag=lock.start",
  55: "9p.lock.type=lock.type 9p.lock.flag=lock.start",
};

/**
 * What else there is to know of the dissector. The entries of an Rreaddir are bytes to it: diodls and Linux are who reads
 * them. Of Tgetattr's and Tsetattr's masks it shows the defined bits. A Tflush's oldtag it shows once more without a name.
 */
const SHOWN_TWICE: Readonly<Record<number, string>> = { 108: "9p.message_data" };

/**
 * Messages of 9P2000 that 9P2000.L has not; Linux sends a Twstat when it is refused Trenameat and Trename. We refuse them by
 * their type and look no further.
 */
const OLD_TYPES: ReadonlySet<number> = new Set([112, 114, 124, 126]);

const MASKS: Readonly<Record<string, number>> = { "9p.getattr.flags": 0x3fff, "9p.setattr.flags": 0x1ff };
const MARKS = ["9p.msglen", "9p.msgtype", "9p.tag"];
const COLUMNS = [
  ...new Set([
    ...MARKS,
    "_ws.malformed",
    ...Object.values(FIELDS).flatMap((list) => list.split(" ").map((pair) => pair.replace(/=.*/, ""))),
  ]),
].filter((name) => name !== "");

/** Why there is no dissector on this machine; `undefined` if there is one. */
export function tsharkMissing(): string | undefined {
  return spawnSync("tshark", ["--version"]).error === undefined ? undefined : "there is no tshark on this machine";
}

type Row = ReadonlyMap<string, readonly string[]>;

async function dissect(segments: readonly Segment[]): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "tshark-"));
  try {
    const path = join(folder, "9p.pcap");
    writeFileSync(path, pcap(segments));
    const { stdout } = await promisify(execFile)(
      "tshark",
      [
        ...["-n", "-r", path, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=|", "-E", "separator=/t"],
        ...COLUMNS.flatMap((name) => ["-e", name]),
      ],
      // Times are said in the zone of whoever asks.
      { maxBuffer: 1 << 28, timeout: 60_000, env: { ...process.env, TZ: "UTC", LC_ALL: "C.UTF-8" } },
    );
    return stdout
      .split("\n")
      .slice(0, -1)
      .map(
        (line) =>
          new Map(line.split("\t").map((cell, i) => [COLUMNS[i] ?? "", cell === "" ? [] : cell.split("|")] as const)),
      );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const hex = (bytes: readonly number[]): string => Buffer.from(bytes).toString("hex");
const utf8 = (bytes: readonly number[]): string => Buffer.from(bytes).toString("utf8");

/** A field of ours as the dissector should show it. */
function shown(m: Message, name: string, path: string): string[] {
  if (path === "data.length") return [String(m.data.length)];
  if (/time$/.test(path)) {
    const seconds = get(m, { width: "8", path: `${path}Sec` }) as number;
    const nanoseconds = get(m, { width: "8", path: `${path}Nsec` }) as number;
    return [`${seconds}.${nanoseconds}`];
  }
  if (path === "qid") return qid(m.qid, name);
  if (path === "wqids") return m.wqids.slice(0, m.nwqid).flatMap((one) => qid(one, name));
  if (path === "wnames") return (get(m, { width: "*s", path }) as number[][]).map(utf8);
  if (path === "data") {
    const data = get(m, { width: "d", path }) as number[];
    return data.length === 0 ? [] : [hex(data)];
  }
  const text = ["name", "newname", "target", "version", "uname", "aname", "lock.clientId"].includes(path);
  const value: Value = get(m, { width: text ? "s" : "4", path });
  if (text) return [utf8(value as number[])];
  let number = value as number;
  if (name === "9p.lock.flag" && path === "lock.start") number %= 2 ** 32;
  if (name === "9p.message_data") return [hex(integer(number, 4))];
  const mask = MASKS[name];
  return [number === INEXACT ? "inexact" : String(mask === undefined ? number : (number & mask) >>> 0)];
}

function qid(value: QidValue, name: string): string[] {
  return [String(name === "9p.qidtype" ? value.type : name === "9p.qidvers" ? value.version : value.path)];
}

/** What the dissector says, in the same form: numbers decimal, times in seconds and nanoseconds. */
function said(name: string, cell: string): string {
  if (name === "9p.message_data" || name === "data.data") return cell;
  if (/^0x[0-9a-f]+$/.test(cell)) return String(Number(cell));
  const time = /^(.*)\.(\d{9}) UTC$/.exec(cell);
  if (time !== null) return `${Date.parse(`${time[1]} UTC`) / 1000}.${Number(time[2])}`;
  return cell;
}

/** Fields of one message on which the dissector and our decoder differ. */
function differences(m: Message, size: number, row: Row): string[] {
  const malformed = (row.get("_ws.malformed") ?? []).length > 0;
  const known = malformed ? ERRORS[m.type] : undefined;
  const found = malformed && known === undefined ? ["it is malformed to the dissector"] : [];
  const expected = new Map<string, string[]>([
    ["9p.msglen", [String(size)]],
    ["9p.msgtype", [String(m.type)]],
    ["9p.tag", [String(m.tag)]],
  ]);
  for (const pair of (known ?? FIELDS[m.type] ?? "").split(" ")) {
    const [name = "", path = ""] = pair.split("=");
    if (name !== "") expected.set(name, [...(expected.get(name) ?? []), ...shown(m, name, path)]);
  }
  for (const name of OLD_TYPES.has(m.type) ? MARKS : COLUMNS) {
    const ours = (expected.get(name) ?? []).join("|");
    const theirs = (row.get(name) ?? []).map((cell) => said(name, cell)).join("|");
    if (ours === theirs || name === SHOWN_TWICE[m.type]) continue;
    // What it read after its mistake is noise.
    if (known !== undefined && !expected.has(name)) continue;
    if (name !== "_ws.malformed") found.push(`${name}: the dissector has ${theirs}, we have ${ours}`);
  }
  return found;
}

export interface Agreement {
  readonly messages: number;
  readonly types: ReadonlySet<number>;
  /** One sentence each; none is the claim. */
  readonly disagreements: readonly string[];
}

/**
 * Let the dissector and our decoder read the same messages.
 * @param ours what our decoder is given instead, for who wants to see that it matters
 */
export async function agreement(segments: readonly Segment[], ours?: readonly Uint8Array[]): Promise<Agreement> {
  const rows = await dissect(segments);
  const types = new Set<number>();
  const disagreements: string[] = [];
  if (rows.length !== segments.length) disagreements.push(`${rows.length} packets of ${segments.length}`);
  const m = new Message();
  const reader = new Reader();
  segments.forEach((segment, index) => {
    const bytes = ours?.[index] ?? segment.bytes;
    const row = rows[index];
    if (row === undefined) return;
    const type = bytes[4] ?? 0;
    const title = `message ${index}, ${LAYOUTS.find(([number]) => number === type)?.[1] ?? type}`;
    types.add(type);
    const verdict = decode(m, reader, bytes, 0, bytes.length);
    if (verdict !== DECODED && !(verdict === UNKNOWN_TYPE && OLD_TYPES.has(type))) {
      disagreements.push(`${title}: is malformed to us`);
      return;
    }
    for (const difference of differences(m, bytes.length, row)) disagreements.push(`${title}: ${difference}`);
  });
  return { messages: segments.length, types, disagreements };
}
