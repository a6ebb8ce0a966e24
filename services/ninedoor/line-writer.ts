/**
 * From the writes of one fid to whole lines. Two lines in one write are two lines; one line in two writes is one. A write
 * with a line that is too long is refused whole; if the handler refuses a line, what came before it in the same write is
 * taken, so that the client, sending the rest again, is told about that line alone. After a refusal the fid begins a new line.
 * Of a line that takes a while the write is answered when it is done; a Tflush or the end of the fid undoes it.
 */
import type { Bytes } from "../ports/index.ts";
import { Later } from "../pump/later.ts";
import { TOO_BIG } from "../secure9p/refusal.ts";
import type { Request } from "../secure9p/tree.ts";
import type { NineDoorCounters } from "./counters.ts";
import { findByte } from "./find-byte.ts";
import type { Client, LineHandler, SlowLineHandler, Taken } from "./place.ts";

const NEWLINE = 0x0a;
const NOTHING = new Uint8Array(0);

/** What becomes of a line without newline when the file is closed. */
export type LastLine = "take" | "forget";

export interface LineWriterOptions {
  readonly bytes: Bytes;
  readonly counters: NineDoorCounters;
  /** One of whose lines some take a while needs {@link mostLines} 1. */
  readonly handler: LineHandler | SlowLineHandler;
  /** Longest line in bytes, newline not counted. */
  readonly lineBytes: number;
  readonly lastLine: LastLine;
  /** Most lines of one write, any number if absent: behind them it is a short write, and the client sends the rest again. */
  readonly mostLines?: number;
}

export class LineWriter {
  readonly #options: LineWriterOptions;
  readonly #client: Client;
  /** The line so far; room is taken with the first half line, for most clients send whole ones. */
  #half = NOTHING;
  #length = 0;

  constructor(options: LineWriterOptions, client: Client) {
    this.#options = options;
    this.#client = client;
  }

  /** Answer a write. */
  write(request: Request, from: Uint8Array, start: number, length: number): void {
    const { counters } = this.#options;
    const end = start + length;
    const first = findByte(from, NEWLINE, start, end);
    if (!this.#fits(from, start, first, end)) {
      counters.linesTooLong++;
      this.#forget();
      return request.refuse(TOO_BIG);
    }
    let left = this.#options.mostLines ?? Infinity;
    let at = start;
    for (let newline = first; newline >= 0; newline = at < end ? findByte(from, NEWLINE, at, end) : -1) {
      if (left-- === 0) return request.wrote(at - start);
      const why = this.#line(from, at, newline - at);
      if (why instanceof Later) return this.#await(request, why, newline + 1 - start);
      if (why !== undefined) {
        counters.linesRefused++;
        if (at === start) return request.refuse(why);
        return request.wrote(at - start);
      }
      at = newline + 1;
    }
    this.#keep(from, at, end - at);
    request.wrote(length);
  }

  /** The file is closed. */
  end(): void {
    const { counters, handler, lastLine } = this.#options;
    if (this.#length === 0 || lastLine === "forget") return this.#forget();
    const whole = this.#length;
    this.#length = 0;
    const why = handler.take(this.#half, 0, whole, this.#client);
    // Nobody is there to be told.
    if (why instanceof Later) why.cancel();
    if (why !== undefined) counters.linesRefused++;
  }

  /** @param first where the first newline is, -1 if there is none */
  #fits(from: Uint8Array, start: number, first: number, end: number): boolean {
    const { lineBytes } = this.#options;
    let at = start;
    let newline = first;
    let before = this.#length;
    for (;;) {
      const stop = newline < 0 ? end : newline;
      if (before + stop - at > lineBytes) return false;
      before = 0;
      at = stop + 1;
      if (at >= end) return true;
      newline = findByte(from, NEWLINE, at, end);
    }
  }

  /** A line's last bytes have come. */
  #line(from: Uint8Array, start: number, length: number): Taken | Later<Taken> {
    const { handler } = this.#options;
    if (this.#length === 0) return handler.take(from, start, length, this.#client);
    this.#keep(from, start, length);
    const whole = this.#length;
    this.#length = 0;
    return handler.take(this.#half, 0, whole, this.#client);
  }

  /** Answer when it is known what came of the line, which is the write's first and so many bytes of it. */
  #await(request: Request, later: Later<Taken>, length: number): void {
    const { counters } = this.#options;
    request.park({ cancelled: () => later.cancel() });
    later.hear((why) => {
      if (why === undefined) return request.wrote(length);
      counters.linesRefused++;
      request.refuse(why);
    });
  }

  /** Or the next line would be glued to a half that nobody can complete. */
  #forget(): void {
    if (this.#length > 0) this.#options.counters.halfLines++;
    this.#length = 0;
  }

  #keep(from: Uint8Array, start: number, length: number): void {
    if (length === 0) return;
    if (this.#half.length === 0) this.#half = new Uint8Array(this.#options.lineBytes);
    this.#options.bytes.copy(this.#half, this.#length, from, start, length);
    this.#length += length;
  }
}
