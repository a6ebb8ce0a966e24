/**
 * Bytes that the layer above wrote and the peer has not acknowledged: a ring of fixed size. Sending copies out of it at an
 * offset as often as it must, and an acknowledgement drops bytes from its front.
 */
import type { Bytes } from "../../ports/index.ts";

export class SendBuffer {
  readonly capacity: number;
  length = 0;
  /** Most bytes that it ever held, and times that it took less than it was given. */
  highWater = 0;
  short = 0;
  readonly #bytes: Bytes;
  readonly #ring: Uint8Array;
  #head = 0;

  constructor(bytes: Bytes, capacity: number) {
    this.#bytes = bytes;
    this.capacity = capacity;
    this.#ring = new Uint8Array(capacity);
  }

  /** @returns how many of the `length` bytes fitted. */
  write(from: Uint8Array, start: number, length: number): number {
    const take = Math.min(length, this.capacity - this.length);
    if (take < length) this.short++;
    if (take <= 0) return 0;
    let tail = this.#head + this.length;
    if (tail >= this.capacity) tail -= this.capacity;
    const first = Math.min(take, this.capacity - tail);
    this.#bytes.copy(this.#ring, tail, from, start, first);
    if (first < take) this.#bytes.copy(this.#ring, 0, from, start + first, take - first);
    this.length += take;
    if (this.length > this.highWater) this.highWater = this.length;
    return take;
  }

  /** Copy `length` bytes from `offset` on, all of which must be there. */
  copy(offset: number, length: number, into: Uint8Array, at: number): void {
    let from = this.#head + offset;
    if (from >= this.capacity) from -= this.capacity;
    const first = Math.min(length, this.capacity - from);
    this.#bytes.copy(into, at, this.#ring, from, first);
    if (first < length) this.#bytes.copy(into, at + first, this.#ring, 0, length - first);
  }

  drop(count: number): void {
    this.length -= count;
    this.#head = this.length === 0 ? 0 : (this.#head + count) % this.capacity;
  }

  clear(): void {
    this.length = 0;
    this.#head = 0;
  }
}
