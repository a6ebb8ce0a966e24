/**
 * Cuts a stream into frames by their `size[4]`, wherever the stream itself is cut. A frame that lies whole in the
 * bytes that came is used in place, any other is copied once, so the work is linear in the bytes even one at a time.
 * A false length costs at most one refused frame, or the stream.
 */
import type { Bytes } from "../ports/index.ts";
import { FALSE_LENGTH, HEADER, NOTAG } from "./constants.ts";
import { getU32 } from "./wire.ts";

/** The bytes were taken and no frame is whole yet. */
export const NEED_MORE = 0;
/** `bytes`, `at` and `size` are a frame, valid until the next `take`. */
export const FRAME = 1;
/** A frame is longer than it may be; `tag` is its tag, and its rest will be skipped. */
export const OVERSIZED = 2;
/** No frame can follow: a size below the header's, or above {@link FALSE_LENGTH}. `tag` is its tag if it has one. */
export const BROKEN = 3;
export type FrameState = typeof NEED_MORE | typeof FRAME | typeof OVERSIZED | typeof BROKEN;

export class Framing {
  /** Longest frame that is taken, at most the constructor's. */
  limit: number;
  bytes: Uint8Array;
  at = 0;
  size = 0;
  /** {@link NOTAG} if there is none. */
  tag = NOTAG;
  /** How many bytes the last {@link take} took. */
  taken = 0;
  readonly #port: Bytes;
  readonly #buffer: Uint8Array;
  #held = 0;
  #skip = 0;
  #broken = false;

  constructor(port: Bytes, limit: number) {
    this.#port = port;
    this.limit = limit;
    this.#buffer = new Uint8Array(limit);
    this.bytes = this.#buffer;
  }

  /** Whether a frame has begun and is not whole. */
  get partial(): boolean {
    return this.#held > 0 || this.#skip > 0;
  }

  /** Take bytes up to the end of the next frame; how many is in {@link taken}. */
  take(from: Uint8Array, start: number, length: number): FrameState {
    this.tag = NOTAG;
    if (length >= HEADER && this.#held === 0 && this.#skip === 0 && !this.#broken) {
      const size = getU32(from, start);
      if (size >= HEADER && size <= this.limit && size <= length) {
        this.bytes = from;
        this.at = start;
        this.size = size;
        this.taken = size;
        return FRAME;
      }
    }
    this.taken = 0;
    if (this.#broken) {
      this.taken = length;
      return BROKEN;
    }
    if (this.#skip > 0) {
      this.taken = Math.min(this.#skip, length);
      this.#skip -= this.taken;
      if (this.#skip > 0 || this.taken === length) return NEED_MORE;
    }
    const at = start + this.taken;
    const left = length - this.taken;
    if (this.#held === 0 && left >= HEADER) {
      const size = getU32(from, at);
      if (size >= HEADER && size <= this.limit && size <= left) return this.#frame(from, at, size, size);
    }
    return this.#assemble(from, at, left);
  }

  /** Copies what is missing of the size, then of the header, then of the rest. */
  #assemble(from: Uint8Array, at: number, left: number): FrameState {
    const buffer = this.#buffer;
    let size = this.#held < 4 ? 0 : getU32(buffer, 0);
    let used = 0;
    for (;;) {
      const want = this.#held < 4 ? 4 : this.#held < HEADER ? HEADER : size;
      const step = Math.min(want - this.#held, left - used);
      if (step > 0) this.#port.copy(buffer, this.#held, from, at + used, step);
      this.#held += step;
      used += step;
      if (this.#held < want) {
        this.taken += used;
        return NEED_MORE;
      }
      if (want === 4) {
        size = getU32(buffer, 0);
        if (size < HEADER) return this.#break(used);
      } else if (want === HEADER && size > this.limit) {
        this.tag = buffer[5]! | (buffer[6]! << 8);
        if (size > FALSE_LENGTH) return this.#break(used);
        this.#held = 0;
        this.#skip = size - HEADER;
        this.taken += used;
        return OVERSIZED;
      }
      if (this.#held >= HEADER && this.#held === size) {
        this.#held = 0;
        return this.#frame(buffer, 0, size, used);
      }
    }
  }

  #frame(bytes: Uint8Array, at: number, size: number, used: number): FrameState {
    this.bytes = bytes;
    this.at = at;
    this.size = size;
    this.taken += used;
    return FRAME;
  }

  #break(used: number): FrameState {
    this.#broken = true;
    this.#held = 0;
    this.taken += used;
    return BROKEN;
  }
}
