/**
 * A session under hostile input: random requests of every type on a tree that answers, waits, errs and forgets, in a
 * stream that is cut, mutated and followed by noise. Everything comes from the seed; what is broken is thrown with it.
 */
import * as p9 from "../../../services/secure9p/constants.ts";
import { STALE } from "../../../services/secure9p/refusal.ts";
import { Session } from "../../../services/secure9p/session.ts";
import { Random } from "../../fuzz/random.ts";
import { type Behaviour, nodeBytes, TestTree, utf8 } from "./fixture.ts";
import { emit, fields, LAYOUTS, message, type Value } from "./layouts.ts";

const NAMES = ["proc", "boot", "log", "none", ".", "..", "", "a/b", "\0", "größe"].map((name) => [...utf8(name)]);
const NUMBERS = [0, 0, 0, 1, 1, 2, 3, 8, 63, 64, 511, 512, 8192, 65535, 0x7fffffff, 0xfffffffe, 0xffffffff];
const WIDE = [0, 0, 1, 5, 100, 0xffffffff, 0x100000000, Number.MAX_SAFE_INTEGER];
const LAYOUT_FIELDS = LAYOUTS.map(([type, , layout]) => ({ type, list: fields(layout) }));
/** Types that do something, more often than the others. */
const BUSY_TYPES = [104, 110, 110, 110, 12, 12, 116, 116, 118, 40, 24, 108, 120, 26].map((type) =>
  LAYOUT_FIELDS.find((layout) => layout.type === type)!,
);

function value(random: Random, width: string, path: string): Value {
  if (path === "version") return [...utf8(random.of(["9P2000.L", "9P2000.L", "9P2000"]))];
  if (path === "afid") return p9.NOFID;
  if (/fid$/.test(path)) return random.int(random.of([4, 4, 80]));
  if (width === "s") return random.of(NAMES);
  if (width === "d") return Array.from({ length: random.int(40) }, () => random.int(256));
  if (width === "*s") return Array.from({ length: random.int(random.of([2, 3, 10])) }, () => random.of(NAMES));
  if (width === "13") return { type: 0, version: 0, path: 0 };
  if (width === "*13") return [];
  if (width === "8") return random.of(WIDE);
  if (width === "1") return random.int(256);
  if (width === "2") return random.int(20);
  return path === "flags" ? random.int(4) : random.of(NUMBERS);
}

/** A request whose fields are all where they should be. */
export function request(random: Random): Uint8Array {
  const { type, list } = random.int(5) === 0 ? random.of(LAYOUT_FIELDS) : random.of(BUSY_TYPES);
  const body = list.flatMap(({ width, path }) => emit(width, value(random, width, path)));
  return message(type, random.int(20), body);
}

/** The same with damage: a length that lies, flipped bytes, a cut or grown tail. */
function mutate(random: Random, frame: Uint8Array): Uint8Array {
  switch (random.int(5)) {
    case 0: {
      const copy = frame.slice();
      const size = random.of([
        0,
        6,
        7,
        8,
        frame.length - 1,
        frame.length + 1,
        300,
        random.of([8192, 8193, 65536, 65537, 0xffffffff]),
      ]);
      copy.set(emit("4", size));
      return copy;
    }
    case 1: {
      const copy = frame.slice();
      copy[random.int(copy.length)] = random.int(256);
      return copy;
    }
    case 2:
      return message(frame[4]!, frame[5]!, [...frame.subarray(7, 7 + random.int(frame.length))]);
    case 3:
      return message(frame[4]!, frame[5]!, [
        ...frame.subarray(7),
        ...Array.from({ length: random.int(9) }, () => random.int(256)),
      ]);
    default:
      return message(
        random.int(256),
        random.int(20),
        Array.from({ length: random.int(60) }, () => random.int(256)),
      );
  }
}

export interface FuzzOptions {
  readonly seed: number;
  readonly frames: number;
  /** One in how many frames is damaged; 0 for none. */
  readonly damage: number;
}

/** Run one session. @returns how many frames it took as requests. @throws Error that names the seed. */
export function fuzz({ seed, frames, damage }: FuzzOptions): number {
  const random = new Random(seed);
  const tree = new TestTree();
  const boot = tree.root.dir("proc").file("boot", "cohesix");
  const nodes = [tree.root, tree.root.children.get("proc")!, boot, tree.root.file("log", "0123456789")];
  let requests = 0;
  const problem = (what: string): Error => new Error(`fuzz: ${what} (seed ${seed}, damage ${damage})`);

  const newSession = (): Session =>
    new Session({ tree, bytes: nodeBytes, fids: 16, tags: 8, unsentBytes: 16384, failed: () => undefined });
  let session = newSession();
  const start = (): Uint8Array =>
    Uint8Array.from([
      ...message(p9.TVERSION, p9.NOTAG, [...emit("4", 8192), ...emit("s", [...utf8("9P2000.L")])]),
      ...message(p9.TATTACH, 0, [
        ...emit("4", 0),
        ...emit("4", p9.NOFID),
        ...emit("s", []),
        ...emit("s", []),
        ...emit("4", 0),
      ]),
    ]);

  const check = (): void => {
    const c = session.counters;
    if (c.requests !== c.replies + c.dropped + session.inFlight) {
      throw problem(
        `${c.requests} requests, ${c.replies} replies, ${c.dropped} dropped, ${session.inFlight} in flight`,
      );
    }
    if (session.inFlight !== tree.parked.length) throw problem(`${tree.parked.length} parked of ${session.inFlight}`);
    if (session.fids > 16 || session.inFlight > 8) throw problem("a table is over its bound");
    if (session.unsentHighWater > 16384 + 8 * 8192) throw problem(`${session.unsentHighWater} bytes unsent`);
  };
  const end = (): void => {
    session.close();
    check();
    if (session.fids !== 0 || session.inFlight !== 0) throw problem("fids or requests are left");
    if (tree.opened !== tree.closed) throw problem(`${tree.opened} files opened, ${tree.closed} closed`);
    requests += session.counters.requests;
    tree.cancelled = [];
  };
  /** Answer a parked request, mostly as it should be. */
  const unpark = (): void => {
    const parked = tree.unpark(random.int(tree.parked.length));
    const node = random.of(nodes);
    const late = session.inFlight;
    switch (random.int(6)) {
      case 0:
        parked.refuse(STALE);
        break;
      case 1:
        parked.put(node.content, 0, Math.min(3, node.content.length));
        parked.done();
        break;
      case 2:
        parked.found(node);
        break;
      case 3:
        parked.opened(node.handle());
        break;
      case 4:
        parked.wrote(0);
        break;
      default:
        tree.behave(parked, "park", () => undefined);
    }
    if (session.inFlight > late) throw problem("an answer made a request");
  };

  const feed = (bytes: Uint8Array): void => {
    for (let at = 0; at < bytes.length;) {
      const piece = Math.min(bytes.length - at, 1 + random.int(random.of([3, 30, 3000])));
      const taken = session.receive(bytes, at, piece);
      if (taken > piece) throw problem(`${taken} of ${piece} bytes taken`);
      at += taken;
      check();
      if (taken < piece && !session.heldBack) throw problem("bytes refused without need");
      if (session.heldBack || random.int(4) === 0)
        session.sent(Math.min(session.unsent, session.heldBack ? Infinity : session.run));
    }
  };

  feed(start());
  let silent = 0;
  for (let n = 0; n < frames; n++) {
    const before = session.counters.requests;
    if (random.int(12) === 0) {
      const node = random.of(nodes);
      const behaviours: readonly Behaviour[] = ["answer", "answer", "park", "park", "forget", "throw"];
      const how = random.of(["walking", "opening", "asking", "io"] as const);
      node[how] = random.of(behaviours);
    }
    const frame = request(random);
    feed(damage > 0 && random.int(damage) === 0 ? mutate(random, frame) : frame);
    if (tree.parked.length > 0 && random.int(3) === 0) {
      unpark();
      check();
    }
    for (const node of nodes) if (node.content.length > 500) node.content = utf8("short");
    // A length that lies may swallow thousands of frames: after a while the client comes again.
    silent = session.counters.requests === before ? silent + 1 : 0;
    if (session.ended || silent > 30 || random.int(300) === 0) {
      silent = 0;
      end();
      session = newSession();
      feed(start());
    }
  }
  end();
  return requests;
}
