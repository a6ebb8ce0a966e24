/**
 * Wireshark reads what we say: sessions of other clients with our listener, a session of ours that makes every request,
 * and messages of every type as our encoder writes them. It and our decoder must agree on each field of each.
 */
import { type Checks, ensure, Skipped } from "../../scripts/lib/checks.ts";
import { NOTAG, VERSION } from "../../services/secure9p/constants.ts";
import { encode } from "../../services/secure9p/encode.ts";
import { Message } from "../../services/secure9p/message.ts";
import { Writer } from "../../services/secure9p/wire.ts";
import { frame, Peer } from "../services/secure9p/fixture.ts";
import { Random } from "../fuzz/random.ts";
import { fields, LAYOUTS, set, type Value } from "../services/secure9p/layouts.ts";
import { nodeBytes, utf8 } from "../services/support/ports.ts";
import { agreement, tsharkMissing } from "./dissect.ts";
import type { Segment } from "./pcap.ts";
import type { Recorder } from "./recorder.ts";

const NAMES = ["a", "queen.log", "größe", "工人", "x".repeat(255), "worker-1"].map((name) => [...utf8(name)]);
const OF_EACH = 60;

/** A value of a field that a message may have; seconds and nanoseconds as a calendar knows them. */
function value(random: Random, width: string, path: string): Value {
  const qid = (): { type: number; version: number; path: number } => ({
    type: random.of([0, 0x40, 0x80]),
    version: random.int(0x100000000),
    path: random.int(0x200000) * 0x100000000 + random.int(0x100000000),
  });
  if (path === "version") return [...utf8(VERSION)];
  if (/Nsec$/.test(path)) return random.int(1_000_000_000);
  if (/Sec$/.test(path)) return random.int(0x7fffffff);
  if (width === "s") return random.of(NAMES);
  if (width === "d") return Array.from({ length: random.int(300) }, () => random.int(256));
  if (width === "13") return qid();
  if (width === "*s") return Array.from({ length: random.int(17) }, () => random.of(NAMES));
  if (width === "*13") return Array.from({ length: random.int(17) }, qid);
  if (width === "1") return random.int(3);
  if (width === "m") return random.int(0x4000);
  if (path === "change.valid") return random.int(0x200);
  if (width === "8") return random.int(0x200000) * 0x100000000 + random.int(0x100000000);
  return random.int(0x100000000);
}

/** Messages of every type of 9P2000.L, from our encoder. */
function everyType(seed: number): Segment[] {
  const random = new Random(seed);
  const writer = new Writer(nodeBytes);
  // A version that was agreed on is what makes it 9P2000.L to the dissector.
  const agreed = LAYOUTS.filter(([type]) => type === 100 || type === 101);
  return [agreed, ...Array.from({ length: OF_EACH }, () => LAYOUTS)].flat().map(([type, , layout]) => {
    const m = new Message();
    m.type = type;
    m.tag = random.int(0x10000);
    for (const field of fields(layout)) set(m, field, value(random, field.width, field.path));
    const into = new Uint8Array(16_384);
    const size = encode(m, writer, into, 0, into.length);
    ensure(size > 0, `type ${type} cannot be encoded`);
    return { request: type % 2 === 0, bytes: into.slice(0, size) };
  });
}

/** A session in which the client makes every request there is; what we do not offer is refused in it. */
function everyRequest(): Segment[] {
  const segments: Segment[] = [];
  const peer = new Peer();
  peer.tree.root.file("log", "0123456789");
  peer.tree.root.dir("proc").file("boot", "cohesix");
  const ask = (type: number, names: Readonly<Record<string, number | string | readonly string[]>>, tag = 1): void => {
    const bytes = frame(type, tag, names);
    segments.push({ request: true, bytes });
    peer.send(bytes);
    for (let rest = peer.output(); rest.length > 0;) {
      const size = new DataView(rest.buffer, rest.byteOffset).getUint32(0, true);
      segments.push({ request: false, bytes: rest.slice(0, size) });
      rest = rest.slice(size);
    }
  };
  ask(100, { msize: 8192, version: "9P2000.L" }, NOTAG);
  ask(102, { afid: 9, uname: "", aname: "", nUname: 0xffffffff });
  ask(104, { fid: 0, afid: 0xffffffff, uname: "root", aname: "", nUname: 0xffffffff });
  ask(110, { fid: 0, newfid: 1, names: ["log"] });
  ask(110, { fid: 0, newfid: 2, names: [] });
  ask(110, { fid: 0, newfid: 3, names: ["proc", "none"] });
  ask(12, { fid: 1, flags: 2 });
  ask(12, { fid: 2, flags: 0 });
  ask(116, { fid: 1, offset: 0, count: 100 });
  ask(118, { fid: 1, offset: 3, data: "written" });
  ask(40, { fid: 2, offset: 0, count: 1000 });
  ask(24, { fid: 1, mask: 0x7ff });
  ask(26, { fid: 1, valid: 8, size: 0 });
  ask(50, { fid: 1, datasync: 0 });
  ask(8, { fid: 1 });
  ask(108, { oldtag: 77 });
  const done = new Set([100, 102, 104, 110, 12, 116, 118, 40, 24, 26, 50, 8, 108, 120, 122]);
  for (const [type] of LAYOUTS) {
    if (type % 2 === 0 && !done.has(type))
      ask(type, { fid: 2, dfid: 2, newfid: 8, name: "x", newname: "y", target: "z" });
  }
  ask(120, { fid: 1 });
  ask(122, { fid: 2 });
  peer.endCleanly();
  return segments;
}

async function agree(segments: readonly Segment[]): Promise<string> {
  const { messages, types, disagreements } = await agreement(segments);
  ensure(disagreements.length === 0, `${disagreements.length} disagreements: ${disagreements.slice(0, 5).join("; ")}`);
  return `${messages} messages of ${types.size} types, no disagreement`;
}

export async function dissectorChecks(checks: Checks, recorder: Recorder): Promise<void> {
  const why = tsharkMissing();
  if (why !== undefined) {
    await checks.run("Wireshark's dissector agrees on every message", () => {
      throw new Skipped(why);
    });
    return;
  }
  await checks.run("Wireshark and we agree on a session that makes every request", async () => {
    const segments = everyRequest();
    const requests = new Set(segments.filter(({ request }) => request).map(({ bytes }) => bytes[4]));
    const all = LAYOUTS.filter(([type]) => type % 2 === 0 && type !== 6).length;
    ensure(requests.size === all, `${requests.size} of ${all} requests`);
    return agree(segments);
  });
  await checks.run("Wireshark and we agree on messages of every type", async () => {
    const seed = 0x39502000;
    const segments = everyType(seed);
    ensure(new Set(segments.map(({ bytes }) => bytes[4])).size === LAYOUTS.length, "a type is missing");
    return agree(segments);
  });
  await checks.run("Wireshark and we agree on what diod's tools and Linux said and were told", async () => {
    if (recorder.messages.length === 0) throw new Skipped("neither diod's tools nor a Linux guest ran");
    const kept = await agree(recorder.messages);
    return recorder.lost === 0 ? kept : `${kept}; ${recorder.lost} more were not looked at`;
  });
  await checks.run("a field that is told differently is noticed", async () => {
    const [told, heard] = [{ fid: 1 }, { fid: 2 }].map((fid) =>
      frame(110, 5, { ...fid, newfid: 3, names: ["a", "b"] }),
    );
    ensure(told !== undefined && heard !== undefined, "no messages");
    const { disagreements } = await agreement([{ request: true, bytes: told }], [heard]);
    ensure(disagreements.length === 1, `${disagreements.length} disagreements`);
    return disagreements[0] ?? "";
  });
}
