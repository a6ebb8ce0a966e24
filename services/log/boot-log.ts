/**
 * The boot and audit log: a bounded ring of lines `[   0.123456] subsystem: text`, each stamped when it was written.
 * When it is full the oldest lines go, and a reader that was overtaken is told how many bytes it lost. A line is always
 * one line of valid UTF-8: control characters in a text become `?`, so no text can forge another line.
 */
import type { Bytes, Clock, Log } from "../ports/index.ts";

const NEWLINE = 0x0a;
/** Ends a line that was cut at the limit. */
const CUT = "…";
/** Longest UTF-8 of a UTF-16 unit. */
const UNIT_BYTES = 3;
/** Characters that end a line or move a terminal's cursor. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/gu;

/** A log line's time: seconds with six decimals, right-aligned like the kernel's. */
export function stamp(us: number): string {
  const seconds = Math.floor(us / 1_000_000);
  const micros = Math.floor(us % 1_000_000);
  const blanks = seconds < 10 ? "   " : seconds < 100 ? "  " : seconds < 1000 ? " " : "";
  // The first digit of the sum keeps the others in their places.
  return `[${blanks}${seconds}.${String(1_000_000 + micros).slice(1)}]`;
}

export interface BootLogOptions {
  readonly clock: Clock;
  readonly bytes: Bytes;
  /** Bytes of the ring. */
  readonly ringBytes: number;
  /** Longest line in bytes, newline not counted. */
  readonly lineBytes: number;
}

/** The ring. Offsets are bytes since boot and never reused. */
export class BootLog implements Log {
  /** Lines written, lines cut at the limit, bytes that made room for newer ones. */
  lines = 0;
  cut = 0;
  overwritten = 0;
  readonly #clock: Clock;
  readonly #bytes: Bytes;
  readonly #ring: Uint8Array;
  readonly #line: Uint8Array;
  #start = 0;
  #end = 0;

  constructor(options: BootLogOptions) {
    this.#clock = options.clock;
    this.#bytes = options.bytes;
    this.#ring = new Uint8Array(options.ringBytes);
    this.#line = new Uint8Array(options.lineBytes + 1);
  }

  /** Offset of the oldest byte kept, and of the next to be written. */
  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  get capacity(): number {
    return this.#ring.length;
  }

  line(subsystem: string, text: string): void {
    this.print(`${stamp(this.#clock.nowUs())} ${subsystem}: ${text}`);
  }

  /** A line without time and subsystem: the banner. */
  print(text: string): void {
    const limit = this.#line.length - 1;
    const clean = text.replace(CONTROL, "?");
    let length: number;
    if (clean.length * UNIT_BYTES <= limit) {
      length = this.#bytes.encode(clean, this.#line, 0);
    } else {
      length = this.#encodeCut(clean, limit);
    }
    this.#line[length] = NEWLINE;
    this.#append(length + 1);
    this.lines++;
  }

  /**
   * Copy the line at `offset` without its newline into `into` (which must take a whole line).
   * @returns its length; add 1 for the newline to get the next line's offset.
   */
  read(offset: number, into: Uint8Array): number {
    const size = this.#ring.length;
    let length = 0;
    for (let at = offset; at < this.#end && this.#ring[at % size] !== NEWLINE; at++) length++;
    const from = offset % size;
    const first = Math.min(length, size - from);
    this.#bytes.copy(into, 0, this.#ring, from, first);
    if (first < length) this.#bytes.copy(into, first, this.#ring, 0, length - first);
    return length;
  }

  /** Encode as much as fits, whole characters, with a mark if something was left out. */
  #encodeCut(text: string, limit: number): number {
    let length = 0;
    let fits = 0;
    let units = 0;
    for (const character of text) {
      const point = character.codePointAt(0)!;
      length += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
      if (length > limit) break;
      units += character.length;
      if (length + UNIT_BYTES <= limit) fits = units;
    }
    if (units === text.length) return this.#bytes.encode(text, this.#line, 0);
    this.cut++;
    return this.#bytes.encode(text.slice(0, fits) + CUT, this.#line, 0);
  }

  #append(length: number): void {
    const size = this.#ring.length;
    while (this.#end + length - this.#start > size) this.#forgetLine();
    const at = this.#end % size;
    const first = Math.min(length, size - at);
    this.#bytes.copy(this.#ring, at, this.#line, 0, first);
    if (first < length) this.#bytes.copy(this.#ring, 0, this.#line, first, length - first);
    this.#end += length;
  }

  #forgetLine(): void {
    const size = this.#ring.length;
    let at = this.#start;
    while (this.#ring[at % size] !== NEWLINE) at++;
    at++;
    this.overwritten += at - this.#start;
    this.#start = at;
  }
}

/** Reads a log from where it stands, line by line. */
export class LogReader {
  /** Bytes that were overwritten before they could be read. */
  lost = 0;
  #offset: number;
  readonly #log: BootLog;

  constructor(log: BootLog) {
    this.#log = log;
    this.#offset = log.start;
  }

  get waiting(): boolean {
    return this.#offset < this.#log.end;
  }

  /** Bytes overwritten since the last call; the next line comes after the gap. */
  skipGap(): number {
    const gap = this.#log.start - this.#offset;
    if (gap <= 0) return 0;
    this.#offset = this.#log.start;
    this.lost += gap;
    return gap;
  }

  /** Copy the next line into `into`. @returns its length, -1 if there is none. */
  next(into: Uint8Array): number {
    if (!this.waiting) return -1;
    const length = this.#log.read(this.#offset, into);
    this.#offset += length + 1;
    return length;
  }
}
