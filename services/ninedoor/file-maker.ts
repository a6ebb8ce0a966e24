/**
 * Makes files with what all of them share: qids that are unique in the hive, one set of counters, the bounds.
 */
import type { Bytes, Pool } from "../ports/index.ts";
import { QTAPPEND, QTFILE } from "../secure9p/constants.ts";
import type { Qid } from "../secure9p/wire.ts";
import type { NineDoorCounters } from "./counters.ts";
import type { Directory } from "./directory.ts";
import { FollowFile } from "./follow-file.ts";
import type { Lifetime } from "./place.ts";
import { QidSource } from "./qids.ts";
import { type Appending, RingFile } from "./ring-file.ts";
import { Ring } from "./ring.ts";
import { TextFile } from "./text-file.ts";

/** Memory of a place to wait. */
const WAITER_BYTES = 32;

export interface FileLimits {
  /** Most bytes of a computed text. */
  readonly textBytes: number;
  /** Most bytes of such texts that one session may have open. */
  readonly openTextBytes: number;
  /** Most reads that wait on one file. */
  readonly waiters: number;
}

export class FileMaker {
  readonly qids = new QidSource();
  readonly bytes: Bytes;
  readonly counters: NineDoorCounters;
  readonly #limits: FileLimits;
  /** Files at which a read may wait. */
  readonly #follows = new Set<FollowFile>();

  constructor(bytes: Bytes, counters: NineDoorCounters, limits: FileLimits) {
    this.bytes = bytes;
    this.counters = counters;
    this.#limits = limits;
  }

  ring(capacity: number, recordBytes: number): Ring {
    return new Ring(this.bytes, capacity, recordBytes);
  }

  text(qid: Qid, life: Lifetime, text: () => string): TextFile {
    const { bytes, counters } = this;
    const { textBytes: limit, openTextBytes: openLimit } = this.#limits;
    return new TextFile({ qid, bytes, counters, life, limit, openLimit, text });
  }

  /** Put `name` and `name.follow` into a directory. @param appending what clients may append; nothing if they may not. */
  addRing(into: Directory, name: string, ring: Ring, life: Lifetime, appending: Appending | undefined): void {
    const { bytes, counters, qids } = this;
    const { waiters } = this.#limits;
    const qid = qids.next(appending === undefined ? QTFILE : QTAPPEND);
    into.add(name, new RingFile({ qid, bytes, counters, life, ring, appending }));
    const follow = new FollowFile({ qid: qids.next(QTFILE), counters, life, ring, waiters });
    this.#follows.add(follow);
    life.onEnd(() => this.#follows.delete(follow));
    into.add(`${name}.follow`, follow);
  }

  /** @param most files at which a read may wait that there may be */
  pools(most: number): Pool[] {
    const { waiters } = this.#limits;
    const { waitersHighWater: peak, waitersRefused } = this.counters;
    let used = 0;
    for (const { waiting } of this.#follows) used = Math.max(used, waiting);
    return [["follow.waiters", most * waiters * WAITER_BYTES, used, waiters, peak, "refused", waitersRefused]];
  }
}
