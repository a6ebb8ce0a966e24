/**
 * Little-endian fields in bytes, read and written through a cursor that cannot leave its frame: one that would is not
 * read or written and leaves `failed` behind, so a whole message is checked by looking once at its end.
 * 64-bit fields are numbers; what a number cannot hold exactly is read as {@link INEXACT} and never rounded.
 */
import type { Bytes } from "../ports/index.ts";
import { QID_SIZE } from "./constants.ts";

/** A 64-bit field above 2^53 − 1. Whoever needs the field refuses it. */
export const INEXACT = -1;

const U32 = 0x1_0000_0000;
/** The upper half of 2^53 − 1. */
const HIGH_MAX = 0x1f_ffff;
const NOTHING = new Uint8Array(0);

/** Bytes within other bytes: a string or data of a message, valid as long as those are. */
export class Span {
  bytes: Uint8Array = NOTHING;
  start = 0;
  length = 0;

  set(bytes: Uint8Array, start: number, length: number): void {
    this.bytes = bytes;
    this.start = start;
    this.length = length;
  }

  /** Whether it is this text, which must be ASCII. */
  equals(ascii: string): boolean {
    if (this.length !== ascii.length) return false;
    for (let i = 0; i < ascii.length; i++) {
      if (this.bytes[this.start + i] !== ascii.charCodeAt(i)) return false;
    }
    return true;
  }

  has(byte: number): boolean {
    for (let i = 0; i < this.length; i++) {
      if (this.bytes[this.start + i] === byte) return true;
    }
    return false;
  }

  text(port: Bytes): string {
    return port.decode(this.bytes, this.start, this.length);
  }
}

/** What identifies a file on its server (intro(5)): equal paths are the same file. */
export interface Qid {
  type: number;
  version: number;
  /** At most 2^53 − 1. */
  path: number;
}

/**
 * Reads fields in order. A field that does not fit moves the end before everything, so that nothing else fits either: one
 * comparison a field is all the checking there is. Methods are long rather than made of others, for calls are what
 * QuickJS takes most of its time for.
 */
export class Reader {
  bytes: Uint8Array = NOTHING;
  at = 0;
  end = 0;
  /** A field did not fit, and what was read since is 0 or empty. */
  failed = false;

  begin(bytes: Uint8Array, at: number, length: number): void {
    this.bytes = bytes;
    this.at = at;
    this.end = at + length;
    this.failed = false;
  }

  /** Whether everything was there and nothing is left over. */
  complete(): boolean {
    return !this.failed && this.at === this.end;
  }

  u8(): number {
    const { at, bytes } = this;
    if (at + 1 > this.end) return this.fail();
    this.at = at + 1;
    return bytes[at]!;
  }

  u16(): number {
    const { at, bytes } = this;
    if (at + 2 > this.end) return this.fail();
    this.at = at + 2;
    return bytes[at]! | (bytes[at + 1]! << 8);
  }

  u32(): number {
    const { at, bytes } = this;
    if (at + 4 > this.end) return this.fail();
    this.at = at + 4;
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  }

  /** 0 to 2^53 − 1, or {@link INEXACT}. */
  u64(): number {
    const { at, bytes } = this;
    if (at + 8 > this.end) return this.fail();
    this.at = at + 8;
    const low = (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
    const high = (bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24)) >>> 0;
    if (high === 0) return low;
    return high > HIGH_MAX ? INEXACT : high * U32 + low;
  }

  /** A 64-bit mask of which only the lower half has a meaning. */
  mask(): number {
    const low = this.u32();
    this.u32();
    return this.failed ? 0 : low;
  }

  /** `length[2] bytes[length]`. */
  string(into: Span): void {
    this.span(into, this.u16());
  }

  /** `length` bytes. */
  span(into: Span, length: number): void {
    const { at } = this;
    if (at + length > this.end) {
      this.fail();
      into.set(NOTHING, 0, 0);
      return;
    }
    this.at = at + length;
    into.bytes = this.bytes;
    into.start = at;
    into.length = length;
  }

  qid(into: Qid): void {
    into.type = this.u8();
    into.version = this.u32();
    into.path = this.u64();
    if (into.path === INEXACT) this.fail();
  }

  /** What was read is no message: nothing else is read. @returns 0, which is what then stands for every field */
  fail(): 0 {
    this.failed = true;
    this.end = -1;
    return 0;
  }
}

/** Writes fields in order, checked as {@link Reader} checks. */
export class Writer {
  bytes: Uint8Array = NOTHING;
  at = 0;
  end = 0;
  /** A field did not fit its place or the room, and nothing was written since. */
  failed = false;
  readonly #port: Bytes;

  constructor(port: Bytes) {
    this.#port = port;
  }

  begin(bytes: Uint8Array, at: number, room: number): void {
    this.bytes = bytes;
    this.at = at;
    this.end = at + room < bytes.length ? at + room : bytes.length;
    this.failed = false;
  }

  u8(value: number): void {
    const { at } = this;
    if (at + 1 > this.end) return this.fail();
    this.at = at + 1;
    this.bytes[at] = value;
  }

  u16(value: number): void {
    const { at, bytes } = this;
    if (at + 2 > this.end) return this.fail();
    this.at = at + 2;
    bytes[at] = value;
    bytes[at + 1] = value >> 8;
  }

  u32(value: number): void {
    const { at, bytes } = this;
    if (at + 4 > this.end) return this.fail();
    this.at = at + 4;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
  }

  /** An integer of 0 to 2^53 − 1; anything else fails. */
  u64(value: number): void {
    const { at, bytes } = this;
    if (at + 8 > this.end || !Number.isSafeInteger(value) || value < 0) return this.fail();
    this.at = at + 8;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
    putU32(bytes, at + 4, value < U32 ? 0 : Math.floor(value / U32));
  }

  mask(value: number): void {
    this.u32(value);
    this.u32(0);
  }

  string(text: Span): void {
    if (text.length > 0xffff) return this.fail();
    this.u16(text.length);
    this.span(text);
  }

  span(data: Span): void {
    const { at } = this;
    const { length } = data;
    if (at + length > this.end) return this.fail();
    this.at = at + length;
    if (length > 0) this.#port.copy(this.bytes, at, data.bytes, data.start, length);
  }

  qid(qid: Qid): void {
    const { at, bytes } = this;
    const { version, path } = qid;
    if (at + QID_SIZE > this.end || !Number.isSafeInteger(path) || path < 0) return this.fail();
    this.at = at + QID_SIZE;
    bytes[at] = qid.type;
    bytes[at + 1] = version;
    bytes[at + 2] = version >>> 8;
    bytes[at + 3] = version >>> 16;
    bytes[at + 4] = version >>> 24;
    bytes[at + 5] = path;
    bytes[at + 6] = path >>> 8;
    bytes[at + 7] = path >>> 16;
    bytes[at + 8] = path >>> 24;
    putU32(bytes, at + 9, path < U32 ? 0 : Math.floor(path / U32));
  }

  /** What is written is no message: nothing else is written. */
  fail(): void {
    this.failed = true;
    this.end = -1;
  }
}

/** Unchecked: the caller knows that four bytes are there. */
export function getU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** Bytes that a text takes in UTF-8, at most `limit` + 3: longer ones are not measured to their end. */
export function utf8Length(text: string, limit: number): number {
  let length = 0;
  for (let i = 0; i < text.length && length <= limit; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) length++;
    else if (unit < 0x800) length += 2;
    else if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      length += 4;
      i++;
    } else length += 3;
  }
  return length;
}
