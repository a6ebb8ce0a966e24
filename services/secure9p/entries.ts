/**
 * Reads the directory entries in an Rreaddir, for clients. Entries that do not fill the data exactly, or have names that
 * no directory can have, are refused, and reading ends there.
 */
import type { Bytes } from "../ports/index.ts";
import { checkName } from "./check.ts";
import { type Qid, Reader, Span } from "./wire.ts";

export class Entries {
  readonly qid: Qid = { type: 0, version: 0, path: 0 };
  /** Where to read on behind this entry. */
  offset = 0;
  type = 0;
  /** Checked like an element of a path; `.` and `..` may occur. */
  readonly name = new Span();
  readonly #port: Bytes;
  readonly #reader = new Reader();

  constructor(port: Bytes) {
    this.#port = port;
  }

  /** Whether the data was malformed; known when {@link next} has returned false. */
  get failed(): boolean {
    return this.#reader.failed;
  }

  begin(data: Span): void {
    this.#reader.begin(data.bytes, data.start, data.length);
  }

  /** Go to the next entry. @returns false at the end, and where the data is malformed. */
  next(): boolean {
    const r = this.#reader;
    if (r.failed || r.at === r.end) return false;
    r.qid(this.qid);
    this.offset = r.u64();
    this.type = r.u8();
    r.string(this.name);
    if (this.offset < 0 || checkName(this.name, this.#port) !== undefined) r.fail();
    return !r.failed;
  }
}
