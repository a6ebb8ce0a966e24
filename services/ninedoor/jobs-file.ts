/**
 * `/worker/self/jobs`: lines that the hive hands to a worker, one a read; a read where there is none waits. A line is taken
 * away when its read is answered whole, so none is lost to a Tflush. Lines that wait are bounded, and what does not fit is
 * refused to whoever sent it. The empty line says that the worker shall look for its GPU; one of it at the end is enough.
 */
import type { Bytes, Pool } from "../ports/index.ts";
import { BUSY, CLOSED, INVALID, NOT_FOUND, PERMISSION, TOO_BIG } from "../secure9p/refusal.ts";
import type { OpenFile, Parked, Request } from "../secure9p/tree.ts";
import type { Qid } from "../secure9p/wire.ts";
import { answerAttributes, MODE_READ_ONLY, wantsToWrite } from "./attributes.ts";
import type { NineDoorCounters } from "./counters.ts";
import { type Client, type Lifetime, OWN_SESSION, type Place } from "./place.ts";
import { touch } from "./qids.ts";

/** Lines that may wait, and their bytes with newlines. An empty line has a place of its own besides. */
export const JOB_LINES = 8;
export const JOB_BYTES = 16_384;

/** What is empty is never next to another, so there is at most one more of them than there are lines. */
const MEMORY = JOB_BYTES + JOB_LINES + 1;
/** The pool of a mailbox that was never used. */
export const UNUSED: Pool = ["worker.jobs", MEMORY, 0, MEMORY, 0, "refused", 0];
const NEWLINE = 0x0a;
const NOTHING = new Uint8Array(0);

export interface JobsFileOptions {
  readonly qid: Qid;
  readonly bytes: Bytes;
  readonly counters: NineDoorCounters;
  readonly life: Lifetime;
  /** Longest line, newline not counted. */
  readonly lineBytes: number;
}

export class JobsFile implements Place, Parked {
  readonly immediate = true;
  readonly qid: Qid;
  readonly #options: JobsFileOptions;
  /** Lines with their newlines, the oldest first. */
  #lines = NOTHING;
  readonly #lengths: number[] = [];
  #used = 0;
  #peak = 0;
  #refused = 0;
  #waiting: Request | undefined = undefined;

  constructor(options: JobsFileOptions) {
    this.qid = options.qid;
    this.#options = options;
    options.life.onEnd(() => {
      this.#lines = NOTHING;
      this.#lengths.length = 0;
      this.#used = 0;
      const request = this.#waiting;
      this.#waiting = undefined;
      if (request !== undefined) this.#close(request);
    });
  }

  /** For reports. */
  pool(): Pool {
    return ["worker.jobs", MEMORY, this.#used, MEMORY, this.#peak, "refused", this.#refused];
  }

  /** Lines that nobody has read yet. */
  get size(): number {
    return this.#lengths.length;
  }

  /** Whether a read waits. */
  get waiting(): boolean {
    return this.#waiting !== undefined;
  }

  /**
   * Hand the worker one line, given without its newline. An empty one is always taken.
   * @returns false if it is too long, there is no room for it or the worker has ended; then nothing has changed.
   */
  put(from: Uint8Array, start: number, length: number): boolean {
    const { life } = this.#options;
    if (life.ended) return false;
    if (length === 0 && this.#lengths[this.#lengths.length - 1] === 1) return true;
    if (length > 0 && !this.#fits(length)) {
      this.#options.counters.jobsRefused++;
      this.#refused++;
      return false;
    }
    if (this.#lines.length === 0) this.#lines = new Uint8Array(MEMORY);
    this.#options.bytes.copy(this.#lines, this.#used, from, start, length);
    this.#lines[this.#used + length] = NEWLINE;
    this.#used += length + 1;
    this.#peak = Math.max(this.#peak, this.#used);
    this.#lengths.push(length + 1);
    touch(this.qid);
    const request = this.#waiting;
    this.#waiting = undefined;
    if (request !== undefined) this.#serve(request);
    return true;
  }

  walk(request: Request): void {
    request.refuse(NOT_FOUND);
  }

  open(request: Request, client: Client): void {
    if (this.#options.life.ended) request.refuse(NOT_FOUND);
    else if (wantsToWrite(request.flags) || client.session !== OWN_SESSION) request.refuse(PERMISSION);
    else request.opened(new OpenJobs(this));
  }

  getattr(request: Request, file: OpenFile | undefined): void {
    if (this.#options.life.ended && file === undefined) request.refuse(NOT_FOUND);
    else answerAttributes(request, MODE_READ_ONLY, 0);
  }

  setattr(request: Request): void {
    request.refuse(PERMISSION);
  }

  /** Answer a read with a line, or let it wait for one. */
  read(request: Request): void {
    const { life, counters } = this.#options;
    if (life.ended) return this.#close(request);
    // A read of nothing is answered by nothing, and would not be answered by more.
    if (request.count === 0) return request.done();
    if (this.#lengths.length > 0) return this.#serve(request);
    if (this.#waiting !== undefined) {
      counters.waitersRefused++;
      return request.refuse(BUSY);
    }
    this.#waiting = request;
    request.park(this);
  }

  cancelled(request: Request): void {
    if (request === this.#waiting) this.#waiting = undefined;
  }

  /** There is a line. One that the read has no room for stays. */
  #serve(request: Request): void {
    const length = this.#lengths[0]!;
    if (request.count < length) return request.refuse(TOO_BIG);
    if (request.put(this.#lines, 0, length) === length) this.#take(length);
    request.done();
  }

  #take(length: number): void {
    this.#lengths.shift();
    this.#used -= length;
    this.#options.bytes.copy(this.#lines, 0, this.#lines, length, this.#used);
    touch(this.qid);
  }

  #fits(length: number): boolean {
    let lines = 0;
    let bytes = length + 1;
    for (let i = 0; i < this.#lengths.length; i++) {
      const size = this.#lengths[i]!;
      if (size === 1) continue;
      lines++;
      bytes += size;
    }
    return length <= this.#options.lineBytes && lines < JOB_LINES && bytes <= JOB_BYTES;
  }

  #close(request: Request): void {
    this.#options.counters.closed++;
    request.refuse(CLOSED);
  }
}

class OpenJobs implements OpenFile {
  readonly #file: JobsFile;

  constructor(file: JobsFile) {
    this.#file = file;
  }

  read(request: Request): void {
    this.#file.read(request);
  }

  write(request: Request): void {
    request.refuse(PERMISSION);
  }

  readdir(request: Request): void {
    request.refuse(INVALID);
  }

  close(): void {}
}
