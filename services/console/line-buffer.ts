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

/** What was found is the line until it is taken: asked again, it is given again. */
export class LineBuffer {
  /** The line: `size` bytes from `at` on. */
  readonly bytes: Uint8Array;
  at = 0;
  size = 0;
  /** Whether it is printable ASCII, which may be shown as it is. */
  plain = false;
  readonly #port: Bytes;
  /** Where the line's successor begins; -1 if none was found. */
  #after = -1;
  #end = 0;
  /** No newline is in front of this. */
  #searched = 0;

  /** @param chunk most bytes that are added at once */
  constructor(port: Bytes, chunk: number) {
    this.#port = port;
    this.bytes = new Uint8Array(SHOWN_LINE_BYTES + chunk);
  }

  /** Bytes that were not taken. */
  get length(): number {
    return this.#end - this.at;
  }

  clear(): void {
    this.at = 0;
    this.#after = -1;
    this.#end = 0;
    this.#searched = 0;
  }

  /** Add bytes once {@link next} has given all that there was. */
  add(from: Uint8Array, start: number, length: number): void {
    if (this.at > 0) {
      this.bytes.copyWithin(0, this.at, this.#end);
      this.#end -= this.at;
      this.#searched -= this.at;
      this.at = 0;
    }
    this.#port.copy(this.bytes, this.#end, from, start, length);
    this.#end += length;
  }

  /** Find the next whole line. @returns whether there is one */
  next(): boolean {
    if (this.#after >= 0) return true;
    const { bytes, at } = this;
    const end = this.#end;
    if (this.#searched === at && at < end) {
      // Most lines are printable ASCII, and then one search finds where they end and that they are.
      const run = this.#port.plain(bytes, at, end - at);
      if (run <= SHOWN_LINE_BYTES && bytes[at + run] === NEWLINE && at + run < end) return this.#found(run, true, 1);
    }
    const newline = findByte(bytes, NEWLINE, this.#searched, end);
    if (newline >= 0 && newline - at <= SHOWN_LINE_BYTES) return this.#found(newline - at, false, 1);
    this.#searched = newline >= 0 ? newline : end;
    if (this.length <= SHOWN_LINE_BYTES) return false;
    let cut = at + SHOWN_LINE_BYTES;
    // Not within a character, which has at most three bytes behind its first.
    for (let back = 0; back < 3 && (bytes[cut]! & 0xc0) === 0x80; back++) cut--;
    return this.#found(cut - at, false, 0);
  }

  /** Make a line of what is left without a newline. @returns whether there is something */
  rest(): boolean {
    return this.length > 0 && this.#found(this.length, false, 0);
  }

  /** The line as text that may be shown. */
  text(): string {
    return shown(this.#port.decode(this.bytes, this.at, this.size));
  }

  /** Go on behind the line. */
  take(): void {
    this.at = this.#after;
    this.#after = -1;
    if (this.#searched < this.at) this.#searched = this.at;
  }

  #found(size: number, plain: boolean, newline: number): boolean {
    this.size = size;
    this.plain = plain;
    this.#after = this.at + size + newline;
    return true;
  }
}
