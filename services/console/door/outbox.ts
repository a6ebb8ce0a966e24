/**
 * Lines on their way to one client, each behind its `length[4]`: whole frames in order, at most so many bytes of them. A few more
 * are kept back, so that a client that takes nothing can still be told why it is dropped.
 */
import type { Bytes } from "../../ports/index.ts";
import { Outbox } from "../../secure9p/outbox.ts";
import { putU32 } from "../../secure9p/wire.ts";
import type { Connection } from "./connection.ts";
import type { ConsoleSink } from "../output.ts";
import { LENGTH_BYTES } from "./framing.ts";
import type { Link } from "./line-session.ts";

/** What the last word of a connection may take. */
export const LAST_WORD_BYTES = 256;

/** Memory that all connections of a door share: a line is encoded here before it is queued. */
export class LineScratch {
  readonly bytes: Bytes;
  #buffer = new Uint8Array(4096);

  constructor(bytes: Bytes) {
    this.bytes = bytes;
  }

  /** Encode a frame. @returns its bytes, in {@link memory} */
  frame(text: string): number {
    const most = LENGTH_BYTES + 3 * text.length;
    if (most > this.#buffer.length) this.#buffer = new Uint8Array(most);
    const size = LENGTH_BYTES + this.bytes.encode(text, this.#buffer, LENGTH_BYTES);
    putU32(this.#buffer, 0, size);
    return size;
  }

  get memory(): Uint8Array {
    return this.#buffer;
  }
}

export class LineOutbox implements ConsoleSink {
  /** Bytes that the transport took. */
  sent = 0;
  /** Bytes that may be queued, below 0 after a {@link lastWord}. Changed in here only. */
  free: number;
  readonly #limit: number;
  readonly #scratch: LineScratch;
  readonly #bytes: Bytes;
  readonly #link: Link;
  readonly #out: Outbox;

  constructor(scratch: LineScratch, limit: number, link: Link) {
    this.#limit = limit;
    this.#link = link;
    this.free = limit;
    this.#scratch = scratch;
    this.#bytes = scratch.bytes;
    this.#out = new Outbox(scratch.bytes, limit + LAST_WORD_BYTES);
  }

  /** Bytes that wait, and most that ever did. */
  get length(): number {
    return this.#out.length;
  }

  get highWater(): number {
    return this.#out.highWater;
  }

  /** Queue a line that fits. @throws RangeError if it does not */
  line(text: string): void {
    const out = this.#out;
    // A UTF-16 unit takes at most three bytes: with so much room the text is encoded where it leaves from.
    const most = LENGTH_BYTES + 3 * text.length;
    const at = most <= this.free ? out.room(most) : -1;
    if (at < 0) {
      if (!this.#put(text, this.#limit)) throw new RangeError(`LineOutbox: no room for a line of ${text.length}`);
      return;
    }
    const size = LENGTH_BYTES + this.#bytes.encode(text, out.bytes, at + LENGTH_BYTES);
    putU32(out.bytes, at, size);
    out.add(size);
    this.free -= size;
  }

  /** The same for a line of printable ASCII, by its bytes. */
  plain(from: Uint8Array, start: number, length: number): void {
    const size = LENGTH_BYTES + length;
    if (size <= this.free && this.#out.frame(from, start, length)) this.free -= size;
    else this.line(this.#bytes.decode(from, start, length));
  }

  /** The session has nothing more to say. */
  close(): void {
    this.#link.carrier?.hangUp();
  }

  /** Queue the last word, if there is room even for that. */
  lastWord(text: string): boolean {
    return this.#put(text, this.#limit + LAST_WORD_BYTES);
  }

  /** Hand over what the transport takes. @returns bytes */
  drain(to: Connection): number {
    const out = this.#out;
    let done = 0;
    while (out.length > 0) {
      const { run } = out;
      const taken = to.write(out.bytes, out.start, run);
      out.drop(taken);
      done += taken;
      if (taken < run) break;
    }
    this.sent += done;
    this.free += done;
    return done;
  }

  #put(text: string, limit: number): boolean {
    const size = this.#scratch.frame(text);
    const out = this.#out;
    if (out.length + size > limit || !out.put(this.#scratch.memory, 0, size)) return false;
    out.close();
    this.free -= size;
    return true;
  }
}
