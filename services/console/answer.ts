/**
 * The answer to one line: one acknowledgement, then what it announces. Who would acknowledge twice is told by an exception, and
 * an answer that was begun is always brought to an end.
 */
import { err, ok, type Refusal } from "./grammar.ts";
import type { Output } from "./output.ts";
import { FAILED } from "./refusals.ts";

/** Where an answer goes. */
export interface Answer {
  ok(detail?: string): void;
  err(refusal: Refusal): void;
  line(text: string): void;
  /** The last line of a stream. */
  end(): void;
}

/** Acknowledgements so far. */
export interface AnswerCounters {
  ok: number;
  err: number;
}

export class AnswerWriter implements Answer {
  readonly #output: Output;
  readonly #counters: AnswerCounters;
  #word = "";
  #acknowledged = true;
  #stream = false;

  constructor(output: Output, counters: AnswerCounters) {
    this.#output = output;
    this.#counters = counters;
  }

  get acknowledged(): boolean {
    return this.#acknowledged;
  }

  /** The next line's answer. @throws Error if the last one has none. */
  begin(word: string, stream: boolean): void {
    if (!this.#acknowledged) throw new Error(`console: ${this.#word} has no answer`);
    this.#word = word;
    this.#stream = stream;
    this.#acknowledged = false;
  }

  ok(detail?: string): void {
    this.#counters.ok++;
    this.#acknowledge(ok(this.#word, detail));
  }

  err(refusal: Refusal): void {
    this.#counters.err++;
    this.#stream = false;
    this.#acknowledge(err(this.#word, refusal));
  }

  line(text: string): void {
    this.#output.say(text);
  }

  end(): void {
    this.#stream = false;
    this.#output.say("END");
  }

  /** Nobody goes on with it: answer if that was not done, end the stream that the OK promised. */
  fail(refusal: Refusal = FAILED): void {
    if (!this.#acknowledged) this.err(refusal);
    else if (this.#stream) this.end();
  }

  #acknowledge(text: string): void {
    if (this.#acknowledged) throw new Error(`console: ${this.#word} acknowledged twice`);
    this.#acknowledged = true;
    this.#output.say(text);
  }
}
