/**
 * Where qids come from. Each path is given out once in the life of a hive, so two files never look the same to a client
 * that caches by qid, however many have come and gone.
 */
import type { Qid } from "../secure9p/wire.ts";

export class QidSource {
  #last = 0;

  /** @param type `QTDIR`, `QTAPPEND` or `QTFILE` */
  next(type: number): Qid {
    return { type, version: 0, path: ++this.#last };
  }
}

/** The file or directory has changed. The version is 32 bits on the wire. */
export function touch(qid: Qid): void {
  qid.version = (qid.version + 1) >>> 0;
}
