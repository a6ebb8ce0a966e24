/**
 * Cuts a stream into lines by their `length[4]`, itself included, wherever the stream itself is cut. A frame that lies whole in
 * the bytes that came is used in place, any other is copied once, so the work is linear in the bytes even one at a time. A false
 * length costs one refused frame whose payload is skipped, or the stream.
 */
import type { Bytes } from "../../ports/index.ts";
import { getU32 } from "../../secure9p/wire.ts";

/** Bytes of the length. */
export const LENGTH_BYTES = 4;
/** Nobody may hold a connection open with a longer frame than this. */
export const FALSE_LENGTH = 65_536;

/** The bytes were taken and no frame is whole yet. */
export const NEED_MORE = 0;
/** `bytes`, `at` and `size` are a line without its length, valid until the next `take`. */
export const LINE = 1;
/** A line is longer than it may be; its rest will be skipped. */
export const OVERSIZED = 2;
/** No frame can follow: a length below its own bytes, or above {@link FALSE_LENGTH}. */
export const BROKEN = 3;
export type LineState = typeof NEED_MORE | typeof LINE | typeof OVERSIZED | typeof BROKEN;

export class LineFraming {
  bytes: Uint8Array;
  at = 0;
  size = 0;
  /** How many bytes the last {@link take} took. */
  taken = 0;
  readonly #port: Bytes;
  readonly #limit: number;
  /** A frame that came in pieces: its length, then its line. */
  readonly #buffer: Uint8Array;
  #held = 0;
  #skip = 0;
  #broken = false;

  /** @param limit bytes of the longest line */
  constructor(port: Bytes, limit: number) {
    this.#port = port;
    this.#limit = limit;
    this.#buffer = new Uint8Array(LENGTH_BYTES + limit);
    this.bytes = this.#buffer;
  }

  /** Whether a frame has begun and is not whole. */
  get partial(): boolean {
    return this.#held > 0 || this.#skip > 0;
  }

  /** Take bytes up to the end of the next frame, or all of them; how many is in {@link taken}. */
  take(from: Uint8Array, start: number, length: number): LineState {
    this.taken = 0;
    if (this.#broken) {
      this.taken = length;
      return BROKEN;
    }
    if (this.#skip > 0) {
      this.taken = Math.min(this.#skip, length);
      this.#skip -= this.taken;
    }
    const at = start + this.taken;
    const left = length - this.taken;
    if (this.#held === 0 && left >= LENGTH_BYTES) {
      const size = getU32(from, at);
      if (size >= LENGTH_BYTES && size - LENGTH_BYTES <= this.#limit && size <= left) {
        this.taken += size;
        return this.#line(from, at, size);
      }
    }
    return this.#assemble(from, at, left);
  }

  /** Copies what is missing of the length, then of the line. */
  #assemble(from: Uint8Array, at: number, left: number): LineState {
    const buffer = this.#buffer;
    let used = 0;
    if (this.#held < LENGTH_BYTES) {
      used = this.#copy(from, at, Math.min(LENGTH_BYTES - this.#held, left));
      if (this.#held < LENGTH_BYTES) return NEED_MORE;
      const verdict = this.#judge(getU32(buffer, 0));
      if (verdict !== LINE) return verdict;
    }
    const size = getU32(buffer, 0);
    this.#copy(from, at + used, Math.min(size - this.#held, left - used));
    if (this.#held < size) return NEED_MORE;
    this.#held = 0;
    return this.#line(buffer, 0, size);
  }

  /** What a length means. */
  #judge(size: number): LineState {
    if (size < LENGTH_BYTES || size > FALSE_LENGTH) {
      this.#broken = true;
      this.#held = 0;
      return BROKEN;
    }
    if (size - LENGTH_BYTES <= this.#limit) return LINE;
    this.#held = 0;
    this.#skip = size - LENGTH_BYTES;
    return OVERSIZED;
  }

  #copy(from: Uint8Array, at: number, count: number): number {
    if (count > 0) this.#port.copy(this.#buffer, this.#held, from, at, count);
    this.#held += count;
    this.taken += count;
    return count;
  }

  #line(bytes: Uint8Array, at: number, size: number): LineState {
    this.bytes = bytes;
    this.at = at + LENGTH_BYTES;
    this.size = size - LENGTH_BYTES;
    return LINE;
  }
}
