/**
 * The framers of the console wire under fuzz, the hive's and the shell's: streams of frames, false lengths and noise, cut anywhere. What
 * they find is what a simple reader of the whole stream finds, and nothing of what is beside the stream.
 */
import { FRAME_LIMIT, FrameReader } from "../../../cohsh/transports/frames.ts";
import {
  BROKEN,
  FALSE_LENGTH,
  LENGTH_BYTES,
  LINE,
  LineFraming,
  OVERSIZED,
} from "../../../services/console/door/framing.ts";
import { nodeBytes } from "../../services/support/ports.ts";
import { damage, GROWTH } from "../damage.ts";
import { Random } from "../random.ts";
import { atLeast, must, type Target } from "../target.ts";
import { consoleLine } from "./lines.ts";

const ROOM = 1 << 16;
const FRAMES = 8;
const LIMITS = [0, 1, 64, 1024];
const LENGTHS = [0, 1, 3, 4, 5, 67, 68, 69, 1027, 1028, 1029, 8400, 65_535, 65_536, 65_537, 0x7fffffff, 0xffffffff];

const stream = new Uint8Array(ROOM + 4 * GROWTH);

/** What a stream holds, as text: each line in hexadecimal digits, and what is none. */
type Found = string[];

function put(at: number, size: number): void {
  for (let i = 0; i < 4; i++) stream[at + i] = size >>> (8 * i);
}

/** Make a stream. @returns its length */
function make(random: Random): number {
  let at = 0;
  for (let left = random.int(FRAMES); left > 0; left--) {
    const line = Buffer.from(
      random.once(8) ? "x".repeat(random.of([60, 64, 65, 1024, 1025, 3000])) : consoleLine(random),
    );
    const size = Math.min(line.length, 4000);
    put(at, random.once(24) ? random.of(LENGTHS) : size + LENGTH_BYTES);
    stream.set(line.subarray(0, size), at + LENGTH_BYTES);
    at += size + LENGTH_BYTES;
  }
  if (random.once(3)) at = damage(stream, 0, 0, at, random);
  return at;
}

/** The same by one look at the whole. */
function expected(length: number, limit: number): Found {
  const found: Found = [];
  const view = new DataView(stream.buffer);
  for (let at = 0; at + LENGTH_BYTES <= length;) {
    const size = view.getUint32(at, true);
    if (size < LENGTH_BYTES || size > FALSE_LENGTH) return [...found, "broken"];
    if (size - LENGTH_BYTES > limit) found.push("oversized");
    else if (at + size > length) break;
    else found.push(hex(stream, at + LENGTH_BYTES, size - LENGTH_BYTES));
    at += size;
  }
  return found;
}

function hex(bytes: Uint8Array, at: number, size: number): string {
  return `line ${Buffer.from(bytes.buffer, bytes.byteOffset + at, size).toString("hex")}`;
}

/** Call `next` with each piece of the stream, in memory where other bytes stand around it. */
function inPieces(
  length: number,
  random: Random,
  next: (memory: Uint8Array, at: number, size: number) => boolean,
): void {
  const whole = random.once(4);
  const memory = new Uint8Array(Math.min(length, ROOM) + 16);
  for (let at = 0; at < length;) {
    const size = whole ? length - at : Math.min(length - at, 1 + random.int(random.of([1, 4, 30, 2000])));
    memory.fill(random.int(256));
    const start = random.int(8);
    memory.set(stream.subarray(at, at + size), start);
    if (!next(memory, start, size)) return;
    at += size;
  }
}

function framed(length: number, limit: number, random: Random): Found {
  const found: Found = [];
  const framing = new LineFraming(nodeBytes, limit);
  inPieces(length, random, (memory, start, size) => {
    for (let at = start, left = size; left > 0;) {
      const state = framing.take(memory, at, left);
      const { taken } = framing;
      must(taken >= 0 && taken <= left, () => `${taken} of ${left} bytes taken`);
      must(taken > 0 || state !== LINE, () => "a line of no bytes of the stream");
      at += taken;
      left -= taken;
      if (state === LINE) found.push(hex(framing.bytes, framing.at, framing.size));
      else if (state === OVERSIZED) found.push("oversized");
      else if (state === BROKEN) {
        found.push("broken");
        return false;
      }
    }
    return true;
  });
  return found;
}

/** The same from the shell's reader, which ends at the first that is no line of print. */
function read(length: number, random: Random): Found {
  const found: Found = [];
  const reader = new FrameReader((line) => found.push(`line ${Buffer.from(line).toString("hex")}`));
  inPieces(length, random, (memory, start, size) => {
    const why = reader.feed(memory.subarray(start, start + size));
    if (why !== undefined) found.push("ended");
    return why === undefined;
  });
  return found;
}

function readable(found: Found): Found {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const lines: Found = [];
  for (const one of found) {
    if (!one.startsWith("line ")) return [...lines, "ended"];
    try {
      const text = strict.decode(Buffer.from(one.slice("line ".length), "hex"));
      if (/\p{Cc}/u.test(text)) return [...lines, "ended"];
    } catch {
      return [...lines, "ended"];
    }
    lines.push(one);
  }
  return lines;
}

function compare(found: Found, wanted: Found, length: number): void {
  if (found.length === wanted.length && found.every((one, i) => one === wanted[i])) return;
  const bytes = Buffer.from(stream.subarray(0, length)).toString("hex");
  throw new Error(`found ${found.join(", ")}\nexpected ${wanted.join(", ")}\nin ${bytes}`);
}

function target(name: string, what: string, one: (length: number, random: Random) => Found): Target {
  return {
    name,
    what,
    run: 1024,
    short: 2 * 1024,
    counts: () => ({ streams: 0, lines: 0, others: 0 }),
    fuzz(seed, inputs, counts) {
      const random = new Random(seed);
      for (let n = 0; n < inputs; n++) {
        const found = one(make(random), random);
        const lines = found.filter((text) => text.startsWith("line ")).length;
        counts["streams"]!++;
        counts["lines"]! += lines;
        counts["others"]! += found.length - lines;
      }
    },
    reached(counts) {
      atLeast(counts, "lines", 1, "streams");
      atLeast(counts, "others", 0.05, "streams");
    },
  };
}

export const FRAMER_TARGETS: readonly Target[] = [
  target("framer", "damaged streams of console frames at the door's framer", (length, random) => {
    const limit = random.of(LIMITS);
    const wanted = expected(length, limit);
    compare(framed(length, limit, random), wanted, length);
    return wanted;
  }),
  target("cohsh-frames", "damaged streams of console frames at the shell's reader", (length, random) => {
    const wanted = readable(expected(length, FRAME_LIMIT - LENGTH_BYTES));
    compare(read(length, random), wanted, length);
    return wanted;
  }),
];
