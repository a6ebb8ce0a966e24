/**
 * `/log/queen.log`: the hive's audit lines as `[   0.123456] subsystem: text`, and clients' lines behind `client` with the
 * session, role and subject that they came from. A line is always one line of valid UTF-8 without control characters, so
 * no text of a client can look like an audit line.
 */
import { stamp } from "../log/boot-log.ts";
import type { Bytes, Clock, Log } from "../ports/index.ts";
import { INVALID, type Refusal } from "../secure9p/refusal.ts";
import { utf8Length } from "../secure9p/wire.ts";
import type { Client, LineHandler } from "./place.ts";
import type { Ring } from "./ring.ts";

const NEWLINE = 0x0a;
/** Ends a line that was cut at the limit. */
const CUT = "…";
const CUT_BYTES = 3;
/** Characters that end a line, move a terminal's cursor or turn the direction of what is shown. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;
/**
 * Nothing but printable ASCII: a tenth of the time that {@link CONTROL} takes to find nothing, and hardly a line is of
 * anything else.
 */
const PLAIN = /^[\x20-\x7e]*$/;
/** What in a subject could be taken for the end of it. */
const NOT_IN_NAMES = /[^\w.-]/g;

/** Bytes that time, role, subject and session may add to a client's line. */
export const LOG_PREFIX_BYTES = 128;

export class QueenLog implements Log, LineHandler {
  /** Lines cut at the limit. */
  cut = 0;
  readonly ring: Ring;
  readonly #clock: Clock;
  readonly #bytes: Bytes;
  readonly #line: Uint8Array;
  /** Who wrote the last client's line, and how the log calls it. */
  #client: Client | undefined;
  #from = "";

  constructor(bytes: Bytes, clock: Clock, ring: Ring) {
    this.#bytes = bytes;
    this.#clock = clock;
    this.ring = ring;
    this.#line = new Uint8Array(ring.recordBytes + 1);
  }

  line(subsystem: string, text: string): void {
    this.#write(subsystem, text, PLAIN.test(subsystem) && PLAIN.test(text));
  }

  take(bytes: Uint8Array, start: number, length: number, client: Client): Refusal | undefined {
    if (!this.#bytes.validate(bytes, start, length)) return INVALID;
    if (client !== this.#client) {
      const { role, subject } = client.who;
      const named = subject === "" ? "" : ` subject=${subject.replace(NOT_IN_NAMES, "_")}`;
      this.#client = client;
      this.#from = `client session=${client.session} role=${role}${named}`;
    }
    const text = this.#bytes.decode(bytes, start, length);
    // What stands before the text is plain already.
    this.#write(this.#from, text, PLAIN.test(text));
    return undefined;
  }

  #write(subsystem: string, text: string, plain: boolean): void {
    const line = `${stamp(this.#clock.nowUs())} ${subsystem}: ${text}`;
    const length =
      plain && line.length <= this.ring.recordBytes
        ? this.#bytes.encode(line, this.#line, 0)
        : this.#encode(plain ? line : line.replace(CONTROL, "?"));
    // So that the ring, which looks for newlines in the record, finds this one and looks no further.
    this.#line[length] = NEWLINE;
    this.ring.append(this.#line, 0, length);
  }

  /** Encode as much as fits, whole characters, with a mark if something was left out. */
  #encode(line: string): number {
    const limit = this.ring.recordBytes;
    if (utf8Length(line, limit) <= limit) return this.#bytes.encode(line, this.#line, 0);
    this.cut++;
    let length = 0;
    let units = 0;
    for (const character of line) {
      length += utf8Length(character, CUT_BYTES);
      if (length + CUT_BYTES > limit) break;
      units += character.length;
    }
    return this.#bytes.encode(line.slice(0, units) + CUT, this.#line, 0);
  }
}
