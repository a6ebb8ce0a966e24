/** An output that also keeps the last answers whole, within bounds, for those who judge them, and tells connection events on. */

import type { Acknowledgement } from "../acknowledgement.ts";
import type { ConnectionEvent, Output } from "../output.ts";

/** Answers and lines of each that are kept. */
const ANSWERS = 3;
export const RECORDED_LINES = 20_000;

export interface Answered {
  readonly command: string;
  acknowledgement: Acknowledgement | undefined;
  /** The acknowledgement and the stream, as they came. */
  readonly lines: string[];
  /** Lines beyond the bound. */
  dropped: number;
  readonly notes: string[];
}

export class Recorder implements Output {
  readonly #inner: Output;
  readonly #limit: number;
  readonly #onEvent: ((event: ConnectionEvent) => void) | undefined;
  readonly #answers: Answered[] = [];

  /** @param limit lines of an answer that are kept */
  constructor(inner: Output, limit = RECORDED_LINES, onEvent?: (event: ConnectionEvent) => void) {
    this.#inner = inner;
    this.#limit = limit;
    this.#onEvent = onEvent;
  }

  /** The last answers, oldest first. */
  get answers(): readonly Answered[] {
    return this.#answers;
  }

  get last(): Answered | undefined {
    return this.#answers.at(-1);
  }

  command(shown: string): void {
    this.#answers.push({ command: shown, acknowledgement: undefined, lines: [], dropped: 0, notes: [] });
    if (this.#answers.length > ANSWERS) this.#answers.shift();
    this.#inner.command(shown);
  }

  acknowledgement(acknowledgement: Acknowledgement, line: string): void {
    const { last } = this;
    if (last !== undefined) last.acknowledgement = acknowledgement;
    this.#keep(line);
    this.#inner.acknowledgement(acknowledgement, line);
  }

  line(text: string): void {
    this.#keep(text);
    this.#inner.line(text);
  }

  end(): void {
    this.#inner.end();
  }

  log(text: string): void {
    this.#inner.log(text);
  }

  note(text: string): void {
    const { last } = this;
    if (last !== undefined && last.notes.length < this.#limit) last.notes.push(text);
    this.#inner.note(text);
  }

  event(event: ConnectionEvent): void {
    this.#onEvent?.(event);
    this.#inner.event(event);
  }

  #keep(text: string): void {
    const { last } = this;
    if (last === undefined) return;
    if (last.lines.length < this.#limit) last.lines.push(text);
    else last.dropped++;
  }
}
