/**
 * What a console says, on its way to a transport: lines in order, none torn and none lost. What a full transport does not take
 * is held, and nothing more is produced until it is, so what is held is the end of one answer at most.
 */
import { utf8Length } from "../secure9p/wire.ts";
import { type LineBuffer, SHOWN_LINE_BYTES } from "./line-buffer.ts";

/** Where lines go. */
export interface ConsoleSink {
  /** Bytes of lines that it takes now; when all has left, at least {@link SINK_BYTES}. */
  readonly free: number;
  /** Take a line of that many bytes and {@link LINE_OVERHEAD}; it is called for no more than is free. */
  line(text: string): void;
  /** The same for a line that is printable ASCII, as its bytes. */
  plain(from: Uint8Array, start: number, size: number): void;
  /** The console has nothing more to say to this client: close once all has left. A serial line stays. */
  close(): void;
}

/** What a transport may add to a line: CR and LF, or a length. */
export const LINE_OVERHEAD = 4;
/** Room that a command waits for before it begins: the longest answer that is given in one piece. */
export const ANSWER_BYTES = 16384;
/** Room that streams leave, so that a `PING` is answered in the middle of one. */
export const PING_BYTES = 256;
/** What the answer to a `PING` takes. */
export const PONG_BYTES = 64;

/** Room that every transport has: for an answer, and for the longest line of a file with nothing in it that is UTF-8. */
export const SINK_BYTES = Math.max(ANSWER_BYTES, 3 * SHOWN_LINE_BYTES) + PING_BYTES + LINE_OVERHEAD;

export class Output {
  /** Bytes of lines that may still be produced in this turn. */
  budget = 0;
  /** Bytes of all lines so far. */
  said = 0;
  /** Lines that wait. Changed in here only. */
  held = 0;
  readonly #sink: ConsoleSink;
  #waiting: string[] = [];
  /** Bytes of the line that found no room. */
  #wanted = 0;
  #ended = false;

  constructor(sink: ConsoleSink) {
    this.#sink = sink;
  }

  get free(): number {
    return this.held > 0 ? 0 : this.#sink.free;
  }

  /** Whether lines wait for room, and there is some. */
  get ready(): boolean {
    return this.held > 0 && this.#fits(this.#waiting[0]!, 0);
  }

  /** Say a line now, or when there is room. */
  say(text: string): void {
    if (this.#ended) return;
    if (this.held === 0 && this.#fits(text, 0)) this.#out(text);
    else this.held = this.#waiting.push(text);
  }

  /** Say the next line of a stream, if there is room for it and in this turn. @returns whether it was said. */
  offer(text: string): boolean {
    if (this.#ended || this.held > 0 || this.budget <= 0) return false;
    if (!this.#fits(text, PING_BYTES)) {
      this.#wanted = utf8Length(text, Infinity);
      return false;
    }
    this.#wanted = 0;
    this.#out(text);
    return true;
  }

  /** The same for what a buffer has found, which for most lines takes no text. */
  offerLine(buffer: LineBuffer): boolean {
    if (!buffer.plain) return this.offer(buffer.text());
    if (this.#ended || this.held > 0 || this.budget <= 0) return false;
    const { size } = buffer;
    const bytes = size + LINE_OVERHEAD;
    if (this.#sink.free < bytes + PING_BYTES) {
      this.#wanted = size;
      return false;
    }
    this.#wanted = 0;
    this.budget -= bytes;
    this.said += bytes;
    this.#sink.plain(buffer.bytes, buffer.at, size);
    return true;
  }

  /** Whether there is room for the next line of a stream, as far as that is known. */
  get offers(): boolean {
    return this.held === 0 && this.#sink.free >= this.#wanted + PING_BYTES + LINE_OVERHEAD;
  }

  /** Say what is held. @returns whether nothing is left. */
  flush(): boolean {
    let said = 0;
    while (said < this.held && this.#fits(this.#waiting[said]!, 0)) this.#out(this.#waiting[said++]!);
    if (said > 0) this.#waiting = this.#waiting.slice(said);
    this.held = this.#waiting.length;
    return this.held === 0;
  }

  close(): void {
    this.#sink.close();
  }

  /** Nobody listens any more: what is still said goes nowhere. */
  end(): void {
    this.#waiting = [];
    this.held = 0;
    this.#ended = true;
  }

  #fits(text: string, reserve: number): boolean {
    const room = this.#sink.free - LINE_OVERHEAD - reserve;
    // A UTF-16 unit takes at most three bytes: only a text that may be too long has to be measured.
    return text.length * 3 <= room || (text.length <= room && utf8Length(text, room) <= room);
  }

  #out(text: string): void {
    const bytes = text.length + LINE_OVERHEAD;
    this.budget -= bytes;
    this.said += bytes;
    this.#sink.line(text);
  }
}
