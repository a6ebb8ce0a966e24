/**
 * A read-only file whose text is made when it is opened: all reads of one fid see the same, however the hive moves on.
 * A text that comes again is not encoded again.
 */
import type { Bytes } from "../ports/index.ts";
import { BUSY, CLOSED, INVALID, NOT_FOUND, PERMISSION, TOO_BIG } from "../secure9p/refusal.ts";
import type { OpenFile, Request } from "../secure9p/tree.ts";
import type { Qid } from "../secure9p/wire.ts";
import { answerAttributes, MODE_READ_ONLY, wantsToWrite } from "./attributes.ts";
import type { NineDoorCounters } from "./counters.ts";
import type { Client, HeldTexts, Lifetime, Place } from "./place.ts";
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
  /** Most bytes of texts that one session may have open. */
  readonly openLimit: number;
  readonly text: () => string;
}

export class TextFile implements Place {
  readonly immediate = true;
  readonly qid: Qid;
  readonly #options: TextFileOptions;
  /** What was made last, and its bytes, which nobody writes to. */
  #text = "";
  #content = new Uint8Array(0);

  constructor(options: TextFileOptions) {
    this.qid = options.qid;
    this.#options = options;
  }

  walk(request: Request): void {
    request.refuse(NOT_FOUND);
  }

  open(request: Request, { texts }: Client): void {
    const { life, counters, openLimit } = this.#options;
    if (life.ended) return request.refuse(NOT_FOUND);
    if (wantsToWrite(request.flags)) return request.refuse(PERMISSION);
    const content = this.#make();
    if (content === undefined) return request.refuse(TOO_BIG);
    if (texts.used + content.length > openLimit) {
      texts.full++;
      return request.refuse(BUSY);
    }
    texts.used += content.length;
    if (texts.used > texts.peak) texts.peak = texts.used;
    request.opened(new OpenText(content, life, counters, texts));
  }

  getattr(request: Request, file: OpenFile | undefined): void {
    if (file instanceof OpenText) return answerAttributes(request, MODE_READ_ONLY, file.length);
    if (this.#options.life.ended) return request.refuse(NOT_FOUND);
    const content = this.#make();
    if (content === undefined) request.refuse(TOO_BIG);
    else answerAttributes(request, MODE_READ_ONLY, content.length);
  }

  setattr(request: Request): void {
    request.refuse(PERMISSION);
  }

  /** @returns the text as it is now; undefined if it is too long */
  #make(): Uint8Array | undefined {
    const text = this.#options.text();
    if (text === this.#text) return this.#content;
    const { limit, counters, bytes } = this.#options;
    if (text.length <= limit) {
      const room = text.length * UNIT_BYTES;
      if (scratch.length < room) scratch = new Uint8Array(room);
      const length = bytes.encode(text, scratch, 0);
      if (length <= limit) {
        this.#text = text;
        this.#content = scratch.slice(0, length);
        // Whoever caches by qid has to see that it is another text.
        touch(this.qid);
        return this.#content;
      }
    }
    counters.textsTooLong++;
    return undefined;
  }
}

class OpenText implements OpenFile {
  readonly #content: Uint8Array;
  readonly #life: Lifetime;
  readonly #counters: NineDoorCounters;
  readonly #texts: HeldTexts;

  constructor(content: Uint8Array, life: Lifetime, counters: NineDoorCounters, texts: HeldTexts) {
    this.#content = content;
    this.#life = life;
    this.#counters = counters;
    this.#texts = texts;
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

  close(): void {
    this.#texts.used -= this.#content.length;
  }
}
