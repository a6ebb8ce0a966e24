/**
 * The commands that ran out of time and whose answers may still come: they come before any later command's, and are recognised
 * so that they are not taken for those.
 */

import type { Acknowledgement } from "./acknowledgement.ts";
import type { Stream } from "./verbs.ts";

interface Late {
  readonly verb: string;
  readonly stream: Stream;
  acknowledged: boolean;
}

export class Owed {
  readonly #limit: number;
  #late: Late[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get full(): boolean {
    return this.#late.length >= this.#limit;
  }

  add(command: { readonly verb: string; readonly stream: Stream; readonly awaited: boolean }): void {
    const { verb, stream, awaited } = command;
    this.#late.push({ verb, stream, acknowledged: !awaited });
  }

  /** Nothing will come of them any more. */
  clear(): void {
    this.#late = [];
  }

  /** @param next whose answer is due after theirs @returns whether the line belonged to one of them */
  take(line: string, acknowledgement: Acknowledgement | undefined, next: string | undefined): boolean {
    const [late] = this.#late;
    if (late === undefined) return false;
    if (!late.acknowledged) {
      if (acknowledgement === undefined) return false;
      // Answers keep their order: another verb's means that the hive never saw the earlier commands.
      if (acknowledgement.verb !== late.verb && acknowledgement.verb === next) {
        this.#late = [];
        return false;
      }
      late.acknowledged = true;
      if (!acknowledgement.ok || late.stream === "none") this.#late.shift();
    } else if (late.stream === "pong" || line === "END") {
      this.#late.shift();
    }
    return true;
  }
}
