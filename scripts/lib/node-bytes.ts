/** The `Bytes` port on Node, for core modules that programs of the host share with the VM. */

import { isUtf8 } from "node:buffer";
import type { Bytes } from "../../services/ports/index.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Up to here a loop is faster than a call into Node. */
const SHORT = 16;
/** Most bytes that a UTF-16 unit takes in UTF-8. */
const UNIT_BYTES = 3;

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
    if (at >= 0 && at + text.length * UNIT_BYTES <= into.length) {
      return encoder.encodeInto(text, at === 0 ? into : into.subarray(at)).written;
    }
    const bytes = encoder.encode(text);
    check("encode", into, at, bytes.length);
    into.set(bytes, at);
    return bytes.length;
  },
  decode(bytes, start, length) {
    check("decode", bytes, start, length);
    if (length <= SHORT) {
      let text = "";
      for (let index = start; index < start + length && bytes[index]! < 0x80; index++) {
        text += String.fromCharCode(bytes[index]!);
      }
      if (text.length === length) return text;
    }
    return decoder.decode(bytes.subarray(start, start + length));
  },
  validate(bytes, start, length) {
    check("validate", bytes, start, length);
    return isUtf8(bytes.subarray(start, start + length));
  },
  plain(bytes, start, length) {
    check("plain", bytes, start, length);
    let at = start;
    while (at < start + length && bytes[at]! >= 0x20 && bytes[at]! < 0x7f) at++;
    return at - start;
  },
};
