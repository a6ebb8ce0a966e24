/**
 * Bytes on their way to a peer: a ring that starts small, grows to its bound and becomes small again when it is empty.
 * A frame is put in by pieces and shows to the reader when it is whole; none is ever moved to make room.
 */
import type { Bytes } from "../ports/index.ts";

const INITIAL = 4096;
/** A ring up to this size is kept when it is empty. */
const KEEP = 32768;

export class Outbox {
  /** Most bytes that it holds. */
  readonly bound: number;
  /** Most bytes that it ever held. */
  highWater = 0;
  readonly #port: Bytes;
  #ring: Uint8Array;
  #head = 0;
  /** Bytes of whole frames. */
  #length = 0;
  /** Bytes of the frame that is being put together, behind those. */
  #open = 0;

  constructor(port: Bytes, bound: number) {
    this.#port = port;
    this.bound = bound;
    this.#ring = new Uint8Array(Math.min(INITIAL, bound));
  }

  /** Bytes that wait for the peer. */
  get length(): number {
    return this.#length;
  }

  get free(): number {
    return this.bound - this.#length - this.#open;
  }

  /** Where the oldest bytes lie; `run` of them in a row, from `start`. Valid until something is added. */
  get bytes(): Uint8Array {
    return this.#ring;
  }

  get start(): number {
    return this.#head;
  }

  get run(): number {
    return Math.min(this.#length, this.#ring.length - this.#head);
  }

  /** The peer took this many. */
  drop(count: number): void {
    if (count < 0 || count > this.#length) throw new RangeError(`Outbox.drop: ${count} of ${this.#length} bytes`);
    this.#length -= count;
    this.#head = (this.#head + count) % this.#ring.length;
    if (this.#length > 0 || this.#open > 0) return;
    this.#head = 0;
    if (this.#ring.length > KEEP) this.#ring = new Uint8Array(Math.min(INITIAL, this.bound));
  }

  /** Add a piece to the open frame. @returns false, and nothing is added, if it does not fit. */
  put(from: Uint8Array, start: number, length: number): boolean {
    if (length > this.free) return false;
    const used = this.#length + this.#open;
    if (used + length > this.#ring.length) this.#grow(used + length);
    const tail = (this.#head + used) % this.#ring.length;
    const first = Math.min(length, this.#ring.length - tail);
    if (first > 0) this.#port.copy(this.#ring, tail, from, start, first);
    if (first < length) this.#port.copy(this.#ring, 0, from, start + first, length - first);
    this.#open += length;
    return true;
  }

  /** Write a u32 over the open frame's bytes from `at`. */
  patch(at: number, value: number): void {
    if (at + 4 > this.#open) throw new RangeError(`Outbox.patch: ${at} of ${this.#open} bytes`);
    const ring = this.#ring;
    const base = this.#head + this.#length + at;
    for (let i = 0; i < 4; i++) ring[(base + i) % ring.length] = value >>> (8 * i);
  }

  /** The open frame is whole. */
  close(): void {
    this.#length += this.#open;
    this.#open = 0;
    if (this.#length > this.highWater) this.highWater = this.#length;
  }

  /** Forget the open frame. */
  abandon(): void {
    this.#open = 0;
  }

  #grow(need: number): void {
    let size = this.#ring.length;
    while (size < need) size *= 2;
    const ring = new Uint8Array(Math.min(size, this.bound));
    const used = this.#length + this.#open;
    const first = Math.min(used, this.#ring.length - this.#head);
    this.#port.copy(ring, 0, this.#ring, this.#head, first);
    if (first < used) this.#port.copy(ring, first, this.#ring, 0, used - first);
    this.#ring = ring;
    this.#head = 0;
  }
}
