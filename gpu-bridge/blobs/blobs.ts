/**
 * The eight blobs of a lease: inputs that are written at offsets, and results. An input that a job waits to read is not written to,
 * so what was checked is what runs. All of it goes with the lease; what a job or a reader still has is counted until it lets go.
 */

import { BUSY, type Refusal, TOO_BIG } from "../../services/secure9p/refusal.ts";
import { BLOB_BYTES } from "../backend.ts";
import { SLOTS } from "../limits.ts";
import type { Memory } from "./memory.ts";

const NOTHING = new Uint8Array(0);
/** What an input begins with. */
const INITIAL = 4096;

/** Bytes that several may hold; the last who lets go gives their memory back. */
export class Held {
  readonly bytes: Uint8Array;
  readonly #memory: Memory;
  #holders = 1;

  /** @param bytes that were taken of the memory before */
  constructor(bytes: Uint8Array, memory: Memory) {
    this.bytes = bytes;
    this.#memory = memory;
  }

  hold(): this {
    this.#holders++;
    return this;
  }

  release(): void {
    if (--this.#holders === 0) this.#memory.give(this.bytes.length);
  }
}

/** `in` of a blob. */
export class InputBlob {
  readonly #memory: Memory;
  #bytes = NOTHING;
  #length = 0;
  /** Jobs that read it. */
  #holders = 0;
  #ended = false;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  get length(): number {
    return this.#length;
  }

  /** What was written; valid until the next write, which there is none while it is held. */
  get content(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    this.#holders--;
    if (this.#ended) this.#free();
  }

  /** Whole, or not at all. Between what was written there are zeros. @returns why not */
  write(offset: number, from: Uint8Array, start: number, length: number): Refusal | undefined {
    if (length === 0) return undefined;
    const end = offset + length;
    const why = this.#reserve(end);
    if (why !== undefined) return why;
    this.#bytes.set(from.subarray(start, start + length), offset);
    this.#length = Math.max(this.#length, end);
    return undefined;
  }

  resize(length: number): Refusal | undefined {
    const why = this.#reserve(length);
    if (why !== undefined) return why;
    // What is cut off is not there when it grows again.
    if (length < this.#length) this.#bytes.fill(0, length, this.#length);
    this.#length = length;
    if (length === 0) this.#free();
    return undefined;
  }

  /** Its lease is over. */
  end(): void {
    this.#ended = true;
    this.#length = 0;
    this.#free();
  }

  #reserve(length: number): Refusal | undefined {
    if (length > BLOB_BYTES) return TOO_BIG;
    if (this.#holders > 0) return BUSY;
    const size = this.#bytes.length;
    if (length <= size) return undefined;
    const wanted = Math.min(Math.max(length, 2 * size, INITIAL), BLOB_BYTES);
    if (!this.#memory.take(wanted)) return BUSY;
    const bytes = new Uint8Array(wanted);
    bytes.set(this.content);
    this.#bytes = bytes;
    this.#memory.give(size);
    return undefined;
  }

  #free(): void {
    if (this.#holders > 0) return;
    this.#memory.give(this.#bytes.length);
    this.#bytes = NOTHING;
  }
}

export class Blob {
  readonly in: InputBlob;
  #out: Held | undefined;
  #ended = false;

  constructor(memory: Memory) {
    this.in = new InputBlob(memory);
  }

  /** The last result, `undefined` before there is one. */
  get out(): Held | undefined {
    return this.#out;
  }

  /** Keep a result, which the blob lets go. */
  put(result: Held): void {
    this.#out?.release();
    this.#out = result;
    if (this.#ended) this.end();
  }

  end(): void {
    this.#ended = true;
    this.in.end();
    this.#out?.release();
    this.#out = undefined;
  }
}

export class Blobs {
  readonly slots: readonly Blob[];
  /** Of the lease: for these, and for inputs and results of its jobs. */
  readonly memory: Memory;

  constructor(memory: Memory) {
    this.memory = memory;
    this.slots = Array.from({ length: SLOTS }, () => new Blob(memory));
  }

  end(): void {
    for (const blob of this.slots) blob.end();
  }
}
