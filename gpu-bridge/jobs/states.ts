/** What became of jobs: lines of `/gpu/<id>/status`. Each state of a job is one line, and a line that was refused is one of no job. */

import { RateLimit } from "../../services/net/rate.ts";
import { nodeBytes } from "../../scripts/lib/node-bytes.ts";
import { Ring } from "../../services/ninedoor/ring.ts";
import type { BridgeClock } from "../clock.ts";
import { shortened } from "../refused.ts";

/** A result of 2 KiB in base64, and what stands around it. */
export const STATUS_LINE_BYTES = 4096;
const RING_BYTES = 256 * 1024;
/** Refused lines that are shown at once, and a second in the long run; the others are counted alone. */
const REFUSED_BURST = 16;
const REFUSED_PER_SECOND = 4;

export type JobState = "QUEUED" | "RUNNING" | "OK" | "ERR";

/** Of an OK line: the result's hash, and the result if it is inline. */
export interface ResultFields {
  readonly result_b64?: string;
  readonly result_hash: string;
}

export class States {
  readonly ring = new Ring(nodeBytes, RING_BYTES, STATUS_LINE_BYTES);
  readonly counters = { queued: 0, running: 0, ok: 0, err: 0, refused: 0, refused_unshown: 0 };
  readonly #clock: BridgeClock;
  readonly #refusals = new RateLimit(REFUSED_PER_SECOND, REFUSED_BURST);

  constructor(clock: BridgeClock) {
    this.#clock = clock;
  }

  tell(job: string, worker: string, state: JobState, detail: string, result?: ResultFields): void {
    this.counters[({ QUEUED: "queued", RUNNING: "running", OK: "ok", ERR: "err" } as const)[state]]++;
    this.#append(job, worker, state, detail, result);
  }

  /** A line that came to nothing. */
  refused(worker: string, detail: string): void {
    this.counters.refused++;
    if (this.#refusals.take(this.#clock.nowMs() * 1000)) this.#append("", worker, "ERR", detail);
    else this.counters.refused_unshown++;
  }

  #append(job: string, worker: string, state: JobState, detail: string, result?: ResultFields): void {
    const line = { job, worker, state, detail: shortened(detail), ts_ms: this.#clock.unixMs(), ...result };
    const bytes = Buffer.from(JSON.stringify(line));
    if (!this.ring.append(bytes, 0, bytes.length)) throw new Error(`a status line of ${bytes.length} bytes`);
  }
}
