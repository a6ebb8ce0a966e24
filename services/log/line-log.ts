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
/** Longest UTF-8 of a UTF-16 unit. */
const UNIT_BYTES = 3;
/** Characters that end a line, move a terminal's cursor or turn the direction of what is shown. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;

/** A log line's time: seconds with six decimals, right-aligned like the kernel's. */
export function stamp(us: number): string {
  const seconds = Math.floor(us / 1_000_000);
  const micros = Math.floor(us % 1_000_000);
  return `[${String(seconds).padStart(4)}.${String(micros).padStart(6, "0")}]`;
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
    this.#line = new Uint8Array(ring.recordBytes);
  }

  line(subsystem: string, text: string): void {
    this.print(`${stamp(this.#clock.nowUs())} ${subsystem}: ${text}`);
  }

  /** A line without time and subsystem: the banner. */
  print(text: string): void {
    this.ring.append(this.#line, 0, this.#encode(text.replace(CONTROL, "?")));
  }

  /** Encode as much as fits, whole characters, with a mark if something was left out. */
  #encode(line: string): number {
    const limit = this.#line.length;
    const fits = line.length * UNIT_BYTES <= limit || utf8Length(line, limit) <= limit;
    if (fits) return this.bytes.encode(line, this.#line, 0);
    this.cut++;
    let length = 0;
    let units = 0;
    for (const character of line) {
      length += utf8Length(character, UNIT_BYTES + 1);
      if (length + CUT_BYTES > limit) break;
      units += character.length;
    }
    return this.bytes.encode(line.slice(0, units) + CUT, this.#line, 0);
  }
}
