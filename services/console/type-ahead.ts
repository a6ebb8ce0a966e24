/**
 * What of the input that waits while a command is under way cannot wait: Ctrl-C or a `STOP` line anywhere, and a `PING` that is
 * next. It only looks; whoever takes the bytes takes them in their order.
 */
import type { ByteRing } from "./byte-ring.ts";

const ETX = 0x03;
const BS = 0x08;
const LF = 0x0a;
const CR = 0x0d;
const NAK = 0x15;
const BLANK = 0x20;
const DEL = 0x7f;
/** More than the words that it knows. */
const WORD = 8;

export class TypeAhead {
  /** Whether the next line is a `PING`. */
  ping = false;
  readonly #input: ByteRing;
  #looked = -1;
  readonly #word = new Uint8Array(WORD);

  constructor(input: ByteRing) {
    this.#input = input;
  }

  /** Whether there is input that was not looked at. */
  get fresh(): boolean {
    return this.#looked !== this.#input.total;
  }

  /** A command begins, or input was taken: look at all of it again. */
  reset(): void {
    this.#looked = -1;
    this.ping = false;
  }

  /** @returns whether somebody wants the lines that are coming to stop. */
  look(): boolean {
    this.#looked = this.#input.total;
    this.ping = false;
    let length = 0;
    let lines = 0;
    for (let i = 0; i < this.#input.length; i++) {
      const byte = this.#input.at(i);
      if (byte === ETX) return true;
      if (byte === CR || byte === LF) {
        if (this.#is("STOP", length)) return true;
        if (lines++ === 0) this.ping = this.#is("PING", length);
        length = 0;
      } else if (byte === BS || byte === DEL) {
        length = Math.max(0, length - 1);
      } else if (byte === NAK) {
        length = 0;
      } else if (byte !== BLANK || length > 0) {
        if (length < WORD) this.#word[length] = byte;
        length++;
      }
    }
    return false;
  }

  #is(word: string, length: number): boolean {
    if (length > WORD) return false;
    let end = length;
    while (end > 0 && this.#word[end - 1] === BLANK) end--;
    if (end !== word.length) return false;
    for (let i = 0; i < end; i++) if ((this.#word[i]! & 0xdf) !== word.charCodeAt(i)) return false;
    return true;
  }
}
