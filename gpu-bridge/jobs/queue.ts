/**
 * Jobs of one GPU from their acceptance to their one end. Jobs of a lease start in the order in which they came, as far as its
 * streams and memory reach; whose turn it is when a place is free is decided by stride scheduling: a lease of priority p weighs
 * p + 1, and of leases that always have work waiting each gets its weight's share of all starts, so none waits for ever. A place is
 * free again only when nothing of what had it runs any more.
 */

import { type Executor, ExecutionError, inputBytes, outputBytes, type Task } from "../backend.ts";
import { type Blobs, Held } from "../blobs/blobs.ts";
import type { BridgeClock } from "../clock.ts";
import type { Lease } from "../leases/leases.ts";
import type { BridgeLimits } from "../limits.ts";
import { busy, invalid, type Refused } from "../refused.ts";
import type { Job } from "./descriptor.ts";
import { hashOf, type Input, takeInput } from "./input.ts";
import type { States } from "./states.ts";

const MIB = 1024 * 1024;

export interface JobQueueOptions {
  readonly executor: Executor;
  readonly clock: BridgeClock;
  readonly states: States;
  readonly limits: BridgeLimits;
}

/** One job that was accepted. */
interface Work {
  readonly job: Job;
  readonly share: Share;
  readonly input: Input;
  /** Bytes on the GPU, and those of the result that are reserved here. */
  readonly bytes: number;
  reserved: number;
  readonly abort: AbortController;
  leave: () => void;
  over: boolean;
}

/** What a lease has of the queue. */
interface Share {
  readonly lease: Lease;
  readonly blobs: Blobs;
  readonly waiting: Work[];
  readonly running: Set<Work>;
  /** Places and bytes that are in use, also by what is over and still runs. */
  places: number;
  bytes: number;
  /** How much it has had, weighed; the least comes next. */
  pass: number;
  /** Ids of what waits and runs, and of what ended last in its order. */
  readonly ids: Set<string>;
  readonly ended: string[];
}

export class JobQueue {
  readonly counters = { timeout: 0, revoked: 0, failed: 0, busy: 0 };
  readonly #options: JobQueueOptions;
  readonly #shares = new Map<Lease, Share>();
  #places = 0;
  #waiting = 0;
  waitingPeak = 0;
  /** The pass of what started last; who comes to the queue begins there. */
  #pass = 0;

  constructor(options: JobQueueOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Places that are in use. */
  get running(): number {
    return this.#places;
  }

  /** A lease that may submit jobs from now on. */
  admit(lease: Lease, blobs: Blobs): void {
    const fresh = { waiting: [], running: new Set<Work>(), places: 0, bytes: 0, ids: new Set<string>(), ended: [] };
    this.#shares.set(lease, { lease, blobs, pass: this.#pass, ...fresh });
  }

  /** Take a job, or say why not; then nothing was done. */
  submit(lease: Lease, job: Job): Refused | undefined {
    const { states } = this.#options;
    const share = this.#shares.get(lease);
    if (share === undefined) throw new Error("a job of a lease that was not admitted");
    const reserved = outputBytes(job.kernel);
    const why = this.#why(share, job);
    if (why !== undefined) return why;
    const { memory } = share.blobs;
    const input = takeInput(job, share.blobs);
    if ("sentence" in input) return this.#count(input);
    if (!memory.take(reserved)) {
      input.release();
      return this.#count(busy("no memory is left for the result"));
    }
    const bytes = input.bytes.length + reserved;
    const abort = new AbortController();
    const work: Work = { job, share, input, bytes, reserved, abort, leave: () => undefined, over: false };
    // Who had nothing to do has saved nothing up.
    if (share.waiting.length === 0 && share.places === 0) share.pass = Math.max(share.pass, this.#pass);
    share.waiting.push(work);
    share.ids.add(job.id);
    this.waitingPeak = Math.max(this.waitingPeak, ++this.#waiting);
    states.tell(lease, job.id, "QUEUED", "waiting");
    this.#pump();
    return undefined;
  }

  /** A lease is over: so are all of its jobs. */
  revoke(lease: Lease): void {
    const share = this.#shares.get(lease);
    if (share === undefined) return;
    this.#shares.delete(lease);
    this.#waiting -= share.waiting.length;
    for (const work of [...share.running, ...share.waiting.splice(0)]) {
      this.counters.revoked++;
      this.#fail(work, "REVOKED");
      if (!share.running.delete(work)) this.#free(work);
    }
  }

  #why(share: Share, { id, kernel }: Job): Refused | undefined {
    const { limits } = this.#options;
    const { lease } = share;
    if (share.ids.has(id)) return invalid(`${id} is the id of a job that is known`);
    if (share.waiting.length >= limits.leaseWaiting)
      return this.#count(busy(`${limits.leaseWaiting} of its jobs wait`));
    if (this.#waiting >= limits.waiting) return this.#count(busy(`${limits.waiting} jobs wait for the GPU`));
    if (inputBytes(kernel) + outputBytes(kernel) > lease.memMb * MIB) {
      return invalid(`input and result need more memory than the lease has, ${lease.memMb} MiB`);
    }
    return undefined;
  }

  #count(why: Refused): Refused {
    if (why.why.name === "Busy") this.counters.busy++;
    return why;
  }

  /** Start what may start. */
  #pump(): void {
    while (this.#places < this.#options.limits.running) {
      let next: Share | undefined;
      for (const share of this.#shares.values()) {
        if (this.#mayStart(share) && (next === undefined || share.pass < next.pass)) next = share;
      }
      if (next === undefined) return;
      this.#start(next, next.waiting.shift()!);
    }
  }

  #mayStart({ lease, waiting: [first], places, bytes }: Share): boolean {
    return first !== undefined && places < lease.streams && bytes + first.bytes <= lease.memMb * MIB;
  }

  #start(share: Share, work: Work): void {
    const { clock, states, executor } = this.#options;
    const { job, input, abort } = work;
    this.#waiting--;
    this.#places++;
    this.#pass = share.pass;
    share.pass += 1 / (share.lease.priority + 1);
    share.places++;
    share.bytes += work.bytes;
    share.running.add(work);
    states.tell(share.lease, job.id, "RUNNING", "scheduled");
    work.leave = clock.after(job.timeoutMs, () => {
      this.counters.timeout++;
      this.#fail(work, "TIMEOUT");
    });
    const { kernel, grid, block } = job;
    const launch = { ...(grid === undefined ? {} : { grid }), ...(block === undefined ? {} : { block }) };
    void this.#run(executor, work, { kernel, ...launch, input: input.bytes }, abort.signal).then(() => {
      share.running.delete(work);
      share.places--;
      share.bytes -= work.bytes;
      this.#places--;
      this.#free(work);
      this.#pump();
    });
  }

  /** Never rejects. */
  async #run(executor: Executor, work: Work, task: Task, signal: AbortSignal): Promise<void> {
    try {
      const result = await executor.run(task, signal);
      if (!work.over) this.#succeed(work, result);
    } catch (error) {
      if (work.over) return;
      this.counters.failed++;
      const message = error instanceof Error ? error.message : String(error);
      this.#fail(work, `${error instanceof ExecutionError ? "EXECUTION" : "BACKEND"} ${message}`);
    }
  }

  #succeed(work: Work, result: Uint8Array): void {
    const { job, share, reserved } = work;
    if (result.length !== reserved) throw new Error(`it made ${result.length} bytes, not ${reserved}`);
    const result_hash = hashOf(result);
    if (job.output === "inline") {
      const result_b64 = Buffer.from(result.buffer, result.byteOffset, result.length).toString("base64");
      return this.#over(work, "OK", "inline", { result_b64, result_hash });
    }
    // What was reserved is the blob's from now on.
    work.reserved = 0;
    share.blobs.slots[job.output]!.put(new Held(result, share.blobs.memory));
    this.#over(work, "OK", `blob/${job.output}`, { result_hash });
  }

  #fail(work: Work, why: string): void {
    if (work.over) return;
    this.#over(work, "ERR", why);
    work.abort.abort(new ExecutionError(why));
  }

  #over(work: Work, state: "OK" | "ERR", detail: string, result?: Parameters<States["tell"]>[4]): void {
    const { share, job } = work;
    const { states, limits } = this.#options;
    work.over = true;
    work.leave();
    states.tell(share.lease, job.id, state, detail, result);
    share.ended.push(job.id);
    if (share.ended.length > limits.known) share.ids.delete(share.ended.shift()!);
  }

  #free({ input, reserved, share }: Work): void {
    input.release();
    share.blobs.memory.give(reserved);
  }
}
