/**
 * From a file's bytes to lines that may be shown: valid text without control characters, so that no file can move an operator's
 * cursor or end a line early. A line beyond the limit goes out in pieces, so memory is fixed and nothing is left out.
 */
import type { Bytes } from "../ports/index.ts";
import { findByte } from "../ninedoor/find-byte.ts";

/** Longest line in bytes that is shown in one piece: behind its length a frame of 8192 bytes, upstream's clients take no longer one. */
export const SHOWN_LINE_BYTES = 8188;
const NEWLINE = 0x0a;
/** Characters that end a line, move a terminal's cursor or turn the direction of what is shown. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;
const CONTROLS = new RegExp(CONTROL, "gu");

/** A text with nothing in it but what can be seen. */
export function shown(text: string): string {
  return CONTROL.test(text) ? text.replaceAll("\t", " ").replace(CONTROLS, "?") : text;
}

export class LineBuffer {
  readonly #bytes: Bytes;
  readonly #buffer: Uint8Array;
  #start = 0;
  #end = 0;
  /** No newline is in front of this. */
  #searched = 0;

  /** @param chunk most bytes that are added at once */
  constructor(bytes: Bytes, chunk: number) {
    this.#bytes = bytes;
    this.#buffer = new Uint8Array(SHOWN_LINE_BYTES + chunk);
  }

  /** Bytes that are no line yet, or were not taken. */
  get length(): number {
    return this.#end - this.#start;
  }

  clear(): void {
    this.#start = 0;
    this.#end = 0;
    this.#searched = 0;
  }

  /** Add bytes once {@link next} has given all that there was. */
  add(from: Uint8Array, start: number, length: number): void {
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#searched -= this.#start;
      this.#start = 0;
    }
    this.#bytes.copy(this.#buffer, this.#end, from, start, length);
    this.#end += length;
  }

  /** The next whole line, `undefined` if there is none. */
  next(): string | undefined {
    const newline = findByte(this.#buffer, NEWLINE, this.#searched, this.#end);
    if (newline >= 0 && newline - this.#start <= SHOWN_LINE_BYTES) return this.#take(newline, 1);
    this.#searched = newline >= 0 ? newline : this.#end;
    if (this.length <= SHOWN_LINE_BYTES) return undefined;
    let cut = this.#start + SHOWN_LINE_BYTES;
    // Not within a character, which has at most three bytes behind its first.
    for (let back = 0; back < 3 && (this.#buffer[cut]! & 0xc0) === 0x80; back++) cut--;
    return this.#take(cut, 0);
  }

  /** What is left without a newline, `undefined` if that is nothing. */
  rest(): string | undefined {
    return this.length === 0 ? undefined : this.#take(this.#end, 0);
  }

  #take(end: number, newline: number): string {
    const text = this.#bytes.decode(this.#buffer, this.#start, end - this.#start);
    this.#start = end + newline;
    if (this.#searched < this.#start) this.#searched = this.#start;
    return shown(text);
  }
}
