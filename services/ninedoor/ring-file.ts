/**
 * A ring as a file, read-only or append-only. Offsets of a fid count from the oldest record kept when it was opened, and a
 * read at the end gives 0 bytes. A fid that was overtaken gets `Stale` once; from then on the offset that was refused
 * stands for the oldest record kept, so a reader that goes on loses what was overwritten and nothing else.
 */
import type { Bytes } from "../ports/index.ts";
import { O_ACCMODE, O_RDONLY } from "../secure9p/constants.ts";
import type { AttributeChange } from "../secure9p/message.ts";
import { CLOSED, INVALID, NOT_FOUND, PERMISSION, type Refusal, STALE } from "../secure9p/refusal.ts";
import type { OpenFile, Request } from "../secure9p/tree.ts";
import type { Qid } from "../secure9p/wire.ts";
import { answerAppendOnlySetattr, answerAttributes, MODE_APPEND, MODE_READ_ONLY, wantsToWrite } from "./attributes.ts";
import type { NineDoorCounters } from "./counters.ts";
import { findByte } from "./find-byte.ts";
import { LineWriter, type LineWriterOptions } from "./line-writer.ts";
import type { Client, Lifetime, LineHandler, Place } from "./place.ts";
import type { Ring } from "./ring.ts";

/** Where a fid stands in a ring. */
export class RingCursor {
  readonly #ring: Ring;
  readonly #life: Lifetime;
  readonly #counters: NineDoorCounters;
  /** Offset of the ring that is offset 0 of the fid. */
  #base: number;

  constructor(ring: Ring, life: Lifetime, counters: NineDoorCounters) {
    this.#ring = ring;
    this.#life = life;
    this.#counters = counters;
    this.#base = ring.start;
  }

  /** Bytes from the fid's offset 0 to the end. Getattr's `data_version`, the end since boot, less this is where offset 0 stands. */
  get size(): number {
    return this.#ring.end - this.#base;
  }

  /** Answer a read. @returns false, and nothing is answered, if there is nothing yet and may be later. */
  serve(request: Request): boolean {
    const at = this.#base + request.offset;
    if (at < this.#ring.start) {
      this.#base = this.#ring.start - request.offset;
      this.#counters.stale++;
      request.refuse(STALE);
    } else if (at < this.#ring.end) {
      this.#ring.send(request, at, request.count);
      request.done();
    } else if (this.#life.ended) {
      this.#counters.closed++;
      request.refuse(CLOSED);
    } else {
      return false;
    }
    return true;
  }
}

/** What clients append. */
export interface Appending {
  readonly handler: LineHandler;
  /** Longest line, newline not counted. */
  readonly lineBytes: number;
}

export interface RingFileOptions {
  readonly qid: Qid;
  readonly bytes: Bytes;
  readonly counters: NineDoorCounters;
  readonly life: Lifetime;
  readonly ring: Ring;
  /** What clients may append; nothing if the file is read-only. */
  readonly appending: Appending | undefined;
}

export class RingFile implements Place {
  readonly immediate = true;
  readonly #qid: Qid;
  readonly #options: RingFileOptions;
  readonly #writing: LineWriterOptions | undefined;

  constructor(options: RingFileOptions) {
    const { appending, bytes, counters } = options;
    this.#qid = options.qid;
    this.#options = options;
    // What was acknowledged is not lost, so a last line without newline is a record too.
    this.#writing = appending === undefined ? undefined : { bytes, counters, ...appending, lastLine: "take" };
  }

  /** Its version is the number of appends. */
  get qid(): Qid {
    this.#qid.version = this.#options.ring.appends >>> 0;
    return this.#qid;
  }

  walk(request: Request): void {
    request.refuse(NOT_FOUND);
  }

  open(request: Request, client: Client): void {
    const { life, ring, counters } = this.#options;
    const writing = this.#writing;
    if (life.ended) return request.refuse(NOT_FOUND);
    if (writing === undefined && wantsToWrite(request.flags)) return request.refuse(PERMISSION);
    const writes = writing !== undefined && (request.flags & O_ACCMODE) !== O_RDONLY;
    const writer = writes ? new LineWriter(writing, client) : undefined;
    request.opened(new OpenRing(new RingCursor(ring, life, counters), writer, life, counters));
  }

  getattr(request: Request, file: OpenFile | undefined): void {
    const { life, ring } = this.#options;
    const mode = this.#writing === undefined ? MODE_READ_ONLY : MODE_APPEND;
    if (file instanceof OpenRing) answerAttributes(request, mode, file.size, ring.end);
    else if (life.ended) request.refuse(NOT_FOUND);
    else answerAttributes(request, mode, ring.end - ring.start, ring.end);
  }

  setattr(request: Request, change: AttributeChange, file: OpenFile | undefined): void {
    if (this.#writing === undefined) request.refuse(PERMISSION);
    else answerAppendOnlySetattr(request, change, this.#options.life, file);
  }
}

class OpenRing implements OpenFile {
  readonly #cursor: RingCursor;
  readonly #writer: LineWriter | undefined;
  readonly #life: Lifetime;
  readonly #counters: NineDoorCounters;

  constructor(cursor: RingCursor, writer: LineWriter | undefined, life: Lifetime, counters: NineDoorCounters) {
    this.#cursor = cursor;
    this.#writer = writer;
    this.#life = life;
    this.#counters = counters;
  }

  get size(): number {
    return this.#cursor.size;
  }

  read(request: Request): void {
    if (!this.#cursor.serve(request)) request.done();
  }

  write(request: Request, bytes: Uint8Array, start: number, length: number): void {
    if (this.#writer === undefined) return request.refuse(PERMISSION);
    if (!this.#life.ended) return this.#writer.write(request, bytes, start, length);
    this.#counters.closed++;
    request.refuse(CLOSED);
  }

  readdir(request: Request): void {
    request.refuse(INVALID);
  }

  close(): void {
    this.#writer?.end();
  }
}

/** Appends clients' lines to a ring as they are, if they are text. */
export class RecordAppender implements LineHandler {
  readonly #bytes: Bytes;
  readonly #ring: Ring;

  constructor(bytes: Bytes, ring: Ring) {
    this.#bytes = bytes;
    this.#ring = ring;
  }

  take(bytes: Uint8Array, start: number, length: number): Refusal | undefined {
    // NUL ends a text in too many readers.
    if (findByte(bytes, 0, start, start + length) >= 0 || !this.#bytes.validate(bytes, start, length)) return INVALID;
    return this.#ring.append(bytes, start, length) ? undefined : INVALID;
  }
}
