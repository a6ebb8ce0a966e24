/**
 * `/log/queen.log`: the hive's audit lines as `[   0.123456] subsystem: text`, and clients' lines behind `client` with the
 * session, role and subject that they came from. A line is always one line of valid UTF-8 without control characters, so
 * no text of a client can look like an audit line.
 */
import { LineLog } from "../log/line-log.ts";
import { INVALID, type Refusal } from "../secure9p/refusal.ts";
import type { Client, LineHandler } from "./place.ts";

/** What in a subject could be taken for the end of it. */
const NOT_IN_NAMES = /[^\w.-]/g;

/** Bytes that time, role, subject and session may add to a client's line. */
export const LOG_PREFIX_BYTES = 128;

export class QueenLog extends LineLog implements LineHandler {
  /** Who wrote the last client's line, and how the log calls it. */
  #client: Client | undefined;
  #from = "";
  /** The same with what stands before the text. */
  #head = "";

  take(from: Uint8Array, start: number, length: number, client: Client): Refusal | undefined {
    if (client !== this.#client) {
      const { role, subject } = client.who;
      const named = subject === "" ? "" : ` subject=${subject.replace(NOT_IN_NAMES, "_")}`;
      this.#client = client;
      this.#from = `client session=${client.session} role=${role}${named}`;
      this.#head = `${this.#from}: `;
    }
    if (this.plainLine(this.#head, from, start, length)) return undefined;
    const { bytes } = this;
    if (!bytes.validate(from, start, length)) return INVALID;
    this.line(this.#from, bytes.decode(from, start, length));
    return undefined;
  }
}
