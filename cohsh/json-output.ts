/**
 * For programs: one JSON object a line for everything that a run has to say, in the form of `schema/output.schema.json`.
 * Fields are added to it in time, none changes its meaning; commands are numbered so that answers can be told apart.
 */

import type { Acknowledgement } from "./acknowledgement.ts";
import type { ConnectionEvent, Output } from "./output.ts";

/** Why a script failed. */
export interface ScriptFailure {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly command: string;
  readonly reason: string;
}

export class JsonOutput implements Output {
  readonly #print: (line: string) => void;
  readonly #now: () => string;
  #command = 0;
  #verb = "";
  #lines = 0;

  /** @param now ISO 8601 time of an event */
  constructor(print: (line: string) => void, now: () => string) {
    this.#print = print;
    this.#now = now;
  }

  command(shown: string): void {
    this.#command++;
    this.#write({ type: "command", command: this.#command, text: shown });
  }

  acknowledgement(acknowledgement: Acknowledgement): void {
    this.#verb = acknowledgement.verb;
    this.#lines = 0;
    this.#write({ type: "ack", command: this.#command, ...acknowledgement });
  }

  line(text: string): void {
    this.#lines++;
    this.#write({ type: "line", command: this.#command, verb: this.#verb, text });
  }

  end(): void {
    this.#write({ type: "end", command: this.#command, verb: this.#verb, lines: this.#lines });
  }

  log(text: string): void {
    this.#write({ type: "log", text });
  }

  note(text: string): void {
    this.#write({ type: "note", text });
  }

  event(event: ConnectionEvent): void {
    this.#write({ type: "event", time: this.#now(), ...event });
  }

  failure(failure: ScriptFailure): void {
    this.#write({ type: "failure", ...failure });
  }

  #write(value: object): void {
    this.#print(JSON.stringify(value));
  }
}
