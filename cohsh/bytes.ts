/** The `Bytes` port on Node, for core modules that the shell shares with the VM. */

import type { Bytes } from "../services/ports/index.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { fatal: true });

function check(name: string, array: Uint8Array, start: number, length: number): void {
  const fits = Number.isInteger(start) && Number.isInteger(length) && start >= 0 && length >= 0;
  if (!fits || start + length > array.length) {
    throw new RangeError(`${name}: ${start}+${length} is outside an array of ${array.length} bytes`);
  }
}

export const nodeBytes: Bytes = {
  copy(into, at, from, start, length) {
    check("copy", into, at, length);
    check("copy", from, start, length);
    into.set(from.subarray(start, start + length), at);
  },
  checksum(bytes, start, length, initial) {
    check("checksum", bytes, start, length);
    let sum = initial;
    for (let index = 0; index < length; index++) {
      const byte = bytes[start + index] ?? 0;
      sum += index % 2 === 0 ? byte << 8 : byte;
    }
    while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
    return sum;
  },
  encode(text, into, at) {
    const bytes = encoder.encode(text);
    check("encode", into, at, bytes.length);
    into.set(bytes, at);
    return bytes.length;
  },
  decode(bytes, start, length) {
    check("decode", bytes, start, length);
    return decoder.decode(bytes.subarray(start, start + length));
  },
  validate(bytes, start, length) {
    check("validate", bytes, start, length);
    try {
      strict.decode(bytes.subarray(start, start + length));
      return true;
    } catch {
      return false;
    }
  },
};
