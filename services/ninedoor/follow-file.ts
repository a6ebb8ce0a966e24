/**
 * `X.follow`: the ring X, where a read at the end waits until there is more. The append that brings it answers all who
 * wait; a Tflush, a clunk or the end of the session lets go; nothing looks again by itself. Places to wait are bounded,
 * and a read that finds none is refused with `Busy`.
 */
import { BUSY, INVALID, NOT_FOUND, PERMISSION } from "../secure9p/refusal.ts";
import type { OpenFile, Parked, Request } from "../secure9p/tree.ts";
import type { Qid } from "../secure9p/wire.ts";
import { answerAttributes, MODE_READ_ONLY, wantsToWrite } from "./attributes.ts";
import type { NineDoorCounters } from "./counters.ts";
import type { Lifetime, Place } from "./place.ts";
import type { Ring, RingWatcher } from "./ring.ts";
import { RingCursor } from "./ring-file.ts";

export interface FollowFileOptions {
  readonly qid: Qid;
  readonly counters: NineDoorCounters;
  readonly life: Lifetime;
  readonly ring: Ring;
  /** Most reads that wait at once. */
  readonly waiters: number;
}

export class FollowFile implements Place, Parked, RingWatcher {
  readonly immediate = true;
  readonly #qid: Qid;
  readonly #options: FollowFileOptions;
  /** Who waits, and where their fids stand, in places that are made when they are needed first and used again. */
  readonly #requests: (Request | undefined)[] = [];
  readonly #cursors: (RingCursor | undefined)[] = [];
  #waiting = 0;

  constructor(options: FollowFileOptions) {
    this.#qid = options.qid;
    this.#options = options;
    options.ring.watch(this);
    options.life.onEnd(() => {
      this.appended();
      options.ring.unwatch(this);
    });
  }

  get qid(): Qid {
    this.#qid.version = this.#options.ring.appends >>> 0;
    return this.#qid;
  }

  /** Reads that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  walk(request: Request): void {
    request.refuse(NOT_FOUND);
  }

  open(request: Request): void {
    const { life, ring, counters } = this.#options;
    if (life.ended) request.refuse(NOT_FOUND);
    else if (wantsToWrite(request.flags)) request.refuse(PERMISSION);
    else request.opened(new OpenFollow(new RingCursor(ring, life, counters), this));
  }

  getattr(request: Request, file: OpenFile | undefined): void {
    const { life, ring } = this.#options;
    if (file instanceof OpenFollow) answerAttributes(request, MODE_READ_ONLY, file.cursor.size, ring.end);
    else if (life.ended) request.refuse(NOT_FOUND);
    else answerAttributes(request, MODE_READ_ONLY, ring.end - ring.start, ring.end);
  }

  setattr(request: Request): void {
    request.refuse(PERMISSION);
  }

  /** Let a read wait. */
  wait(request: Request, cursor: RingCursor): void {
    const { counters, waiters } = this.#options;
    for (let i = 0; i < waiters; i++) {
      if (this.#requests[i] !== undefined) continue;
      this.#requests[i] = request;
      this.#cursors[i] = cursor;
      this.#waiting++;
      counters.waitersHighWater = Math.max(counters.waitersHighWater, this.#waiting);
      return request.park(this);
    }
    counters.waitersRefused++;
    request.refuse(BUSY);
  }

  cancelled(request: Request): void {
    const place = this.#requests.indexOf(request);
    if (place >= 0) this.#release(place);
  }

  /** The ring has grown or ended: answer all for whom that is an answer. */
  appended(): void {
    for (let i = 0; i < this.#requests.length && this.#waiting > 0; i++) {
      const request = this.#requests[i];
      const cursor = this.#cursors[i];
      if (request === undefined || cursor === undefined) continue;
      // Given up before it is answered, for the answer may lead to an append and to this loop again.
      this.#release(i);
      if (cursor.serve(request)) continue;
      // Its offset lies further ahead.
      this.#requests[i] = request;
      this.#cursors[i] = cursor;
      this.#waiting++;
    }
  }

  #release(place: number): void {
    this.#requests[place] = undefined;
    this.#cursors[place] = undefined;
    this.#waiting--;
  }
}

class OpenFollow implements OpenFile {
  readonly cursor: RingCursor;
  readonly #file: FollowFile;

  constructor(cursor: RingCursor, file: FollowFile) {
    this.cursor = cursor;
    this.#file = file;
  }

  read(request: Request): void {
    if (this.cursor.serve(request)) return;
    // A read of nothing is answered by nothing, and would not be answered by more.
    if (request.count === 0) request.done();
    else this.#file.wait(request, this.cursor);
  }

  write(request: Request): void {
    request.refuse(PERMISSION);
  }

  readdir(request: Request): void {
    request.refuse(INVALID);
  }

  close(): void {}
}
