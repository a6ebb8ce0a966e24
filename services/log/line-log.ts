/**
 * Lines of text in a bounded ring, `[   0.123456] subsystem: text`, each stamped when it was written. A line is always one
 * line of valid UTF-8 no longer than the ring's records: control characters become `?`, so no text can forge another line,
 * and what is too long is cut with a mark and counted.
 */
import type { Ring } from "../ninedoor/ring.ts";
import type { Bytes, Clock, Log } from "../ports/index.ts";
import { utf8Length } from "../secure9p/wire.ts";

/** Ends a line that was cut at the limit. */
const CUT = "…";
const CUT_BYTES = 3;
/** Longest UTF-8 of a character. */
const CHARACTER_BYTES = 4;
const NEWLINE = 0x0a;
/** Characters that end a line, move a terminal's cursor or turn the direction of what is shown. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;
/** Most bytes that a UTF-16 unit takes in UTF-8. */
const UNIT_BYTES = 3;

/** A log line's time: seconds with six decimals, right-aligned like the kernel's. */
export function stamp(us: number): string {
  const seconds = Math.floor(us / 1_000_000);
  const micros = Math.floor(us % 1_000_000);
  const blanks = seconds < 10 ? "   " : seconds < 100 ? "  " : seconds < 1000 ? " " : "";
  // The first digit of the sum keeps the others in their places.
  return `[${blanks}${seconds}.${String(1_000_000 + micros).slice(1)}]`;
}

export class LineLog implements Log {
  /** Lines cut at the limit. */
  cut = 0;
  readonly ring: Ring;
  protected readonly bytes: Bytes;
  readonly #clock: Clock;
  readonly #line: Uint8Array;

  constructor(bytes: Bytes, clock: Clock, ring: Ring) {
    this.bytes = bytes;
    this.#clock = clock;
    this.ring = ring;
    this.#line = new Uint8Array(UNIT_BYTES * ring.recordBytes + 1);
  }

  line(subsystem: string, text: string): void {
    this.print(`${stamp(this.#clock.nowUs())} ${subsystem}: ${text}`);
  }

  /** A line without time and subsystem: the banner. */
  print(line: string): void {
    const { bytes, ring } = this;
    if (line.length <= ring.recordBytes) {
      // Hardly a line is of anything but printable ASCII, and the engine sees that in its bytes soonest.
      const length = bytes.encode(line, this.#line, 0);
      if (length === line.length && bytes.plain(this.#line, 0, length) === length) return this.#append(length);
    }
    this.#append(this.#encode(line.replace(CONTROL, "?")));
  }

  /** A line of printable ASCII behind a head that is nothing else, by its bytes. @returns false if it is none or too long */
  protected plainLine(head: string, from: Uint8Array, start: number, length: number): boolean {
    const { bytes, ring } = this;
    if (bytes.plain(from, start, length) !== length) return false;
    const text = `${stamp(this.#clock.nowUs())} ${head}`;
    if (text.length + length > ring.recordBytes) return false;
    const at = bytes.encode(text, this.#line, 0);
    bytes.copy(this.#line, at, from, start, length);
    this.#append(at + length);
    return true;
  }

  #append(length: number): void {
    // So that the ring, which looks for newlines in the record, finds this one and looks no further.
    this.#line[length] = NEWLINE;
    this.ring.append(this.#line, 0, length);
  }

  /** Encode as much as fits, whole characters, with a mark if something was left out. */
  #encode(line: string): number {
    const limit = this.ring.recordBytes;
    if (utf8Length(line, limit) <= limit) return this.bytes.encode(line, this.#line, 0);
    this.cut++;
    let length = 0;
    let units = 0;
    for (const character of line) {
      length += utf8Length(character, CHARACTER_BYTES);
      if (length + CUT_BYTES > limit) break;
      units += character.length;
    }
    return this.bytes.encode(line.slice(0, units) + CUT, this.#line, 0);
  }
}
