/** Why something that a hive asked for is not done: the errno that 9P carries, and the sentence that it cannot. */

import { printable } from "../services/config/printable.ts";
import { BUSY, INVALID, type Refusal } from "../services/secure9p/refusal.ts";

/** Longest sentence, in UTF-16 units; what is longer is cut, for it may repeat what a client wrote. */
const SENTENCE = 400;

export class Refused {
  readonly why: Refusal;
  /** Without a full stop, on one line. */
  readonly sentence: string;

  constructor(why: Refusal, sentence: string) {
    this.why = why;
    this.sentence = shortened(sentence);
  }
}

export function invalid(sentence: string): Refused {
  return new Refused(INVALID, sentence);
}

export function busy(sentence: string): Refused {
  return new Refused(BUSY, sentence);
}

/** A text of others as a line may show it. */
export function shortened(text: string, most = SENTENCE): string {
  const shown = printable(text);
  return shown.length <= most ? shown : printable(`${shown.slice(0, most - 1)}…`);
}
