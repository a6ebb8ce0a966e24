/**
 * What the qids of an exporter are in the hive. Two exporters may number their files alike, and one that comes back may number
 * them anew, so each connection has a table of its own, and every path in it is one that the hive gave out for it alone.
 */
import { QTAPPEND, QTDIR } from "../../secure9p/constants.ts";
import type { Qid } from "../../secure9p/wire.ts";
import type { QidSource } from "../qids.ts";

/** Files that are known at once. One that is forgotten and seen again is another file to whoever caches by qid. */
export const KNOWN = 1024;

/** Most files that were known of one exporter, and how many were forgotten. */
export interface QidCounters {
  qidsHighWater: number;
  forgotten: number;
}

export class RemoteQids {
  readonly #source: QidSource;
  readonly #counters: QidCounters;
  /** Paths of the hive by the exporter's, in the order in which they were last seen. */
  readonly #paths = new Map<number, number>();

  constructor(source: QidSource, counters: QidCounters) {
    this.#source = source;
    this.#counters = counters;
  }

  get size(): number {
    return this.#paths.size;
  }

  /** A qid of the hive for one of the exporter's. Types that nobody here knows are plain files. */
  of({ type, version, path }: Qid): Qid {
    const ours = this.#paths.get(path) ?? this.#source.next(type).path;
    this.#paths.delete(path);
    this.#paths.set(path, ours);
    if (this.#paths.size > KNOWN) {
      for (const oldest of this.#paths.keys()) {
        this.#paths.delete(oldest);
        this.#counters.forgotten++;
        break;
      }
    }
    this.#counters.qidsHighWater = Math.max(this.#counters.qidsHighWater, this.size);
    return { type: type & (QTDIR | QTAPPEND), version, path: ours };
  }
}
