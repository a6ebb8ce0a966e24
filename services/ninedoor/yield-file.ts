/**
 * `/worker/self/yield`: a write of `<ms>` and a newline is answered when that time has passed, which is how a worker waits.
 * One write waits at a time; a Tflush, a clunk or the worker's end lets go of it, and nothing answers it earlier. The worker itself
 * always has a place: somebody else who is logged in as it makes room.
 */
import type { AttributeChange } from "../secure9p/message.ts";
import { BUSY, CLOSED, INVALID, NOT_FOUND } from "../secure9p/refusal.ts";
import type { OpenFile, Parked, Request } from "../secure9p/tree.ts";
import type { Qid } from "../secure9p/wire.ts";
import { answerAppendOnlySetattr, answerAttributes, MODE_APPEND } from "./attributes.ts";
import type { NineDoorCounters } from "./counters.ts";
import { type Client, type Lifetime, OWN_SESSION, type Place } from "./place.ts";
import { touch } from "./qids.ts";

/** What wakes a worker: calls {@link YieldFile.due} when the time has come. */
export interface Alarm {
  /** That many milliseconds from now, and not at an earlier setting's time. */
  set(ms: number): void;
  clear(): void;
}

export interface YieldFileOptions {
  readonly qid: Qid;
  readonly counters: NineDoorCounters;
  readonly life: Lifetime;
  readonly alarm: Alarm;
  /** Most milliseconds. */
  readonly most: number;
}

const NEWLINE = 0x0a;
/** Of the longest number. */
const DIGITS = 9;

export class YieldFile implements Place, Parked {
  readonly qid: Qid;
  readonly #options: YieldFileOptions;
  #waiting: Request | undefined = undefined;
  /** Whether it is the worker's own. */
  #own = false;
  /** Bytes of the write that waits. */
  #length = 0;

  constructor(options: YieldFileOptions) {
    this.qid = options.qid;
    this.#options = options;
    options.life.onEnd(() => this.#release()?.refuse(CLOSED));
  }

  /** Whether a write waits. */
  get waiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** The alarm's time has come. */
  due(): void {
    const length = this.#length;
    touch(this.qid);
    this.#release()?.wrote(length);
  }

  walk(request: Request): void {
    request.refuse(NOT_FOUND);
  }

  open(request: Request, client: Client): void {
    if (this.#options.life.ended) request.refuse(NOT_FOUND);
    else request.opened(new OpenYield(this, client.session === OWN_SESSION));
  }

  getattr(request: Request, file: OpenFile | undefined): void {
    if (this.#options.life.ended && file === undefined) request.refuse(NOT_FOUND);
    else answerAttributes(request, MODE_APPEND, 0);
  }

  setattr(request: Request, change: AttributeChange, file: OpenFile | undefined): void {
    answerAppendOnlySetattr(request, change, this.#options.life, file);
  }

  read(request: Request): void {
    if (this.#options.life.ended) this.#close(request);
    else request.done();
  }

  /** Let a write wait. @param own whether it is the worker's own */
  wait(request: Request, own: boolean, bytes: Uint8Array, start: number, length: number): void {
    const { life, counters, alarm, most } = this.#options;
    if (life.ended) return this.#close(request);
    const ms = parse(bytes, start, length);
    if (ms < 0 || ms > most) {
      counters.linesRefused++;
      return request.refuse(INVALID);
    }
    if (this.#waiting !== undefined) {
      counters.waitersRefused++;
      if (this.#own || !own) return request.refuse(BUSY);
      this.#release()?.refuse(BUSY);
    }
    this.#waiting = request;
    this.#own = own;
    this.#length = length;
    request.park(this);
    alarm.set(ms);
  }

  cancelled(request: Request): void {
    if (request === this.#waiting) this.#release();
  }

  /** @returns what has waited; it does so no more. */
  #release(): Request | undefined {
    const request = this.#waiting;
    this.#waiting = undefined;
    if (request !== undefined) this.#options.alarm.clear();
    return request;
  }

  #close(request: Request): void {
    this.#options.counters.closed++;
    request.refuse(CLOSED);
  }
}

class OpenYield implements OpenFile {
  readonly #file: YieldFile;
  readonly #own: boolean;

  constructor(file: YieldFile, own: boolean) {
    this.#file = file;
    this.#own = own;
  }

  read(request: Request): void {
    this.#file.read(request);
  }

  write(request: Request, bytes: Uint8Array, start: number, length: number): void {
    this.#file.wait(request, this.#own, bytes, start, length);
  }

  readdir(request: Request): void {
    request.refuse(INVALID);
  }

  close(): void {}
}

/** The number of one whole line of decimal digits, -1 if it is none. */
function parse(bytes: Uint8Array, start: number, length: number): number {
  const digits = length - 1;
  if (digits < 1 || digits > DIGITS || bytes[start + digits] !== NEWLINE) return -1;
  let value = 0;
  for (let i = 0; i < digits; i++) {
    const digit = bytes[start + i]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
