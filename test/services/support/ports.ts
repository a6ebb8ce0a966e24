/**
 * Ports for tests of the core: bytes by Node's own encoders, a clock that is set by hand, a serial line whose
 * other end is the test. They are stricter than devices: what the core must not do, they throw at.
 */
import type { Bytes, Clock, Log, SerialPort } from "../../../services/ports/index.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { fatal: true });

export const nodeBytes: Bytes = {
  copy(into, at, from, start, length) {
    if (at < 0 || start < 0 || length < 0 || at + length > into.length || start + length > from.length) {
      throw new RangeError(`copy: ${start}+${length} of ${from.length} to ${at} of ${into.length}`);
    }
    into.set(from.subarray(start, start + length), at);
  },
  checksum() {
    throw new Error("checksum: no console needs one");
  },
  encode(text, into, at) {
    const encoded = encoder.encode(text);
    if (at + encoded.length > into.length) throw new RangeError(`encode: ${encoded.length} bytes do not fit`);
    into.set(encoded, at);
    return encoded.length;
  },
  decode: (bytes, start, length) => decoder.decode(bytes.subarray(start, start + length)),
  validate(bytes, start, length) {
    try {
      strict.decode(bytes.subarray(start, start + length));
      return true;
    } catch {
      return false;
    }
  },
  plain(bytes, start, length) {
    if (start < 0 || length < 0 || start + length > bytes.length) throw new RangeError(`plain: ${start}+${length}`);
    const other = bytes.subarray(start, start + length).findIndex((byte) => byte < 0x20 || byte > 0x7e);
    return other < 0 ? length : other;
  },
};

export const utf8 = (text: string): Uint8Array => encoder.encode(text);
export const text = (bytes: Uint8Array): string => decoder.decode(bytes);

/** A clock that stands still until somebody moves it. */
export class ManualClock implements Clock {
  us = 0;
  nowUs(): number {
    return this.us;
  }
}

/** Keeps lines as `subsystem: text`. */
export class LineLog implements Log {
  readonly lines: string[] = [];
  line(subsystem: string, line: string): void {
    this.lines.push(`${subsystem}: ${line}`);
  }
}

/** A serial line. `sendRoom` is what the device takes before `drain` is called. */
export class TestLine implements SerialPort {
  readonly counters = { received: 0, sent: 0, overruns: 0, errors: 0, refused: 0 };
  sendRoom = Infinity;
  #input: Uint8Array = new Uint8Array(0);
  #at = 0;
  #output: number[] = [];

  /** The other end types. */
  type(input: Uint8Array | string): void {
    const more = typeof input === "string" ? utf8(input) : input;
    const rest = this.#input.subarray(this.#at);
    const all = new Uint8Array(rest.length + more.length);
    all.set(rest);
    all.set(more, rest.length);
    this.#input = all;
    this.#at = 0;
    this.counters.received += more.length;
  }

  /** What came out since the last call. */
  output(): Uint8Array {
    const out = Uint8Array.from(this.#output);
    this.#output = [];
    return out;
  }

  read(into: Uint8Array, at: number, max: number): number {
    const count = Math.min(max, this.readable());
    if (at + count > into.length) throw new RangeError("read: past the buffer's end");
    into.set(this.#input.subarray(this.#at, this.#at + count), at);
    this.#at += count;
    return count;
  }

  readable(): number {
    return this.#input.length - this.#at;
  }

  write(from: Uint8Array, start: number, length: number): number {
    if (start + length > from.length) throw new RangeError("write: past the buffer's end");
    const count = Math.min(length, this.sendRoom);
    for (let i = 0; i < count; i++) this.#output.push(from[start + i]!);
    this.sendRoom -= count;
    this.counters.sent += count;
    if (count < length) this.counters.refused++;
    return count;
  }

  writable(): number {
    return this.sendRoom;
  }
}
