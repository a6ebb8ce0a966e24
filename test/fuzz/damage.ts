/** Damages bytes in place, without allocating: what a bad line, a bad program or an ill-wisher makes of them. */
import type { Random } from "./random.ts";

/** Bytes that one call of {@link damage} may add. */
export const GROWTH = 48;
/** Bytes and words at which something may change its mind. */
const BYTES = [0, 1, 2, 3, 4, 5, 7, 8, 0x0a, 0x0d, 0x1f, 0x20, 0x2f, 0x40, 0x7f, 0x80, 0xc0, 0xfe, 0xff];
const WORDS = [0, 1, 4, 20, 64, 255, 256, 1023, 1024, 1460, 1500, 0x7fff, 0x8000, 0xfffe, 0xffff];

/** Damage `into[at…at+length)` somewhere behind the first `from` bytes. @returns its new length, at most {@link GROWTH} more. */
export function damage(into: Uint8Array, at: number, from: number, length: number, random: Random): number {
  const room = length - from;
  if (room <= 0) return length;
  const to = at + from + random.int(room);
  const end = at + length;
  switch (random.int(11)) {
    case 0:
    case 1:
    case 2:
      for (let flips = 1 + random.int(4); flips > 0; flips--) {
        into[at + from + random.int(room)]! ^= 1 << random.int(8);
      }
      return length;
    case 3:
    case 4:
      into[to] = random.of(BYTES);
      return length;
    case 5: {
      const word = random.of(WORDS);
      into[to] = word >> 8;
      if (to + 1 < end) into[to + 1] = word;
      return length;
    }
    case 6:
      into[to] = random.int(256);
      return length;
    case 7: // cut
      return to - at;
    case 8: {
      // a tail of noise
      const more = random.int(GROWTH);
      random.bytes(into, end, more);
      return length + more;
    }
    case 9: {
      // a piece twice
      const piece = Math.min(1 + random.int(GROWTH), end - to);
      into.copyWithin(to + piece, to, end);
      return length + piece;
    }
    default: {
      // a piece missing
      const piece = Math.min(1 + random.int(16), end - to);
      into.copyWithin(to, to + piece, end);
      return length - piece;
    }
  }
}
