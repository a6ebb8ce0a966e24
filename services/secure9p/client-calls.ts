/**
 * The bookkeeping of a client: which tag waits for what, and which fid numbers are free.
 */
import type { Message } from "./message.ts";
import type { Refusal } from "./refusal.ts";

/**
 * How a request ended. Without `error`, `reply` is the reply, valid until this returns. With `error` it did not happen, or
 * nobody knows (`CLOSED`, or what the request was flushed with).
 */
export type Done = (reply: Message, error: Refusal | undefined) => void;

const NO_FID = -1;

/** One tag. */
export class Call {
  /** The request's type, 0 if the tag is free. */
  type = 0;
  done: Done | undefined = undefined;
  /** More than this in the reply (bytes of Rread, Rreaddir and Rwrite, qids of Rwalk) is a lie. */
  limit = 0;
  /** The fid that success makes, and the one that goes whatever the answer. */
  makes = NO_FID;
  ends = NO_FID;
  /** Why it is being flushed. The tag is not free before Rflush, answered or not. */
  flushed: Refusal | undefined = undefined;

  /** Forget everything but a flush that is under way. @returns whom to tell. */
  finish(): Done | undefined {
    const done = this.done;
    this.done = undefined;
    this.makes = NO_FID;
    this.ends = NO_FID;
    if (this.flushed === undefined) this.type = 0;
    return done;
  }
}

/** Fid numbers from 0 to a bound. */
export class FidNumbers {
  readonly #used: Uint8Array;
  inUse = 0;

  constructor(count: number) {
    this.#used = new Uint8Array(count);
  }

  /** The lowest free number, -1 if there is none. */
  take(): number {
    const fid = this.#used.indexOf(0);
    if (fid >= 0) {
      this.#used[fid] = 1;
      this.inUse++;
    }
    return fid;
  }

  give(fid: number): void {
    if (this.#used[fid] !== 1) return;
    this.#used[fid] = 0;
    this.inUse--;
  }
}
