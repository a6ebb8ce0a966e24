/**
 * Damages one well-formed frame in place, without allocating. All but a few keep a true length, so that the damage reaches
 * the decoder and not the framing alone.
 */
import { putU32 } from "../../../services/secure9p/wire.ts";
import type { Random } from "../random.ts";
import { EDGES, type Pool } from "./pool.ts";

const HEADER = 7;
/** Bytes that a mutation may add. */
export const GROWTH = 64;
/** One in how many frames has a length that lies. */
const LIES = 256;

/** Whether the last frame's length lies, so that what follows it is read as something else. */
export const told = { lie: false };

/** Write a mutated frame. @returns its length; the room must be that of the longest frame of the pool and {@link GROWTH}. */
export function mutate(into: Uint8Array, at: number, pool: Pool, random: Random): number {
  const base = random.int(pool.size);
  const start = pool.starts[base]!;
  let length = pool.lengths[base]!;
  const { bytes } = pool;
  into.set(bytes.subarray(start, start + length), at);
  for (let times = 1 + random.int(2); times > 0; times--) length = once(into, at, length, pool, random);
  putU32(into, at, length);
  told.lie = random.int(LIES) === 0;
  if (told.lie) putU32(into, at, random.int(3) === 0 ? random.int(0x100000000) : random.of(EDGES));
  return length;
}

function once(into: Uint8Array, at: number, length: number, pool: Pool, random: Random): number {
  const body = length - 4;
  const end = at + length;
  switch (random.int(13)) {
    case 0:
      return length;
    case 1:
    case 2:
      for (let flips = 1 + random.int(8); flips > 0; flips--) into[at + 4 + random.int(body)]! ^= 1 << random.int(8);
      return length;
    case 3:
      into[at + 4 + random.int(body)] = random.of([0, 1, 0x2f, 0x7f, 0x80, 0xc0, 0xfe, 0xff]);
      return length;
    case 4: {
      const edge = random.of(EDGES);
      const to = at + 4 + random.int(body);
      into[to] = edge;
      if (to + 1 < end) into[to + 1] = edge >>> 8;
      return length;
    }
    case 5:
      if (body < 8) return length;
      putU32(into, at + HEADER + random.int(body - 6), random.of(EDGES));
      return length;
    case 6: // cut
      return HEADER + random.int(length - HEADER + 1);
    case 7: {
      // a tail of noise
      const more = random.int(GROWTH / 2);
      for (let i = 0; i < more; i++) into[end + i] = random.int(256);
      return length + more;
    }
    case 8: {
      // the head of this and the tail of another
      const other = random.int(pool.size);
      const from = random.int(pool.lengths[other]!);
      const head = HEADER + random.int(length - HEADER + 1);
      const tail = Math.min(pool.lengths[other]! - from, 256);
      if (head + tail > length + GROWTH / 2) return length;
      const start = pool.starts[other]! + from;
      into.set(pool.bytes.subarray(start, start + tail), at + head);
      return head + tail;
    }
    case 9:
      into[at + 4] = random.int(256);
      return length;
    case 10:
      into[at + 5] = random.int(20);
      into[at + 6] = random.int(8) === 0 ? 0xff : 0;
      if (random.int(8) === 0) into[at + 5] = 0xff;
      return length;
    case 11: {
      // a piece twice
      const piece = Math.min(1 + random.int(GROWTH / 2), length - HEADER);
      if (piece <= 0) return length;
      const from = HEADER + random.int(length - HEADER - piece + 1);
      into.copyWithin(at + from + piece, at + from, end);
      return length + piece;
    }
    default: {
      const noise = random.int(GROWTH / 2);
      for (let i = 0; i < noise; i++) into[at + HEADER + i] = random.int(256);
      return HEADER + noise;
    }
  }
}
