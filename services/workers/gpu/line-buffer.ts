/**
 * From the bytes of reads to lines, in memory that is taken once. A line that is too long is left out whole, and a place in the
 * file is kept for each line.
 */
import type { Bytes } from "../../ports/index.ts";

/** Longest line, newline not counted. */
export const LINE_MAX = 4096;
const CAPACITY = 2 * LINE_MAX;
const NEWLINE = 0x0a;

export class LineBuffer {
  readonly bytes = new Uint8Array(CAPACITY);
  /** The line that {@link next} found, without its newline, and where in the file it begins. */
  start = 0;
  length = 0;
  offset = 0;
  readonly #port: Bytes;
  /** What is left begins and ends there, and begins there in the file. */
  #at = 0;
  #end = 0;
  #offset = 0;
  #skipping = false;

  constructor(port: Bytes) {
    this.#port = port;
  }

  /** Bytes that {@link put} takes; at least {@link LINE_MAX} when all lines have been looked at. */
  get room(): number {
    return CAPACITY - (this.#end - this.#at);
  }

  /** Begin at a place in the file where a line begins. */
  restart(offset: number): void {
    this.#at = 0;
    this.#end = 0;
    this.#offset = offset;
    this.#skipping = false;
  }

  put(from: Uint8Array, start: number, length: number): void {
    const left = this.#end - this.#at;
    if (this.#at > 0) this.#port.copy(this.bytes, 0, this.bytes, this.#at, left);
    this.#port.copy(this.bytes, left, from, start, length);
    this.#at = 0;
    this.#end = left + length;
  }

  /** Go to the next whole line. @returns whether there is one */
  next(): boolean {
    for (;;) {
      const newline = this.bytes.indexOf(NEWLINE, this.#at);
      if (newline < 0 || newline >= this.#end) break;
      this.start = this.#at;
      this.offset = this.#offset;
      this.length = newline - this.#at;
      this.#drop(this.length + 1);
      const whole = !this.#skipping;
      this.#skipping = false;
      if (whole && this.length <= LINE_MAX) return true;
    }
    if (this.#skipping || this.#end - this.#at > LINE_MAX) {
      this.#skipping = true;
      this.#drop(this.#end - this.#at);
    }
    return false;
  }

  #drop(count: number): void {
    this.#at += count;
    this.#offset += count;
  }
}
