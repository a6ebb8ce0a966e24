/**
 * Mutated frames against the decoder, the encoder and a session on a namespace. What decodes must encode to the same bytes;
 * the session must answer or drop every frame and count it, throw nothing, and hold nothing when it is over.
 */
import { VERSION } from "../../../services/secure9p/constants.ts";
import { DECODED, decode } from "../../../services/secure9p/decode.ts";
import { encode, UNFIT } from "../../../services/secure9p/encode.ts";
import { Message } from "../../../services/secure9p/message.ts";
import { Reader, Writer } from "../../../services/secure9p/wire.ts";
import { concat, frame } from "../../services/secure9p/fixture.ts";
import { Random } from "../random.ts";
import { atLeast, atMost, must, type Target } from "../target.ts";
import { nodeBytes } from "../../services/support/ports.ts";
import { Ledger } from "./ledger.ts";
import { GROWTH, mutate, told } from "./mutate.ts";
import { Pool } from "./pool.ts";
import { ANAMES, World } from "./world.ts";

const BATCH = 64;
const LONGEST = 8300;
const pool = new Pool(ANAMES);
const stream = new Uint8Array(BATCH * (LONGEST + GROWTH));
const again = new Uint8Array(LONGEST + GROWTH);
const reader = new Reader();
const writer = new Writer(nodeBytes);
const message = new Message();

/** Version, an attached root, and open files of every kind. */
const opening = concat(
  frame(100, 0xffff, { msize: 8192, version: VERSION }),
  frame(104, 0, { fid: 0, afid: 0xffffffff, aname: ANAMES[0]! }),
  ...[
    [["log", "queen.log"], 2],
    [["log", "queen.log.follow"], 0],
    [["queen", "ctl"], 1],
    [["proc", "boot"], 0],
    [["worker"], 0],
    [["worker", "worker-1", "telemetry.follow"], 0],
  ].flatMap(([names, flags], i) => [
    frame(110, 0, { fid: 0, newfid: i + 1, names: names as string[] }),
    frame(12, 0, { fid: i + 1, flags: flags as number }),
  ]),
);

function frameCounts() {
  return { frames: 0, decoded: 0, sessions: 0, requests: 0, replies: 0, dropped: 0, errors: 0, malformed: 0, bytes: 0 };
}
type FrameCounts = ReturnType<typeof frameCounts>;

export const frames: Target = {
  name: "9p-frames",
  what: "mutated 9P frames at codec, session and namespace",
  run: 8192,
  short: 12 * 8192,
  counts: frameCounts,
  fuzz: (seed, inputs, counts) => fuzzFrames(seed, inputs, counts as FrameCounts),
  reached(counts) {
    const { requests = 0, replies = 0, dropped = 0 } = counts;
    must(requests === replies + dropped, () => `${requests} requests, ${replies} replies, ${dropped} dropped`);
    // It is no fuzzing if nothing gets through, or everything does.
    atLeast(counts, "decoded", 0.2, "frames");
    atMost(counts, "decoded", 0.8, "frames");
  },
};

/** Whether a message survives decoding and encoding to the last bit; what cannot be encoded need not. */
function roundTrip(at: number, length: number, counts: FrameCounts): void {
  if (decode(message, reader, stream, at, length) !== DECODED) return;
  counts.decoded++;
  // Of the masks of Tgetattr and Rgetattr the upper half is not kept.
  if (message.type === 24 || message.type === 25) return;
  const size = encode(message, writer, again, 0, again.length);
  // A number beyond 2^53 - 1 has no encoding.
  if (size === UNFIT) return;
  let same = size === length;
  for (let i = 4; same && i < size; i++) same = again[i] === stream[at + i];
  if (!same) throw new Error(`type ${message.type} is encoded to something else than it was decoded from`);
}

/** One run, in a world of its own. */
function fuzzFrames(seed: number, frames: number, counts: FrameCounts): void {
  const random = new Random(seed);
  const world = new World();
  let ledger = open(world, counts);
  for (let done = 0; done < frames;) {
    let length = 0;
    let lied = false;
    for (let i = 0; i < BATCH && !lied && done < frames; i++, done++) {
      const size = mutate(stream, length, pool, random);
      lied = told.lie;
      roundTrip(length, size, counts);
      length += size;
    }
    feed(ledger, random, length);
    counts.bytes += length;
    world.happen(random);
    ledger.drain();
    ledger.check();
    // A length that lies makes noise of what follows: one batch of that, then the client comes again.
    if (ledger.session.ended || (lied && random.int(2) === 0) || ledger.session.partial || random.int(40) === 0) {
      close(ledger, counts);
      ledger = open(world, counts);
    }
  }
  close(ledger, counts);
  const leak = world.leaks();
  if (leak !== undefined) throw new Error(leak);
  counts.frames += frames;
}

function open(world: World, counts: FrameCounts): Ledger {
  const ledger = new Ledger(world.session());
  ledger.session.receive(opening, 0, opening.length);
  ledger.drain();
  counts.sessions++;
  return ledger;
}

function close(ledger: Ledger, counts: FrameCounts): void {
  ledger.end();
  const { requests, replies, dropped, errors, malformed } = ledger.session.counters;
  counts.requests += requests;
  counts.replies += replies;
  counts.dropped += dropped;
  counts.errors += errors;
  counts.malformed += malformed;
}

/** Give it the stream, mostly whole, at times in pieces. */
function feed(ledger: Ledger, random: Random, length: number): void {
  const { session } = ledger;
  const whole = random.int(4) > 0;
  for (let at = 0; at < length;) {
    const piece = whole ? length - at : Math.min(length - at, 1 + random.int(random.of([8, 100, 3000])));
    const taken = session.receive(stream, at, piece);
    if (taken > piece || (taken < piece && !session.heldBack)) throw new Error(`${taken} of ${piece} bytes taken`);
    at += taken;
    if (taken < piece) ledger.drain();
  }
}
