/**
 * A bounded queue of bytes between a console and its line. It takes what fits and says how much that was;
 * nothing is allocated after construction.
 */
import type { Bytes, Pool, SerialPort } from "../ports/index.ts";

/** A ring of bytes. */
export class ByteRing {
  readonly capacity: number;
  /** Most bytes it ever held. */
  highWater = 0;
  /** Bytes that it ever took. */
  total = 0;
  /** Pieces of text that did not fit and were left out. */
  cut = 0;
  readonly #bytes: Bytes;
  readonly #buffer: Uint8Array;
  readonly #scratch: Uint8Array;
  /** Bytes that it holds. Changed in here only. */
  length = 0;
  #head = 0;

  /** @param textBytes longest text that `text` takes, in UTF-8. */
  constructor(bytes: Bytes, capacity: number, textBytes = 0) {
    this.#bytes = bytes;
    this.capacity = capacity;
    this.#buffer = new Uint8Array(capacity);
    this.#scratch = new Uint8Array(textBytes);
  }

  get free(): number {
    return this.capacity - this.length;
  }

  /** For reports. @param full how often work was left with its producer because this was full */
  pool(name: string, full: number): Pool {
    return [name, this.capacity + this.#scratch.length, this.length, this.capacity, this.highWater, "held_back", full];
  }

  /** Add one byte. @returns false if it is full. */
  put(byte: number): boolean {
    if (this.length === this.capacity) return false;
    this.#buffer[(this.#head + this.length) % this.capacity] = byte;
    this.#grew(1);
    return true;
  }

  /** Add all of `from[start..start+length)` or nothing. */
  append(from: Uint8Array, start: number, length: number): boolean {
    if (length > this.free) {
      this.cut++;
      return false;
    }
    const tail = (this.#head + this.length) % this.capacity;
    const first = Math.min(length, this.capacity - tail);
    this.#bytes.copy(this.#buffer, tail, from, start, first);
    if (first < length) this.#bytes.copy(this.#buffer, 0, from, start + first, length - first);
    this.#grew(length);
    return true;
  }

  /** Add a text whole or not at all. */
  text(text: string): boolean {
    // A UTF-16 unit takes at most three bytes: only a text that may be too long has to be measured by trying.
    if (text.length * 3 > this.#scratch.length && !this.#fits(text)) {
      this.cut++;
      return false;
    }
    const length = this.#bytes.encode(text, this.#scratch, 0);
    return this.append(this.#scratch, 0, length);
  }

  /** The ring's memory: its oldest bytes are `run` bytes from `head` on. Take them with {@link skip}. */
  get buffer(): Uint8Array {
    return this.#buffer;
  }

  get head(): number {
    return this.#head;
  }

  /** Bytes that lie in a row. */
  get run(): number {
    return Math.min(this.length, this.capacity - this.#head);
  }

  /** Take `count` bytes that were looked at in place. */
  skip(count: number): void {
    if (count > this.length) throw new RangeError(`ByteRing.skip: ${count} of ${this.length} bytes`);
    this.#drop(count);
  }

  /** The byte `index` behind the oldest, of those that it holds. */
  at(index: number): number {
    return this.#buffer[(this.#head + index) % this.capacity]!;
  }

  /** Take the oldest byte; -1 if there is none. */
  take(): number {
    if (this.length === 0) return -1;
    const byte = this.#buffer[this.#head]!;
    this.#drop(1);
    return byte;
  }

  /** Read up to `budget` bytes from a port. @returns how many. */
  fill(port: SerialPort, budget: number): number {
    let done = 0;
    while (done < budget && this.length < this.capacity) {
      const tail = (this.#head + this.length) % this.capacity;
      const room = Math.min(budget - done, this.capacity - this.length, this.capacity - tail);
      const got = port.read(this.#buffer, tail, room);
      if (got === 0) break;
      this.#grew(got);
      done += got;
    }
    return done;
  }

  /** Write up to `budget` bytes to a port. @returns how many it took. */
  drain(port: SerialPort, budget: number): number {
    let done = 0;
    while (done < budget && this.length > 0) {
      const chunk = Math.min(budget - done, this.length, this.capacity - this.#head);
      const taken = port.write(this.#buffer, this.#head, chunk);
      this.#drop(taken);
      done += taken;
      if (taken < chunk) break;
    }
    return done;
  }

  #fits(text: string): boolean {
    let length = 0;
    for (const character of text) {
      const point = character.codePointAt(0)!;
      length += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    }
    return length <= this.#scratch.length;
  }

  #grew(by: number): void {
    this.length += by;
    this.total += by;
    if (this.length > this.highWater) this.highWater = this.length;
  }

  #drop(count: number): void {
    this.length -= count;
    this.#head = this.length === 0 ? 0 : (this.#head + count) % this.capacity;
  }
}
