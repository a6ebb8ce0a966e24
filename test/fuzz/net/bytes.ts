/** Work on bytes for the network under fuzz: strict about its arguments, and quick. */
import type { Bytes } from "../../../services/ports/index.ts";

const none = (): never => {
  throw new Error("not for the network");
};

/** RFC 1071, folded to 16 bits, not complemented. */
export function internetSum(data: Uint8Array, start: number, length: number, initial: number): number {
  let sum = initial;
  const end = start + length;
  for (let at = start; at < end; at += 2) sum += (data[at]! << 8) | (at + 1 < end ? data[at + 1]! : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

function inside(data: Uint8Array, start: number, length: number): boolean {
  return (
    Number.isInteger(start) && Number.isInteger(length) && start >= 0 && length >= 0 && start + length <= data.length
  );
}

export const netBytes: Bytes = {
  copy(into, at, from, start, length) {
    if (!inside(into, at, length) || !inside(from, start, length)) throw new RangeError(`copy of ${length} bytes`);
    for (let i = 0; i < length; i++) into[at + i] = from[start + i]!;
  },
  checksum(data, start, length, initial) {
    if (!inside(data, start, length) || !(initial >= 0 && initial <= 0xffff)) throw new RangeError("checksum");
    return internetSum(data, start, length, initial);
  },
  encode: none,
  decode: none,
  validate: none,
  plain: none,
};
