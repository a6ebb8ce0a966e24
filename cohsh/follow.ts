/**
 * Where a `tail -f` stands in its file, in bytes since boot, so that it can go on there over another connection: nothing is shown
 * twice and nothing left out, and where that cannot be, a line says how much is missing or that nobody knows.
 */

import { SHOWN_LINE_BYTES } from "../services/console/line-buffer.ts";
import type { Acknowledgement } from "./acknowledgement.ts";

const COMMAND = /^tail +-f +(\S+)(?: +(\d{1,15}))?$/i;
const OFFSET = / offset=(\d{1,15})$/;
/** What a hive says in place of bytes that its ring has overwritten. */
const LOST = /^… lost (\d{1,15}) bytes$/;
/** A piece of a longer line ends where a character does, so it may be so much shorter. */
const PIECE_BYTES = SHOWN_LINE_BYTES - 3;

/** What is to be shown, and what the shell has to say before it. */
export interface Shown {
  readonly text?: string;
  readonly note?: string;
}

interface Known {
  readonly text: string;
  /** What it takes in the file, its end included. */
  readonly bytes: number;
}

const NOTHING: Shown = {};

export class Follow {
  readonly #path: string;
  /** Whether the user asked for an offset, and is told it. */
  readonly #asked: boolean;
  /** Of the next byte. */
  #at: number;
  /** The last line that was shown, if it ends at `#at`. */
  #last: Known | undefined;
  /** Whether the user has seen its acknowledgement, and anything of the file. */
  #told = false;
  #begun = false;
  /** What the next line has to be, for it was shown before the connection was lost. */
  #expected: Known | undefined;
  /** Where the file goes on once the next line has said what is lost, and how many bytes of that were shown. */
  #jump: { readonly at: number; readonly shown: number } | undefined;

  private constructor(path: string, offset: number | undefined) {
    this.#path = path;
    this.#asked = offset !== undefined;
    this.#at = offset ?? 0;
  }

  /** @returns `undefined` if the command follows nothing that could be gone on with */
  static of(command: string): Follow | undefined {
    const [, path, offset] = COMMAND.exec(command) ?? [];
    return path === undefined ? undefined : new Follow(path, offset === undefined ? undefined : Number(offset));
  }

  /** The line that asks for it from where it stands. It begins with the last line again, to see that it is the same file. */
  get command(): string {
    return `tail -f ${this.#path} ${this.#from}`;
  }

  get #from(): number {
    return this.#at - (this.#last?.bytes ?? 0);
  }

  /** It will be asked for anew. */
  interrupted(): void {
    this.#jump = undefined;
    const expected = this.#expected;
    if (expected === undefined) return;
    this.#expected = undefined;
    this.#last = expected;
    this.#at += expected.bytes;
  }

  /** @returns the line to show, the offset in it only for who asked for one; none if one was shown before */
  acknowledged(acknowledgement: Acknowledgement, line: string): Shown {
    const note = this.#begin(acknowledgement.ok ? OFFSET.exec(acknowledgement.detail)?.[1] : undefined);
    const told = this.#told;
    this.#told = true;
    const said = note === undefined ? NOTHING : { note };
    if (told) return said;
    return { ...said, text: acknowledgement.ok && !this.#asked ? line.replace(OFFSET, "") : line };
  }

  line(text: string): Shown {
    const lost = LOST.exec(text)?.[1];
    const jump = this.#jump;
    this.#jump = undefined;
    if (jump !== undefined) {
      this.#at = jump.at;
      this.#last = undefined;
    }
    const begun = this.#begun;
    this.#begun = true;
    if (jump !== undefined && lost !== undefined) {
      // Who asked for no offset is shown what there is, as everywhere.
      const missing = begun || this.#asked ? Number(lost) - jump.shown : 0;
      return missing > 0 ? { text: `… lost ${missing} bytes` } : NOTHING;
    }
    const expected = this.#expected;
    this.#expected = undefined;
    if (lost !== undefined && expected?.text !== text) {
      this.#at += Number(lost);
      this.#last = undefined;
      return { text };
    }
    const length = Buffer.byteLength(text);
    this.#last = { text, bytes: length >= PIECE_BYTES ? length : length + 1 };
    this.#at += this.#last.bytes;
    if (expected === undefined) return { text };
    if (expected.text === text) return NOTHING;
    return { text, note: `${this.#path} is not what it was here: lines may be missing or shown twice` };
  }

  /** @param offset where the hive begins */
  #begin(offset: string | undefined): string | undefined {
    if (offset === undefined) return undefined;
    const at = Number(offset);
    const from = this.#from;
    const known = this.#at - from;
    if (at > from) {
      this.#jump = { at, shown: known };
      return undefined;
    }
    this.#expected = at === from ? this.#last : undefined;
    this.#last = undefined;
    const was = this.#at;
    this.#at = at;
    if (at === from) return undefined;
    const why = this.#begun
      ? ": the hive was started anew, or this place was not known to the byte; lines may be missing"
      : "";
    return `${this.#path} ends at ${at}, before ${was}${why}`;
  }
}
