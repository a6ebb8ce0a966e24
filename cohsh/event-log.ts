/**
 * The file of `--log`: one line for each thing that happened to the connection, with its time, never with a credential.
 * It is appended to and belongs to its user alone (mode 0600); a disk that is full is said once and costs nothing else.
 */

import { closeSync, constants, fchmodSync, fstatSync, openSync, writeSync } from "node:fs";
import type { ConnectionEvent } from "./output.ts";

export class EventLog {
  readonly #fd: number;
  readonly #now: () => string;
  readonly #failed: (sentence: string) => void;
  readonly #file: string;
  #broken = false;

  /**
   * @param now ISO 8601 time
   * @param failed is told once, in one sentence, if a line could not be written
   * @throws Error with one sentence if the file cannot be opened
   */
  constructor(file: string, now: () => string, failed: (sentence: string) => void) {
    this.#file = file;
    this.#now = now;
    this.#failed = failed;
    try {
      // O_NONBLOCK, because a FIFO in its place must not hold the shell.
      const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
      this.#fd = openSync(file, flags, 0o600);
      if (fstatSync(this.#fd).isFile()) fchmodSync(this.#fd, 0o600);
    } catch (error) {
      throw new Error(`the log ${file} cannot be opened: ${reasonOf(error)}`, { cause: error });
    }
  }

  event(event: ConnectionEvent): void {
    const { event: name, ...fields } = event;
    const told = Object.entries(fields).map(([key, value]) => ` ${key}=${word(String(value))}`);
    if (this.#broken) return;
    try {
      writeSync(this.#fd, `${this.#now()} ${name}${told.join("")}\n`);
    } catch (error) {
      this.#broken = true;
      this.#failed(`the log ${this.#file} is no longer written: ${reasonOf(error)}`);
    }
  }

  close(): void {
    this.#broken = true;
    try {
      closeSync(this.#fd);
    } catch {
      // Nothing more is written to it anyway.
    }
  }
}

/** A value with blanks is quoted, so that fields can be told apart; one line stays one line. */
function word(text: string): string {
  return /^[^\s"\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
