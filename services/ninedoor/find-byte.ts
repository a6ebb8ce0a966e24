/**
 * Finds a byte in a part of a buffer. The buffer may be a whole chunk of many small requests, so looking through what is
 * behind the part would make a chunk cost the square of its length.
 */

/** A part up to this long is looked through here; beyond, the native search wins though it may go too far. */
const SHORT = 64;

/** @returns the first index in [start, end) that holds the value, -1 if none does. */
export function findByte(bytes: Uint8Array, value: number, start: number, end: number): number {
  if (end - start > SHORT) {
    const at = bytes.indexOf(value, start);
    return at < end ? at : -1;
  }
  for (let at = start; at < end; at++) if (bytes[at] === value) return at;
  return -1;
}
