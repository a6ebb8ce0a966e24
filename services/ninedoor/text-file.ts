/**
 * A read-only file whose text is made when it is opened: all reads of one fid see the same, however the hive moves on.
 */
import type { Bytes } from "../ports/index.ts";
import { CLOSED, INVALID, NOT_FOUND, PERMISSION, TOO_BIG } from "../secure9p/refusal.ts";
import type { OpenFile, Request } from "../secure9p/tree.ts";
import type { Qid } from "../secure9p/wire.ts";
import { answerAttributes, MODE_READ_ONLY, wantsToWrite } from "./attributes.ts";
import type { NineDoorCounters } from "./counters.ts";
import type { Lifetime, Place } from "./place.ts";
import { touch } from "./qids.ts";

/** Most bytes that a UTF-16 unit takes in UTF-8. */
const UNIT_BYTES = 3;

/** Where texts are encoded, so that the engine says how long they are; it grows to what the longest could need. */
let scratch = new Uint8Array(1024);

export interface TextFileOptions {
  readonly qid: Qid;
  readonly bytes: Bytes;
  readonly counters: NineDoorCounters;
  readonly life: Lifetime;
  /** Most bytes of a text; a longer one is refused, not cut. */
  readonly limit: number;
  readonly text: () => string;
}

export class TextFile implements Place {
  readonly immediate = true;
  readonly qid: Qid;
  readonly #options: TextFileOptions;

  constructor(options: TextFileOptions) {
    this.qid = options.qid;
    this.#options = options;
  }

  walk(request: Request): void {
    request.refuse(NOT_FOUND);
  }

  open(request: Request): void {
    const { life, counters } = this.#options;
    if (life.ended) return request.refuse(NOT_FOUND);
    if (wantsToWrite(request.flags)) return request.refuse(PERMISSION);
    const length = this.#encode();
    if (length < 0) return request.refuse(TOO_BIG);
    const content = scratch.slice(0, length);
    // The text may be another one each time, and whoever caches by qid has to see that.
    touch(this.qid);
    request.opened(new OpenText(content, life, counters));
  }

  getattr(request: Request, file: OpenFile | undefined): void {
    if (file instanceof OpenText) return answerAttributes(request, MODE_READ_ONLY, file.length);
    if (this.#options.life.ended) return request.refuse(NOT_FOUND);
    const length = this.#encode();
    if (length < 0) request.refuse(TOO_BIG);
    else answerAttributes(request, MODE_READ_ONLY, length);
  }

  setattr(request: Request): void {
    request.refuse(PERMISSION);
  }

  /** Make the text, in {@link scratch}. @returns its length, -1 if it is too long. */
  #encode(): number {
    const { limit, counters, bytes, text: make } = this.#options;
    const text = make();
    if (text.length <= limit) {
      const room = text.length * UNIT_BYTES;
      if (scratch.length < room) scratch = new Uint8Array(room);
      const length = bytes.encode(text, scratch, 0);
      if (length <= limit) return length;
    }
    counters.textsTooLong++;
    return -1;
  }
}

class OpenText implements OpenFile {
  readonly #content: Uint8Array;
  readonly #life: Lifetime;
  readonly #counters: NineDoorCounters;

  constructor(content: Uint8Array, life: Lifetime, counters: NineDoorCounters) {
    this.#content = content;
    this.#life = life;
    this.#counters = counters;
  }

  get length(): number {
    return this.#content.length;
  }

  read(request: Request): void {
    const left = this.#content.length - request.offset;
    if (left > 0) {
      request.put(this.#content, request.offset, Math.min(left, request.count));
    } else if (this.#life.ended) {
      this.#counters.closed++;
      return request.refuse(CLOSED);
    }
    request.done();
  }

  write(request: Request): void {
    request.refuse(PERMISSION);
  }

  readdir(request: Request): void {
    request.refuse(INVALID);
  }

  close(): void {}
}
