/**
 * Finds a byte in a part of a buffer. The buffer may be a whole chunk of many small requests, so looking through what is
 * behind the part would make a chunk cost the square of its length.
 */

/**
 * A part up to this long is looked through here, unless the byte is known to be in it; beyond, the native search wins
 * though it may go too far. It costs what a few bytes cost in here, and what is behind the part a hundredth of that.
 */
const SHORT = 16;

/** @returns the first index in [start, end) that holds the value, -1 if none does. */
export function findByte(bytes: Uint8Array, value: number, start: number, end: number): number {
  if (end - start > SHORT || (end > start && bytes[end - 1] === value)) {
    const at = bytes.indexOf(value, start);
    return at < end ? at : -1;
  }
  for (let at = start; at < end; at++) if (bytes[at] === value) return at;
  return -1;
}
