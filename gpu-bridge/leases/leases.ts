/**
 * Who holds what of one GPU. A lease is admitted only if memory and streams of all leases together fit the GPU, and it ends once: by
 * the bridge's own clock, by the Queen, or with everything. What ends is out of the table before anybody is told, and its `life` is
 * over, so nothing that was opened with it can be used any more.
 */

import { nodeBytes } from "../../scripts/lib/node-bytes.ts";
import { Lifetime } from "../../services/ninedoor/place.ts";
import { Ring } from "../../services/ninedoor/ring.ts";
import { NOT_FOUND, PERMISSION, type Refusal } from "../../services/secure9p/refusal.ts";
import type { BridgeClock } from "../clock.ts";
import { LIMITS, STATUS_LINE_BYTES } from "../limits.ts";
import { busy, invalid, Refused } from "../refused.ts";
import type { LeaseTerms } from "./command.ts";

/** What RUNNING and its line's ring entry take of a job at most. */
const RUNNING_BYTES = 512;
/**
 * A hive that is away reads nothing and submits nothing, so all that its jobs still have to say has to fit, their longest results
 * included, beside as much that it had not read yet.
 */
export const STATUS_RING_BYTES = 2 * (LIMITS.leaseWaiting + LIMITS.running) * (STATUS_LINE_BYTES + RUNNING_BYTES);

export type LeaseState = "ACTIVE" | "RELEASED" | "EXPIRED";

export class Lease {
  readonly worker: string;
  readonly memMb: number;
  readonly streams: number;
  readonly ttlS: number;
  priority: number;
  state: LeaseState = "ACTIVE";
  /** Over once it is not ACTIVE. */
  readonly life = new Lifetime();
  /** What became of its jobs; it takes memory as it fills. */
  readonly status = new Ring(nodeBytes, STATUS_RING_BYTES, STATUS_LINE_BYTES);

  constructor({ worker, memMb, streams, ttlS, priority }: LeaseTerms) {
    this.worker = worker;
    this.memMb = memMb;
    this.streams = streams;
    this.ttlS = ttlS;
    this.priority = priority;
  }
}

export interface LeasesOptions {
  readonly memoryMb: number;
  readonly streams: number;
  readonly clock: BridgeClock;
  /** Told of each new state and priority of a lease. */
  readonly changed: (lease: Lease) => void;
}

export class Leases {
  readonly counters = { granted: 0, released: 0, expired: 0, refused: 0 };
  readonly #options: LeasesOptions;
  readonly #active = new Map<string, { readonly lease: Lease; readonly leave: () => void }>();

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#active.size;
  }

  /** In the order in which they were granted. */
  *[Symbol.iterator](): Iterator<Lease> {
    for (const { lease } of this.#active.values()) yield lease;
  }

  of(worker: string): Lease | undefined {
    return this.#active.get(worker)?.lease;
  }

  /** The only lease that there is; of several nobody can say which is meant. */
  get only(): Lease | Refusal {
    const [lease, other] = this;
    return lease === undefined || other !== undefined ? PERMISSION : lease;
  }

  grant(terms: LeaseTerms): Lease | Refused {
    const why = this.#why(terms);
    if (why !== undefined) {
      this.counters.refused++;
      return why;
    }
    const lease = new Lease(terms);
    const leave = this.#options.clock.after(terms.ttlS * 1000, () => this.#end(lease, "EXPIRED"));
    this.#active.set(terms.worker, { lease, leave });
    this.counters.granted++;
    this.#options.changed(lease);
    return lease;
  }

  release(worker: string): Refused | undefined {
    const lease = this.of(worker);
    if (lease === undefined) return this.#none(worker);
    this.#end(lease, "RELEASED");
    return undefined;
  }

  setPriority(worker: string, priority: number): Refused | undefined {
    const lease = this.of(worker);
    if (lease === undefined) return this.#none(worker);
    lease.priority = priority;
    this.#options.changed(lease);
    return undefined;
  }

  releaseAll(): void {
    for (const lease of [...this]) this.#end(lease, "RELEASED");
  }

  #none(worker: string): Refused {
    this.counters.refused++;
    return new Refused(NOT_FOUND, `${worker} holds no lease`);
  }

  #why({ worker, memMb, streams }: LeaseTerms): Refused | undefined {
    const { memoryMb, streams: most } = this.#options;
    if (memMb > memoryMb) return invalid(`mem_mb=${memMb} is more than the GPU has, ${memoryMb}`);
    if (streams > most) return invalid(`streams=${streams} is more than a GPU has, ${most}`);
    if (this.of(worker) !== undefined) return busy(`${worker} holds a lease already`);
    let freeMb = memoryMb;
    let free = most;
    for (const lease of this) {
      freeMb -= lease.memMb;
      free -= lease.streams;
    }
    if (memMb > freeMb) return busy(`mem_mb=${memMb} is more than is free, ${freeMb}`);
    if (streams > free) return busy(`streams=${streams} is more than are free, ${free}`);
    return undefined;
  }

  #end(lease: Lease, state: "RELEASED" | "EXPIRED"): void {
    const held = this.#active.get(lease.worker);
    if (held?.lease !== lease) return;
    held.leave();
    this.#active.delete(lease.worker);
    lease.state = state;
    this.counters[state === "EXPIRED" ? "expired" : "released"]++;
    this.#options.changed(lease);
    lease.life.end();
  }
}

/** A line of `/gpu/<id>/lease`. */
export function leaseLine(gpu: string, { worker, memMb, streams, ttlS, priority, state }: Lease): string {
  const schema = "gpu-lease/v1";
  const numbers = { mem_mb: memMb, streams, ttl_s: ttlS, priority };
  return JSON.stringify({ schema, state, gpu_id: gpu, worker_id: worker, ...numbers });
}
