/**
 * A bounded ring of newline-delimited records with offsets that count bytes since boot and are never reused. A new record
 * pushes out the oldest whole ones, so what is kept always begins with a record; a reader sees by its offset that it was
 * overtaken. Memory is taken as it fills, by doubling up to the bound, and never again: then neither appending nor reading allocates.
 */
import type { Bytes, Pool } from "../ports/index.ts";
import { findByte } from "./find-byte.ts";

const NEWLINE = 0x0a;
/** Bytes that a ring begins with. */
const INITIAL = 1024;

/** Takes bytes as a 9P request does. */
export interface Sink {
  put(bytes: Uint8Array, start: number, length: number): number;
}

/** Is told of every record. */
export interface RingWatcher {
  appended(): void;
}

export class Ring {
  /** Records appended since boot. */
  appends = 0;
  /** Records that were too long or held a newline. */
  refused = 0;
  /** Bytes that made room for newer ones. */
  overwritten = 0;
  /** Longest record in bytes, newline not counted. */
  readonly recordBytes: number;
  readonly #bytes: Bytes;
  readonly capacity: number;
  #ring: Uint8Array;
  /** Offset of the oldest byte kept, which begins a record, and of the next byte. Changed in here only. */
  start = 0;
  end = 0;
  /** Never changed, so that a watcher may come or go while all are told. */
  #watchers: readonly RingWatcher[] = [];

  /** @throws RangeError if the longest record does not fit. */
  constructor(bytes: Bytes, capacity: number, recordBytes: number) {
    if (recordBytes + 1 > capacity) {
      throw new RangeError(`Ring: a record of ${recordBytes} bytes and its newline do not fit ${capacity}`);
    }
    this.#bytes = bytes;
    this.recordBytes = recordBytes;
    this.capacity = capacity;
    this.#ring = new Uint8Array(Math.min(capacity, INITIAL));
  }

  /** Bytes of memory that it has taken so far. */
  get taken(): number {
    return this.#ring.length;
  }

  /** For reports. */
  pool(name: string): Pool {
    const { capacity, overwritten } = this;
    const used = this.end - this.start;
    return [name, capacity, used, capacity, overwritten > 0 ? capacity : used, "overwritten", overwritten];
  }

  /** Tell it of every append from now on. How many watch is bounded by who lets them. */
  watch(watcher: RingWatcher): void {
    this.#watchers = [...this.#watchers, watcher];
  }

  unwatch(watcher: RingWatcher): void {
    this.#watchers = this.#watchers.filter((other) => other !== watcher);
  }

  /** Append a record, to which a newline is added. @returns false, and nothing is changed, if it is none. */
  append(from: Uint8Array, start: number, length: number): boolean {
    if (length > this.recordBytes || findByte(from, NEWLINE, start, start + length) >= 0) {
      this.refused++;
      return false;
    }
    const need = this.end + length + 1 - this.start;
    if (need > this.#ring.length) this.#grow(need);
    const ring = this.#ring;
    const size = ring.length;
    while (this.end + length + 1 - this.start > size) this.#forget();
    const at = this.end % size;
    const first = Math.min(length, size - at);
    if (first > 0) this.#bytes.copy(ring, at, from, start, first);
    if (first < length) this.#bytes.copy(ring, 0, from, start + first, length - first);
    ring[(at + length) % size] = NEWLINE;
    this.end += length + 1;
    this.appends++;
    const watchers = this.#watchers;
    for (let i = 0; i < watchers.length; i++) watchers[i]!.appended();
    return true;
  }

  /** Put up to `length` bytes from an offset that is kept. @returns how many were taken. */
  send(to: Sink, offset: number, length: number): number {
    const wanted = Math.min(length, this.end - offset);
    if (offset < this.start || wanted <= 0) return 0;
    const size = this.#ring.length;
    const at = offset % size;
    const first = Math.min(wanted, size - at);
    const taken = to.put(this.#ring, at, first);
    return taken < first || first === wanted ? taken : taken + to.put(this.#ring, 0, wanted - first);
  }

  /**
   * Copy the record that begins at a kept offset, without its newline.
   * @returns its length; the next one begins behind its newline. @throws RangeError if `into` is too short.
   */
  record(offset: number, into: Uint8Array): number {
    const size = this.#ring.length;
    const at = offset % size;
    const length = this.#recordLength(at);
    const first = Math.min(length, size - at);
    this.#bytes.copy(into, 0, this.#ring, at, first);
    if (first < length) this.#bytes.copy(into, first, this.#ring, 0, length - first);
    return length;
  }

  /** Take more memory, if it may. Before it has all nothing was forgotten, so what it keeps begins at its first byte. */
  #grow(need: number): void {
    let size = this.#ring.length;
    if (size === this.capacity) return;
    while (size < need) size *= 2;
    const ring = new Uint8Array(Math.min(size, this.capacity));
    if (this.end > 0) this.#bytes.copy(ring, 0, this.#ring, 0, this.end);
    this.#ring = ring;
  }

  #forget(): void {
    const length = this.#recordLength(this.start % this.#ring.length) + 1;
    this.overwritten += length;
    this.start += length;
  }

  /** From there to the newline, which may be behind the ring's end. */
  #recordLength(at: number): number {
    const newline = this.#ring.indexOf(NEWLINE, at);
    return newline >= 0 ? newline - at : this.#ring.length - at + this.#ring.indexOf(NEWLINE);
  }
}
