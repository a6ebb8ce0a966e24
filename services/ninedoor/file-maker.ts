/**
 * Makes files with what all of them share: qids that are unique in the hive, one set of counters, the bounds.
 */
import type { Bytes } from "../ports/index.ts";
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

export interface FileLimits {
  /** Most bytes of a computed text. */
  readonly textBytes: number;
  /** Most reads that wait on one file. */
  readonly waiters: number;
}

export class FileMaker {
  readonly qids = new QidSource();
  readonly bytes: Bytes;
  readonly counters: NineDoorCounters;
  readonly #limits: FileLimits;

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
    return new TextFile({ qid, bytes, counters, life, limit: this.#limits.textBytes, text });
  }

  /** Put `name` and `name.follow` into a directory. @param appending what clients may append; nothing if they may not. */
  addRing(into: Directory, name: string, ring: Ring, life: Lifetime, appending: Appending | undefined): void {
    const { bytes, counters, qids } = this;
    const { waiters } = this.#limits;
    const qid = qids.next(appending === undefined ? QTFILE : QTAPPEND);
    into.add(name, new RingFile({ qid, bytes, counters, life, ring, appending }));
    into.add(`${name}.follow`, new FollowFile({ qid: qids.next(QTFILE), counters, life, ring, waiters }));
  }
}
