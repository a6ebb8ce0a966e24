/**
 * A file that takes commands, one a line, and is empty for who reads it. A command is done when its write is answered, or
 * was refused; one that never got its newline is not done.
 */
import type { Bytes } from "../ports/index.ts";
import { Later } from "../pump/later.ts";
import type { AttributeChange } from "../secure9p/message.ts";
import { CLOSED, INVALID, NOT_FOUND } from "../secure9p/refusal.ts";
import type { OpenFile, Request } from "../secure9p/tree.ts";
import type { Qid } from "../secure9p/wire.ts";
import { answerAppendOnlySetattr, answerAttributes, MODE_APPEND } from "./attributes.ts";
import type { NineDoorCounters } from "./counters.ts";
import { LineWriter, type LineWriterOptions } from "./line-writer.ts";
import type { Client, Lifetime, LineHandler, Place, SlowLineHandler, Taken } from "./place.ts";
import { touch } from "./qids.ts";

export interface ControlFileOptions {
  readonly qid: Qid;
  readonly bytes: Bytes;
  readonly counters: NineDoorCounters;
  readonly life: Lifetime;
  readonly handler: LineHandler | SlowLineHandler;
  readonly lineBytes: number;
}

export class ControlFile implements Place {
  readonly immediate = true;
  readonly qid: Qid;
  readonly #life: Lifetime;
  readonly #writing: LineWriterOptions;

  constructor(options: ControlFileOptions) {
    const { qid, life, bytes, counters, handler, lineBytes } = options;
    this.qid = qid;
    this.#life = life;
    const count = (why: Taken): Taken => {
      if (why === undefined) touch(qid);
      return why;
    };
    const counted: SlowLineHandler = {
      take(from, start, length, client) {
        const why = handler.take(from, start, length, client);
        return why instanceof Later ? why.map(count) : count(why);
      },
    };
    this.#writing = { bytes, counters, handler: counted, lineBytes, lastLine: "forget", mostLines: 1 };
  }

  walk(request: Request): void {
    request.refuse(NOT_FOUND);
  }

  open(request: Request, client: Client): void {
    if (this.#life.ended) request.refuse(NOT_FOUND);
    else request.opened(new OpenControl(new LineWriter(this.#writing, client), this.#life, this.#writing.counters));
  }

  getattr(request: Request, file: OpenFile | undefined): void {
    if (this.#life.ended && file === undefined) request.refuse(NOT_FOUND);
    else answerAttributes(request, MODE_APPEND, 0);
  }

  setattr(request: Request, change: AttributeChange, file: OpenFile | undefined): void {
    answerAppendOnlySetattr(request, change, this.#life, file);
  }
}

class OpenControl implements OpenFile {
  readonly #writer: LineWriter;
  readonly #life: Lifetime;
  readonly #counters: NineDoorCounters;

  constructor(writer: LineWriter, life: Lifetime, counters: NineDoorCounters) {
    this.#writer = writer;
    this.#life = life;
    this.#counters = counters;
  }

  read(request: Request): void {
    if (this.#life.ended) this.#close(request);
    else request.done();
  }

  write(request: Request, bytes: Uint8Array, start: number, length: number): void {
    if (this.#life.ended) this.#close(request);
    else this.#writer.write(request, bytes, start, length);
  }

  readdir(request: Request): void {
    request.refuse(INVALID);
  }

  close(): void {
    this.#writer.end();
  }

  #close(request: Request): void {
    this.#counters.closed++;
    request.refuse(CLOSED);
  }
}
