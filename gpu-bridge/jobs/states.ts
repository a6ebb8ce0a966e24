/**
 * What became of jobs: lines of `/gpu/<id>/status`, and of the `status` of the lease whose jobs they are. Each state of a job is one
 * line, and a line that was refused is one of no job.
 */

import { RateLimit } from "../../services/net/rate.ts";
import { nodeBytes } from "../../scripts/lib/node-bytes.ts";
import { Ring } from "../../services/ninedoor/ring.ts";
import type { BridgeClock } from "../clock.ts";
import type { Lease } from "../leases/leases.ts";
import { STATUS_LINE_BYTES } from "../limits.ts";
import { shortened } from "../refused.ts";

const RING_BYTES = 256 * 1024;
/** Refused lines that everybody sees at once, and a second in the long run; whose they are sees all. */
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

  /** @param lease whose job it is */
  tell(lease: Lease, job: string, state: JobState, detail: string, result?: ResultFields): void {
    this.counters[({ QUEUED: "queued", RUNNING: "running", OK: "ok", ERR: "err" } as const)[state]]++;
    const line = this.#line(lease, job, state, detail, result);
    append(lease.status, line);
    append(this.ring, line);
  }

  /** A line of a lessee that came to nothing. However many there are, they push nobody else's states out of what everybody sees. */
  refused(lease: Lease, detail: string): void {
    this.counters.refused++;
    const line = this.#line(lease, "", "ERR", detail);
    append(lease.status, line);
    if (this.#refusals.take(this.#clock.nowMs() * 1000)) append(this.ring, line);
    else this.counters.refused_unshown++;
  }

  #line({ worker }: Lease, job: string, state: JobState, detail: string, result?: ResultFields): Uint8Array {
    const line = { job, worker, state, detail: shortened(detail), ts_ms: this.#clock.unixMs(), ...result };
    return Buffer.from(JSON.stringify(line));
  }
}

function append(ring: Ring, line: Uint8Array): void {
  if (!ring.append(line, 0, line.length)) throw new Error(`a status line of ${line.length} bytes`);
}
