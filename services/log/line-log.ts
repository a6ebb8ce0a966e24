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
/**
 * Nothing but printable ASCII: a tenth of the time that {@link CONTROL} takes to find nothing, and hardly a line is of
 * anything else.
 */
const PLAIN = /^[\x20-\x7e]*$/;

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
    this.#line = new Uint8Array(ring.recordBytes + 1);
  }

  line(subsystem: string, text: string): void {
    this.write(subsystem, text, PLAIN.test(subsystem) && PLAIN.test(text));
  }

  /** A line without time and subsystem: the banner. */
  print(text: string): void {
    this.#append(text, PLAIN.test(text));
  }

  /** @param plain whether subsystem and text are known to be printable ASCII */
  protected write(subsystem: string, text: string, plain: boolean): void {
    this.#append(`${stamp(this.#clock.nowUs())} ${subsystem}: ${text}`, plain);
  }

  #append(line: string, plain: boolean): void {
    const length =
      plain && line.length <= this.ring.recordBytes
        ? this.bytes.encode(line, this.#line, 0)
        : this.#encode(plain ? line : line.replace(CONTROL, "?"));
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

  /** Whether a text is printable ASCII and nothing else. */
  protected static isPlain(text: string): boolean {
    return PLAIN.test(text);
  }
}
