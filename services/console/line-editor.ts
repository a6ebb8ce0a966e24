/**
 * Turns the bytes that somebody types into lines: one editor per console, the same rules on all of them.
 * Every byte has exactly one effect (kept, edited away, part of an ignored escape sequence, or reason to refuse the line),
 * so a line is answered once however its bytes were cut into reads; memory is fixed at construction.
 *
 * Keys: CR, LF and CR LF each end one line; backspace and DEL take back one character; Ctrl-U the line; Ctrl-C drops it
 * and says so. What is secret in a line is shown as three stars. Escape sequences (ECMA-48 §5.3 to §5.4: arrow keys, Alt with a key) change nothing.
 */

import type { Bytes } from "../ports/index.ts";
import { Hidden, Mask } from "./mask.ts";

/** What a byte led to. */
export const Edit = {
  /** Nothing to do. */
  NONE: 0,
  /** `line[0..length)` is a line to execute. */
  LINE: 1,
  /** A line ended that held a control character or invalid UTF-8. */
  INVALID: 2,
  /** A line ended that was longer than the limit. */
  TOO_LONG: 3,
  /** Ctrl-C: the line was dropped. */
  CANCELLED: 4,
} as const;
export type Edit = (typeof Edit)[keyof typeof Edit];

/** Where the echo goes; the console makes sure that there is room for {@link echoBytes} before each byte. */
export interface Echo {
  put(byte: number): boolean;
  append(from: Uint8Array, start: number, length: number): boolean;
}

/** Most echo that one byte causes on a line of `limit` bytes: the whole line anew, each byte shown as U+FFFD. */
export function echoBytes(limit: number, prompt: number): number {
  return 8 + prompt + 3 * limit;
}

const ETX = 0x03;
const BEL = 0x07;
const BS = 0x08;
const LF = 0x0a;
const CR = 0x0d;
const NAK = 0x15;
const ESC = 0x1b;
const DEL = 0x7f;
/** Stands in the line for what must not be in one; no byte of UTF-8 has this value. */
const BAD = 0xff;
const REPLACEMENT = Uint8Array.of(0xef, 0xbf, 0xbd);
const ERASE_LINE = Uint8Array.of(CR, ESC, 0x5b, 0x4b);
const RUBOUT = Uint8Array.of(BS, 0x20, BS);
/** What stands for all that is hidden. */
const STARS = Uint8Array.of(0x2a, 0x2a, 0x2a);
const NEWLINE = Uint8Array.of(CR, LF);
const CONTROL_C = Uint8Array.of(0x5e, 0x43, CR, LF);
/** Longest control sequence that is taken for one. */
const SEQUENCE_LIMIT = 32;

/** Fewest plain characters that are worth two calls into the engine. */
const PLAIN_RUN = 4;

/** States of an escape sequence: none, after ESC, in a control sequence (CSI), after SS3. */
const Sequence = { NONE: 0, ESCAPE: 1, CONTROL: 2, SHIFT: 3 } as const;

/** A line being typed. */
export class LineEditor {
  readonly line: Uint8Array;
  length = 0;
  /** Bytes of escape sequences that were ignored. */
  ignored = 0;
  readonly #bytes: Bytes;
  readonly #echo: Echo;
  readonly #prompt: Uint8Array;
  /** What {@link draw} shows. */
  readonly #row: Uint8Array;
  readonly #mask = new Mask();
  #bad = 0;
  #overflow = false;
  #afterCr = false;
  #sequence: number = Sequence.NONE;
  #sequenceLength = 0;
  /** Bytes of the unfinished character at the line's end, how many are to come, and what the next may be. */
  #partial = 0;
  #missing = 0;
  #low = 0x80;
  #high = 0xbf;

  constructor(bytes: Bytes, limit: number, echo: Echo, prompt: Uint8Array) {
    this.#bytes = bytes;
    this.line = new Uint8Array(limit);
    this.#echo = echo;
    this.#prompt = prompt;
    this.#row = new Uint8Array(3 * limit);
  }

  /** Whether an LF would be the second half of a line end. */
  get afterReturn(): boolean {
    return this.#afterCr;
  }

  /** Begin a new line. Call it once the last one was taken. */
  reset(): void {
    this.length = 0;
    this.#bad = 0;
    this.#overflow = false;
    this.#partial = 0;
    this.#missing = 0;
    this.#sequence = Sequence.NONE;
    this.#mask.reset();
  }

  /** Show prompt and line on a fresh row. */
  draw(): void {
    this.#echo.append(this.#prompt, 0, this.#prompt.length);
    const { from } = this.#mask;
    const end = from >= 0 ? from : this.length - this.#partial;
    const row = this.#row;
    let length = 0;
    for (let i = 0; i < end; i++) {
      const byte = this.line[i]!;
      if (byte === BAD) {
        row[length++] = REPLACEMENT[0]!;
        row[length++] = REPLACEMENT[1]!;
        row[length++] = REPLACEMENT[2]!;
      } else {
        row[length++] = byte;
      }
    }
    this.#echo.append(row, 0, length);
    if (from >= 0) this.#echo.append(STARS, 0, STARS.length);
  }

  /** Clear the row that shows prompt and line, for somebody else's output. */
  erase(): void {
    this.#echo.append(ERASE_LINE, 0, ERASE_LINE.length);
  }

  /**
   * Take a run of plain characters at once, where the next bytes are some: pasted text costs a copy, not a call a byte.
   * @returns how many bytes it took, 0 if the next one is for {@link push}.
   */
  pushPlain(from: Uint8Array, start: number, length: number): number {
    if (this.#sequence !== Sequence.NONE || this.#missing > 0) return 0;
    const end = start + Math.min(length, this.line.length - this.length);
    const mask = this.#mask;
    let before = this.length === 0 ? 0x20 : this.line[this.length - 1]!;
    let at = start;
    for (; at < end; at++) {
      const byte = from[at]!;
      if (byte < 0x20 || byte > 0x7e || !mask.isPlain(byte, before)) break;
      // A word is counted where it begins, or the next one would not be known for what it is.
      if (byte !== 0x20 && before === 0x20 && at > start) break;
      before = byte;
    }
    const run = at - start;
    // A short one is cheaper byte by byte.
    if (run < PLAIN_RUN || this.#overflow) return 0;
    this.#bytes.copy(this.line, this.length, from, start, run);
    mask.addedPlain(this.line, this.length);
    this.length += run;
    this.#afterCr = false;
    if (mask.from < 0) this.#echo.append(from, start, run);
    return run;
  }

  /** Take one byte. */
  push(byte: number): Edit {
    const afterCr = this.#afterCr;
    this.#afterCr = byte === CR;
    if (this.#sequence !== Sequence.NONE && this.#inSequence(byte)) return Edit.NONE;
    if (byte === LF && afterCr) return Edit.NONE;
    if (this.#missing > 0 && this.#continues(byte)) return Edit.NONE;

    if (byte === CR || byte === LF) return this.#end();
    if (byte === ESC) {
      this.#sequence = Sequence.ESCAPE;
      this.#sequenceLength = 0;
      this.ignored++;
    } else if (byte === ETX) {
      this.reset();
      this.#echo.append(CONTROL_C, 0, CONTROL_C.length);
      return Edit.CANCELLED;
    } else if (byte === NAK) {
      this.reset();
      this.erase();
      this.draw();
    } else if (byte === BS || byte === DEL) {
      this.#rubout();
    } else if (byte >= 0x20 && byte < 0x7f) {
      this.#keep(byte, 1);
    } else {
      this.#begin(byte);
    }
    return Edit.NONE;
  }

  #end(): Edit {
    this.#echo.append(NEWLINE, 0, NEWLINE.length);
    if (this.#overflow) return Edit.TOO_LONG;
    return this.#bad > 0 ? Edit.INVALID : Edit.LINE;
  }

  /** @returns whether the byte belongs to the escape sequence. */
  #inSequence(byte: number): boolean {
    const inside = byte >= 0x20 && byte < 0x7f;
    if (!inside) {
      this.#sequence = Sequence.NONE;
      return false;
    }
    this.ignored++;
    switch (this.#sequence) {
      case Sequence.ESCAPE:
        this.#sequence = byte === 0x5b ? Sequence.CONTROL : byte === 0x4f ? Sequence.SHIFT : Sequence.NONE;
        break;
      case Sequence.CONTROL:
        if (byte >= 0x40) {
          this.#sequence = Sequence.NONE;
        } else if (++this.#sequenceLength > SEQUENCE_LIMIT) {
          // No terminal sends that: refuse the line rather than swallow it.
          this.#sequence = Sequence.NONE;
          this.#keep(BAD, 1);
        }
        break;
      default:
        this.#sequence = Sequence.NONE;
    }
    return true;
  }

  /** First byte of a character outside ASCII, or one that must not be there (RFC 3629 §4). */
  #begin(byte: number): void {
    this.#low = 0x80;
    this.#high = 0xbf;
    if (byte >= 0xc2 && byte <= 0xdf) {
      this.#missing = 1;
      // U+0080 to U+009F are control characters too.
      if (byte === 0xc2) this.#low = 0xa0;
    } else if (byte >= 0xe0 && byte <= 0xef) {
      this.#missing = 2;
      if (byte === 0xe0) this.#low = 0xa0;
      if (byte === 0xed) this.#high = 0x9f;
    } else if (byte >= 0xf0 && byte <= 0xf4) {
      this.#missing = 3;
      if (byte === 0xf0) this.#low = 0x90;
      if (byte === 0xf4) this.#high = 0x8f;
    } else {
      this.#keep(BAD, 1);
      return;
    }
    this.#partial = 0;
    this.#store(byte);
  }

  /** @returns whether the byte continues the unfinished character. */
  #continues(byte: number): boolean {
    if (byte < this.#low || byte > this.#high) {
      this.length -= this.#partial;
      this.#partial = 0;
      this.#missing = 0;
      this.#keep(BAD, 1);
      return false;
    }
    this.#low = 0x80;
    this.#high = 0xbf;
    this.#missing--;
    this.#store(byte);
    if (this.#missing === 0) {
      const length = this.#partial;
      this.#partial = 0;
      if (!this.#overflow) this.#added(this.length - length, length);
    }
    return true;
  }

  #store(byte: number): void {
    if (this.#full(1)) return;
    this.line[this.length++] = byte;
    this.#partial++;
  }

  /** Keep a whole one-byte character, or the mark of a bad one. */
  #keep(byte: number, length: number): void {
    if (this.#full(length)) return;
    this.line[this.length++] = byte;
    if (byte === BAD) this.#bad++;
    this.#added(this.length - 1, 1);
  }

  /** A character is whole: echo what that changes of what is shown. */
  #added(start: number, length: number): void {
    const hidden = this.#mask.added(this.line, start);
    if (hidden === Hidden.BEGINS) {
      this.#echo.append(STARS, 0, STARS.length);
    } else if (hidden === Hidden.BEFORE) {
      this.erase();
      this.draw();
    } else if (this.#mask.from < 0) {
      this.#show(start, length);
    }
  }

  #full(length: number): boolean {
    if (!this.#overflow && this.length + length > this.line.length) {
      this.#overflow = true;
      this.#partial = 0;
      this.#echo.put(BEL);
    }
    return this.#overflow;
  }

  #show(start: number, length: number): void {
    if (this.line[start] === BAD) this.#echo.append(REPLACEMENT, 0, REPLACEMENT.length);
    else if (length === 1) this.#echo.put(this.line[start]!);
    else this.#echo.append(this.line, start, length);
  }

  #rubout(): void {
    if (this.#overflow || this.length === 0) return;
    let at = this.length - 1;
    while (at > 0 && (this.line[at]! & 0xc0) === 0x80) at--;
    const last = this.line[at]!;
    this.length = at;
    if (last === BAD) this.#bad--;
    if (this.#mask.removed(this.line, at)) {
      // The stars stand for all that is hidden, so they go with the last of it.
      if (this.#mask.from < 0) for (let i = 0; i < STARS.length; i++) this.#echo.append(RUBOUT, 0, RUBOUT.length);
      return;
    }
    if (last < 0x80) {
      this.#echo.append(RUBOUT, 0, RUBOUT.length);
      return;
    }
    // How many columns it took is the terminal's secret.
    this.erase();
    this.draw();
  }
}
