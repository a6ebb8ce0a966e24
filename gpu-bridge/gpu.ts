/**
 * One GPU as a bridge offers it: leases, their blobs and jobs, and the rings that tell of them. Lines come in as text and are
 * done or refused at once; what 9P cannot say of a refusal is said in the ring or to whoever runs the bridge.
 */

import { nodeBytes } from "../scripts/lib/node-bytes.ts";
import { RateLimit } from "../services/net/rate.ts";
import { Ring } from "../services/ninedoor/ring.ts";
import type { Refusal } from "../services/secure9p/refusal.ts";
import type { Executor, GpuInfo } from "./backend.ts";
import { Blobs } from "./blobs/blobs.ts";
import { Memory } from "./blobs/memory.ts";
import type { BridgeClock } from "./clock.ts";
import { readJob } from "./jobs/descriptor.ts";
import { JobQueue } from "./jobs/queue.ts";
import { States } from "./jobs/states.ts";
import { type CtlCommand, readCtl } from "./leases/command.ts";
import { type Lease, leaseLine, Leases } from "./leases/leases.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Refused } from "./refused.ts";

const LEASE_LINE_BYTES = 512;
const LEASE_RING_BYTES = 64 * 1024;
/** Sentences that are said at once, and a second in the long run. */
const SAID_BURST = 16;
const SAID_PER_SECOND = 1;

export interface GpuOptions {
  readonly info: GpuInfo;
  readonly executor: Executor;
  readonly clock: BridgeClock;
  readonly memory: Memory;
  readonly limits: BridgeLimits;
  /** Told in a sentence what becomes of leases, or why a line of `ctl` was refused. */
  readonly said: (sentence: string) => void;
}

export class Gpu {
  readonly info: GpuInfo;
  readonly leases: Leases;
  readonly leaseRing = new Ring(nodeBytes, LEASE_RING_BYTES, LEASE_LINE_BYTES);
  readonly states: States;
  readonly jobs: JobQueue;
  readonly #options: GpuOptions;
  readonly #blobs = new Map<Lease, Blobs>();
  readonly #sayings = new RateLimit(SAID_PER_SECOND, SAID_BURST);
  /** Sentences that were left out: ever, and since the last that was said. */
  #leftOut = 0;
  #untold = 0;

  constructor(options: GpuOptions) {
    const { info, executor, clock, limits } = options;
    this.#options = options;
    this.info = info;
    this.states = new States(clock);
    this.jobs = new JobQueue({ executor, clock, states: this.states, limits });
    this.leases = new Leases({
      memoryMb: info.memoryMb,
      streams: limits.streams,
      clock,
      changed: (lease) => this.#changed(lease),
    });
  }

  /** Those of a lease that is active. */
  blobs(lease: Lease): Blobs {
    const blobs = this.#blobs.get(lease);
    if (blobs === undefined) throw new Error("blobs of a lease that is over");
    return blobs;
  }

  /** Do what a line of `ctl` says. @returns why not, and then nothing was done */
  control(line: string): Refusal | undefined {
    const read = readCtl(line);
    const refused = "sentence" in read ? read : this.#obey(read.command);
    if (refused === undefined) return undefined;
    this.#say(`refused: ${refused.sentence}`);
    return refused.why;
  }

  /** Take the job that a line describes. @returns why not, and then nothing was done */
  submit(lease: Lease, line: string): Refusal | undefined {
    const read = readJob(line);
    const refused = "sentence" in read ? read : this.jobs.submit(lease, read.job);
    if (refused === undefined) return undefined;
    const id = "job" in read ? ` ${read.job.id}:` : "";
    this.states.refused(lease, `${refused.why.name.toUpperCase()}${id} ${refused.sentence}`);
    return refused.why;
  }

  /** Let everything end. */
  async close(): Promise<void> {
    this.leases.releaseAll();
    await this.#options.executor.close();
  }

  /** Everything that is counted, a name and a number a line. */
  counters(): string {
    const { leases, jobs, states } = this;
    const { memory } = this.#options;
    const all = {
      leases_active: leases.size,
      ...prefixed("leases", leases.counters),
      ...prefixed("states", states.counters),
      jobs_waiting: jobs.waiting,
      jobs_waiting_peak: jobs.waitingPeak,
      jobs_running: jobs.running,
      ...prefixed("jobs", jobs.counters),
      memory_used: memory.used,
      memory_peak: memory.peak,
      memory_limit: memory.limit,
      memory_refused: memory.refused,
      status_overwritten: states.ring.overwritten,
      lease_overwritten: this.leaseRing.overwritten,
      said_left_out: this.#leftOut,
    };
    return Object.entries(all)
      .map(([name, count]) => `${name} ${count}\n`)
      .join("");
  }

  #obey(command: CtlCommand): Refused | undefined {
    const { leases } = this;
    switch (command.verb) {
      case "LEASE": {
        const lease = leases.grant(command.terms);
        return "sentence" in lease ? lease : undefined;
      }
      case "RELEASE":
        return leases.release(command.worker);
      case "PRIORITY":
        return leases.setPriority(command.worker, command.priority);
      case "RESET":
        return void leases.releaseAll();
    }
  }

  #changed(lease: Lease): void {
    const { memory, limits } = this.#options;
    const bytes = Buffer.from(leaseLine(this.info.id, lease));
    if (!this.leaseRing.append(bytes, 0, bytes.length)) throw new Error(`a lease line of ${bytes.length} bytes`);
    if (lease.state !== "ACTIVE") {
      this.#say(`${lease.worker}'s lease is ${lease.state.toLowerCase()}`);
      this.jobs.revoke(lease);
      this.#blobs.get(lease)?.end();
      this.#blobs.delete(lease);
    } else if (!this.#blobs.has(lease)) {
      this.#say(`leased to ${lease.worker} for ${lease.ttlS} s`);
      // One that takes all that it can get leaves the others theirs.
      const blobs = new Blobs(new Memory(limits.leaseMemoryBytes, memory));
      this.#blobs.set(lease, blobs);
      this.jobs.admit(lease, blobs);
    }
  }

  #say(sentence: string): void {
    const { clock, said } = this.#options;
    if (!this.#sayings.take(clock.nowMs() * 1000)) {
      this.#leftOut++;
      this.#untold++;
      return;
    }
    const untold = this.#untold === 0 ? "" : ` (${this.#untold} more left out)`;
    this.#untold = 0;
    said(`${this.info.id}: ${sentence}${untold}`);
  }
}

function prefixed(prefix: string, counters: object): Record<string, number> {
  return Object.fromEntries(Object.entries(counters).map(([name, count]) => [`${prefix}_${name}`, Number(count)]));
}
