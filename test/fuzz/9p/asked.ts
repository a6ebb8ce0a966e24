/**
 * What a client of the fuzzer has asked with each tag, and what may still be answered. Of several requests with one tag nobody can
 * tell which an Rlerror is for, so it counts: replies of a kind are no more than requests of it, and replies in all no more
 * than requests.
 */
import { NOTAG, RLERROR } from "../../../services/secure9p/constants.ts";
import type { Random } from "../random.ts";

/** Tags that are used at random. */
export const TAGS = 20;
/** The tag of the last clunks. */
export const LAST_TAG = NOTAG - 1;

export class Asked {
  readonly #types: number[][] = Array.from({ length: TAGS + 2 }, () => []);
  readonly #errors = new Int32Array(TAGS + 2);
  readonly #last = new Int32Array(TAGS + 2);

  #at(tag: number): number {
    if (tag === NOTAG) return TAGS;
    if (tag === LAST_TAG) return TAGS + 1;
    if (tag >= TAGS) throw new Error(`a reply with tag ${tag}`);
    return tag;
  }

  /** Requests that may still be answered. */
  open(tag: number): number {
    return this.#types[this.#at(tag)]!.length - this.#errors[this.#at(tag)]!;
  }

  /** Mostly a tag that waits. */
  some(random: Random): number {
    const tag = random.int(TAGS);
    for (let i = 0; i < TAGS; i++) if (this.open((tag + i) % TAGS) > 0) return (tag + i) % TAGS;
    return tag;
  }

  lastType(tag: number): number {
    return this.#last[this.#at(tag)]!;
  }

  add(tag: number, type: number): void {
    this.#types[this.#at(tag)]!.push(type);
    this.#last[this.#at(tag)] = type;
  }

  answer(tag: number, type: number): void {
    const at = this.#at(tag);
    const types = this.#types[at]!;
    if (type === RLERROR) this.#errors[at]!++;
    else {
      const which = types.indexOf(type - 1);
      if (which < 0) throw new Error(`a reply ${type} with tag ${tag}, where ${types.join(", ")} wait`);
      types.splice(which, 1);
    }
    const open = this.open(tag);
    if (open < 0) throw new Error(`a reply ${type} with tag ${tag}, which nobody waits with`);
    if (open === 0) this.over(tag);
  }

  /** Nothing may come any more to what was asked with this tag. */
  over(tag: number): void {
    this.#types[this.#at(tag)]!.length = 0;
    this.#errors[this.#at(tag)] = 0;
  }

  clear(): void {
    for (let tag = 0; tag < TAGS; tag++) this.over(tag);
    this.over(NOTAG);
  }
}
