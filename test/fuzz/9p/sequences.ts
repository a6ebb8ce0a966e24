/**
 * Random sequences of requests as a lively client makes them: several in flight, flushed, clunked, fids and tags used again,
 * replies not taken for a while, workers spawned and killed meanwhile. Every reply must belong to a request that waits for
 * one, of its kind; nothing may come after its Rflush, and nothing may be left when it is over.
 */
import {
  NOFID,
  NOTAG,
  RFLUSH,
  RLERROR,
  RLOPEN,
  RVERSION,
  RWALK,
  TFLUSH,
  TVERSION,
} from "../../../services/secure9p/constants.ts";
import { encode } from "../../../services/secure9p/encode.ts";
import { Message } from "../../../services/secure9p/message.ts";
import type { Session } from "../../../services/secure9p/session.ts";
import { Writer } from "../../../services/secure9p/wire.ts";
import { span } from "../../services/secure9p/fixture.ts";
import { Random } from "../random.ts";
import { atLeast, atMost, must, type Target } from "../target.ts";
import { nodeBytes, utf8 } from "../../services/support/ports.ts";
import { Asked, LAST_TAG, TAGS } from "./asked.ts";
import { Ledger } from "./ledger.ts";
import { ANAMES, World } from "./world.ts";

const STEPS = 60;
const FIDS = 12;
/** Above all fids that are used. */
const HIGHEST = 80;
const ROOM = 16_384;

const texts = (list: readonly string[]): Uint8Array[] => list.map(utf8);
const PATHS = [
  "", "proc", "proc/boot", "log", "log/queen.log", "log/queen.log.follow", "log/queen.log.follow", "queen/ctl", "queen/ctl", "log/queen.log",  "queen/ctl",
  "worker", "worker/worker-1", "worker/worker-1/telemetry", "worker/worker-1/telemetry.follow", "worker/worker-2/telemetry.follow",
  "worker/worker-2/status", "worker/worker-1/ctl", "worker/self", "worker/self/telemetry", "worker/self/yield", "none", "..", "log/../proc/boot",
].map((path) => texts(path.split("/").filter((name) => name !== ""))); // prettier-ignore
/** Lengths of the names that are written to: `ctl`, `yield`, `telemetry`, `queen.log`. */
const WRITTEN = [3, 5, 9];
const LINES = texts([
  "a line\n", "half", "\n", '{"spawn":"heartbeat"}\n', '{"spawn":"heartbeat","ticks":3}\n', '{"kill":"worker-1"}\n',
  '{"kill":"worker-2"}\n', '{"kill":"worker-3"}\n', '{"nonsense":1}\n', "x".repeat(2000), "two\nlines\n", "pause\n", "100\n",
]); // prettier-ignore

function sequenceCounts() {
  // `parked` are requests that had to wait.
  return { sequences: 0, requests: 0, replies: 0, dropped: 0, errors: 0, flushed: 0, heldBack: 0, parked: 0 };
}
type SequenceCounts = ReturnType<typeof sequenceCounts>;

export const sequences: Target = {
  name: "9p-sequences",
  what: "random sequences of 9P requests at session and namespace",
  run: 32,
  short: 20 * 32,
  weight: 100,
  counts: sequenceCounts,
  fuzz: (seed, inputs, counts) => fuzzSequences(seed, inputs, counts as SequenceCounts),
  reached(counts) {
    const { requests = 0, replies = 0, dropped = 0 } = counts;
    must(requests === replies + dropped, () => `${requests} requests, ${replies} replies, ${dropped} dropped`);
    atMost(counts, "errors", 0.7, "replies");
    atLeast(counts, "flushed", 0.01, "sequences");
    atLeast(counts, "parked", 0.04, "sequences");
  },
};

const writer = new Writer(nodeBytes);
const m = new Message();

/** One client of a world. */
class Peer {
  readonly session: Session;
  readonly ledger: Ledger;
  readonly #random: Random;
  readonly #bytes = new Uint8Array(ROOM);
  #length = 0;
  readonly #asked = new Asked();
  /** What each Tflush in flight wants to end, by its tag. */
  readonly #flushes = new Map<number, number>();
  /** A Tversion is in flight, behind which nothing is sent. */
  #starting = false;
  #refused = false;
  /** Fids that stand somewhere and that are open, as far as one can tell, and the fid of the last walk or open of each tag. */
  readonly #abouts = new Int32Array(TAGS).fill(-1);
  /** Where each fid was last sent. */
  readonly #paths: (readonly Uint8Array[])[] = [];
  /** Names of the last walk of each tag. */
  readonly #lengths = new Int32Array(TAGS);
  readonly #walked = new Set<number>();
  readonly #opened = new Set<number>();
  /** Fid 0 stands at a root, or will. */
  #attached = false;
  /** The ticket that it came with first, which says who it is from then on. */
  #aname: string | undefined;
  parked = 0;

  constructor(world: World, random: Random) {
    this.#random = random;
    this.session = world.session(16_384);
    this.ledger = new Ledger(this.session, (reply) => this.#took(reply));
    this.#start(NOTAG, 8192, "9P2000.L");
    this.send();
    this.ledger.drain();
  }

  /** One more request to send. */
  add(): void {
    const random = this.#random;
    const tag = random.int(TAGS);
    // Who waits for an Rflush leaves both tags alone, and behind a Tversion nothing is sent.
    if (this.#starting || this.#flushes.has(tag) || this.#isFlushed(tag)) return;
    if (this.#refused) return this.#start(NOTAG, 8192, "9P2000.L");
    if (!this.#attached) return this.#attach(0, tag);
    let what = random.int(20);
    // Most of what comes first leads to open files.
    if (what > 3 && this.#walked.size + this.#opened.size < 3 && random.int(4) > 0) what = 1;
    if (what > 6 && what < 14 && this.#opened.size < 2 && random.int(4) > 0) what = 4;
    switch (what) {
      case 0:
        return this.#attach(random.int(FIDS), tag);
      case 1:
      case 2:
      case 3: {
        let newfid = random.int(FIDS);
        if (this.#walked.has(newfid) && random.int(8) > 0) newfid = random.int(FIDS);
        this.#abouts[tag] = newfid;
        return this.#put(110, tag, () => {
          m.fid = random.int(4) === 0 ? this.#some(this.#walked) : 0;
          m.newfid = newfid;
          const path = random.of(PATHS);
          this.#paths[newfid] = path;
          m.nwname = path.length;
          this.#lengths[tag] = path.length;
          path.forEach((name, i) => m.wnames[i]!.set(name, 0, name.length));
        });
      }
      case 4:
      case 5:
      case 6: {
        const fid = this.#some(this.#walked);
        this.#abouts[tag] = fid;
        return this.#put(12, tag, () => {
          m.fid = fid;
          const name = this.#paths[fid]?.at(-1);
          const append = name !== undefined && WRITTEN.includes(name.length) && random.int(4) > 0;
          m.flags = random.of(append ? [1, 2, 2, 0o1001] : [0, 0, 0, 0, 0, 0, 1, 3]);
        });
      }
      case 7:
      case 8:
      case 9:
        return this.#put(116, tag, () => {
          m.fid = this.#some(this.#opened);
          m.offset = random.of([0, 0, 5, 100, 4000, 20_000, 100_000, Number.MAX_SAFE_INTEGER - 8192]);
          m.count = random.of([0, 1, 100, 8192, 0xffffffff]);
        });
      case 10:
      case 11:
      case 12:
        return this.#put(118, tag, () => {
          m.fid = this.#writable();
          m.offset = 0;
          const line = random.of(LINES);
          m.data.set(line, 0, line.length);
        });
      case 13:
        return this.#put(40, tag, () => {
          m.fid = this.#some(this.#opened);
          m.offset = random.of([0, 0, 1, 2, 99]);
          m.count = random.of([30, 500, 8192]);
        });
      case 14:
        return this.#put(random.of([24, 8, 50, 22, 26]), tag, () => {
          m.fid = this.#some(random.int(2) === 0 ? this.#walked : this.#opened);
          m.mask = 0x7ff;
          m.change.valid = random.int(0x200);
          m.change.size = random.of([0, 5]);
        });
      case 15:
      case 16:
        return this.#flush(tag, this.#asked.some(random));
      case 17:
      case 18: {
        const fid = this.#some(random.int(2) === 0 ? this.#walked : this.#opened);
        this.#walked.delete(fid);
        this.#opened.delete(fid);
        if (fid === 0) this.#attached = false;
        return this.#put(random.int(8) === 0 ? 122 : 120, tag, () => {
          m.fid = fid;
        });
      }
      default:
        if (random.int(8) > 0 || this.#asked.open(tag) > 0) return;
        this.#start(
          random.int(2) === 0 ? NOTAG : tag,
          random.of([8192, 8192, 512, 100]),
          random.int(4) === 0 ? "9P2000" : "9P2000.L",
        );
    }
  }

  /** Hand over what was added. */
  send(): void {
    const { session } = this;
    let at = 0;
    while (at < this.#length) {
      const taken = session.receive(this.#bytes, at, this.#length - at, this.#random.int(3) === 0 ? 1 : Infinity);
      at += taken;
      if (session.heldBack) this.ledger.drain();
    }
    this.#length = 0;
    this.parked = Math.max(this.parked, session.inFlight);
  }

  end(): void {
    if (this.#random.int(2) === 0) this.#leave();
    this.ledger.end();
  }

  /** Clunk everything, after which nothing can wait. */
  #leave(): void {
    this.ledger.drain();
    if (this.#refused) return;
    for (let fid = 0; fid < HIGHEST; fid++) {
      this.#put(120, LAST_TAG, () => {
        m.fid = fid;
      });
      this.send();
    }
    const { fids, inFlight } = this.session;
    if (fids + inFlight > 0) throw new Error(`${fids} fids and ${inFlight} requests are left when all is clunked`);
  }

  /** Mostly one of them, at times any fid. */
  #some(fids: ReadonlySet<number>): number {
    const random = this.#random;
    if (fids.size === 0 || random.int(16) === 0) return random.int(random.of([FIDS, HIGHEST]));
    let left = random.int(fids.size);
    for (const fid of fids) if (left-- === 0) return fid;
    return 0;
  }

  /** Mostly a fid of a file that is written to. */
  #writable(): number {
    let fid = 0;
    for (let tries = 0; tries < 8; tries++) {
      fid = this.#some(this.#opened);
      if (WRITTEN.includes(this.#paths[fid]?.at(-1)?.length ?? 0)) break;
    }
    return fid;
  }

  #start(tag: number, msize: number, version: string): void {
    this.#starting = true;
    this.#put(TVERSION, tag, () => {
      m.msize = msize;
      span(m.version, version);
    });
  }

  #attach(fid: number, tag: number): void {
    const random = this.#random;
    this.#aname ??= ANAMES[random.int(8) === 0 ? 1 : 0]!;
    const aname = this.#attached && random.int(4) === 0 ? random.of(ANAMES) : this.#aname;
    this.#attached = true;
    this.#put(104, tag, () => {
      m.fid = fid;
      m.afid = NOFID;
      span(m.uname, "");
      span(m.aname, aname);
    });
  }

  #isFlushed(tag: number): boolean {
    for (const oldtag of this.#flushes.values()) if (oldtag === tag) return true;
    return false;
  }

  #flush(tag: number, oldtag: number): void {
    if (this.#asked.open(tag) > 0) return;
    this.#flushes.set(tag, oldtag);
    this.#put(TFLUSH, tag, () => {
      m.oldtag = oldtag;
    });
  }

  #put(type: number, tag: number, fill: () => void): void {
    m.type = type;
    m.tag = tag;
    fill();
    const size = encode(m, writer, this.#bytes, this.#length, ROOM - this.#length);
    if (size < 0) throw new Error(`request ${type} cannot be encoded`);
    this.#length += size;
    this.#asked.add(tag, type);
  }

  /** A reply must be one that somebody waits for. */
  #took({ type, tag, msize, version, nwqid }: Message): void {
    const oldtag = this.#flushes.get(tag);
    this.#asked.answer(tag, type);
    const about = this.#abouts[tag] ?? -1;
    if (type === RWALK && nwqid === this.#lengths[tag]) this.#walked.add(about);
    if (type === RLOPEN) {
      this.#walked.delete(about);
      this.#opened.add(about);
    }
    if (this.#starting && (type === RVERSION || (type === RLERROR && this.#asked.lastType(tag) === TVERSION))) {
      const { fids, inFlight } = this.session;
      if (fids + inFlight > 0) throw new Error(`${fids} fids and ${inFlight} requests outlive a Tversion`);
      this.#starting = false;
      this.#refused = type === RLERROR || msize === 0 || !version.equals("9P2000.L");
      this.#attached = false;
      this.#walked.clear();
      this.#opened.clear();
      this.#flushes.clear();
      this.#asked.clear();
    } else if (oldtag !== undefined) {
      if (type !== RFLUSH) throw new Error(`a Tflush was answered with ${type}`);
      this.#flushes.delete(tag);
      this.#asked.over(oldtag);
    }
  }
}

function sequence(world: World, random: Random, counts: SequenceCounts): void {
  const peers = Array.from({ length: 1 + random.int(3) }, () => new Peer(world, random));
  for (let step = 0; step < STEPS; step++) {
    const peer = random.of(peers);
    for (let requests = 1 + random.int(4); requests > 0; requests--) peer.add();
    peer.send();
    if (random.int(3) === 0) world.happen(random);
    for (const one of peers) {
      if (random.int(4) > 0) one.ledger.drain();
      one.ledger.check();
    }
  }
  for (const peer of peers) {
    peer.end();
    const { requests, replies, dropped, errors, flushed, heldBack } = peer.session.counters;
    counts.requests += requests;
    counts.replies += replies;
    counts.dropped += dropped;
    counts.errors += errors;
    counts.flushed += flushed;
    counts.heldBack += heldBack;
    counts.parked += peer.parked;
  }
  const leak = world.leaks();
  if (leak !== undefined) throw new Error(leak);
}

/** One run, in a world of its own. */
function fuzzSequences(seed: number, sequences: number, counts: SequenceCounts): void {
  const random = new Random(seed);
  const world = new World();
  for (let n = 0; n < sequences; n++) sequence(world, random, counts);
  counts.sequences += sequences;
}
