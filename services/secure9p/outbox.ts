/**
 * Bytes on their way to a peer: a ring that starts small, grows to its bound and becomes small again when it is empty.
 * A frame is put in by pieces and shows to the reader when it is whole; none is ever moved to make room.
 */
import type { Bytes } from "../ports/index.ts";
import { putU32 } from "./wire.ts";

const INITIAL = 4096;
/** A ring up to this size is kept when it is empty. */
const KEEP = 32768;

export class Outbox {
  /** Most bytes that it holds. */
  readonly bound: number;
  /** Most bytes that it ever held. */
  highWater = 0;
  /** Bytes of whole frames, which wait for the peer. Changed in here only, as are `bytes` and `start`. */
  length = 0;
  /** Where the oldest of them lie: {@link run} in a row, from `start`. Valid until something is added. */
  bytes: Uint8Array;
  start = 0;
  readonly #port: Bytes;
  /** Length of `bytes`. */
  #size: number;
  /** Bytes of the frame that is being put together, behind the whole ones. */
  #open = 0;

  constructor(port: Bytes, bound: number) {
    this.#port = port;
    this.bound = bound;
    this.#size = Math.min(INITIAL, bound);
    this.bytes = new Uint8Array(this.#size);
  }

  get free(): number {
    return this.bound - this.length - this.#open;
  }

  get run(): number {
    const row = this.#size - this.start;
    return this.length < row ? this.length : row;
  }

  /** The peer took this many. */
  drop(count: number): void {
    if (count < 0 || count > this.length) throw new RangeError(`Outbox.drop: ${count} of ${this.length} bytes`);
    this.length -= count;
    this.start += count;
    if (this.start >= this.#size) this.start -= this.#size;
    if (this.length > 0 || this.#open > 0) return;
    this.start = 0;
    if (this.#size > KEEP) {
      this.#size = Math.min(INITIAL, this.bound);
      this.bytes = new Uint8Array(this.#size);
    }
  }

  /**
   * Room to write a whole frame of up to `length` bytes to, in a row, if there is some at hand; then {@link add} it.
   * @returns where in `bytes`, -1 if the frame must be {@link put}
   */
  room(length: number): number {
    const used = this.length + this.#open;
    let tail = this.start + used;
    if (tail >= this.#size) tail -= this.#size;
    // Behind the tail is either the start or the end of the ring; all of it counts only where nothing is held.
    const row = tail < this.start || used === this.#size ? this.start - tail : this.#size - tail;
    return this.#open === 0 && length <= row && length <= this.bound - this.length ? tail : -1;
  }

  /** A frame of that length was written where {@link room} said. */
  add(length: number): void {
    this.length += length;
    if (this.length > this.highWater) this.highWater = this.length;
  }

  /** Add a frame of these bytes behind their length and its own four, if there is room in a row. @returns whether it was */
  frame(from: Uint8Array, start: number, length: number): boolean {
    const size = length + 4;
    const at = this.room(size);
    if (at < 0) return false;
    const { bytes } = this;
    bytes[at] = size;
    bytes[at + 1] = size >>> 8;
    bytes[at + 2] = size >>> 16;
    bytes[at + 3] = size >>> 24;
    this.#port.copy(bytes, at + 4, from, start, length);
    this.length += size;
    if (this.length > this.highWater) this.highWater = this.length;
    return true;
  }

  /** Add a piece to the open frame. @returns false, and nothing is added, if it does not fit. */
  put(from: Uint8Array, start: number, length: number): boolean {
    const used = this.length + this.#open;
    if (length > this.bound - used) return false;
    if (used + length > this.#size) this.#grow(used + length);
    let tail = this.start + used;
    if (tail >= this.#size) tail -= this.#size;
    const row = this.#size - tail;
    if (length <= row) {
      if (length > 0) this.#port.copy(this.bytes, tail, from, start, length);
    } else {
      this.#port.copy(this.bytes, tail, from, start, row);
      this.#port.copy(this.bytes, 0, from, start + row, length - row);
    }
    this.#open += length;
    return true;
  }

  /** Write a u32 over the open frame's bytes from `at`. */
  patch(at: number, value: number): void {
    if (at + 4 > this.#open) throw new RangeError(`Outbox.patch: ${at} of ${this.#open} bytes`);
    const { bytes } = this;
    let base = this.start + this.length + at;
    if (base >= this.#size) base -= this.#size;
    if (base + 4 <= this.#size) putU32(bytes, base, value);
    else for (let i = 0; i < 4; i++) bytes[(base + i) % this.#size] = value >>> (8 * i);
  }

  /** The open frame is whole. */
  close(): void {
    this.add(this.#open);
    this.#open = 0;
  }

  /** Forget the open frame. */
  abandon(): void {
    this.#open = 0;
  }

  #grow(need: number): void {
    let size = this.#size;
    while (size < need) size *= 2;
    size = Math.min(size, this.bound);
    const ring = new Uint8Array(size);
    const used = this.length + this.#open;
    const first = Math.min(used, this.#size - this.start);
    this.#port.copy(ring, 0, this.bytes, this.start, first);
    if (first < used) this.#port.copy(ring, first, this.bytes, 0, used - first);
    this.bytes = ring;
    this.#size = size;
    this.start = 0;
  }
}
