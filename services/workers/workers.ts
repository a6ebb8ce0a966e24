/**
 * The workers of a hive: what a spawn makes and an end takes away, each all or nothing. A worker has an id that never comes back,
 * a ticket of this boot, its files, a timer and a component; whatever ends it, none of these is left, and the audit log names it
 * with the cause.
 */
import type { Supervisor } from "../components/supervisor.ts";
import type { Lease } from "../gpu/table.ts";
import type { Namespace } from "../ninedoor/namespace.ts";
import type { Bytes, Log, Pool, Random } from "../ports/index.ts";
import { Later } from "../pump/later.ts";
import { isOutOfMemory } from "../pump/out-of-memory.ts";
import type { Kill, LeaseRequest, SetBudget, SpawnGpu, SpawnHeartbeat } from "../queen/command.ts";
import { clampsOf, type Done, type Spawned } from "../queen/control.ts";
import { type Budget, type BudgetRequest, DEFAULT_BUDGETS, resolveBudget } from "../roles/budget.ts";
import type { Ledger, WorkerIdentity } from "../roles/ledger.ts";
import type { TicketVerifier } from "../roles/verifier.ts";
import { mintForWorker } from "../roles/worker-ticket.ts";
import { Several } from "../proc/pools.ts";
import { sessionPools } from "../secure9p/pools.ts";
import { BUSY, CLOSED, NOT_FOUND, type Refusal } from "../secure9p/refusal.ts";
import { describeCause, stackOf, type WorkerCause } from "./cause.ts";
import { FORM, KIND, type WorkerArgs } from "./protocol.ts";
import { GPU_WORKER_SESSION, Worker, WORKER_SESSION, type WorkerContext } from "./worker.ts";

export interface WorkersOptions extends Omit<
  WorkerContext,
  "audit" | "end" | "endSoon" | "counters" | "over" | "leaseOf"
> {
  readonly bytes: Bytes;
  readonly random: Random;
  readonly supervisor: Supervisor;
  readonly namespace: Namespace;
  readonly verifier: TicketVerifier;
  readonly ledger: Ledger;
  /** The audit log. */
  readonly log: Log;
  readonly bootLog: Log;
  /** Unix time in milliseconds, `undefined` if no clock tells. */
  readonly unixMs: () => number | undefined;
  /** Where GPUs are leased; see `gpu/office.ts`. */
  readonly office: {
    /** Why nothing of that GPU can be leased at the moment. */
    away(gpu: string): { readonly refusal: Refusal; readonly why: string } | undefined;
    lease(worker: string, asked: LeaseRequest): Later<Refusal | undefined>;
    find(worker: string, gpu: string): Lease | undefined;
    release(worker: string): void;
  };
  /** Ends what has run out; see `hive/sweeper.ts`. */
  readonly sweeper: { soon(): void; changed(): void };
}

/** Kinds of workers' 9P sessions. */
type Nine = "worker.9p" | "gpu.9p";

/** Ended workers that are remembered. */
const REMEMBERED = 16;

export class Workers {
  readonly counters = {
    spawned: 0,
    refused: 0,
    finished: 0,
    killed: 0,
    budget: 0,
    failed: 0,
    unleased: 0,
    unwanted: 0,
    stuck: 0,
    component: 0,
    highWater: 0,
  };
  /** The last that ended, each with what became of it. */
  readonly ended: string[] = [];
  readonly #options: WorkersOptions;
  readonly #context: WorkerContext;
  readonly #live = new Map<string, Worker>();
  readonly #nine: Readonly<Record<Nine, Several>>;
  #defaults = { heartbeat: DEFAULT_BUDGETS["worker-heartbeat"], gpu: DEFAULT_BUDGETS["worker-gpu"] };

  constructor(options: WorkersOptions) {
    const { log, namespace } = options;
    this.#options = options;
    const { workers: most } = namespace.limits;
    this.#nine = {
      "worker.9p": new Several(most, sessionPools("worker.9p", WORKER_SESSION)),
      "gpu.9p": new Several(most, sessionPools("gpu.9p", GPU_WORKER_SESSION)),
    };
    this.#context = {
      ...options,
      over: (session, takesJobs) => this.#nine[nineOf(takesJobs)].ended(session.pools(nineOf(takesJobs))),
      counters: namespace.counters,
      leaseOf: (worker, gpu) => options.office.find(worker, gpu),
      audit: (text) => log.line("worker", text),
      end: (worker, cause) => this.#end(worker, cause),
      endSoon: (worker, cause) => this.#endSoon(worker, cause),
    };
  }

  get size(): number {
    return this.#live.size;
  }

  /** One that lives, for whoever asks what it is. */
  find(id: string): WorkerIdentity | undefined {
    return this.#live.get(id);
  }

  list(): Worker[] {
    return [...this.#live.values()];
  }

  pools(): Pool[] {
    const { counters, size } = this;
    const { rules, namespace } = this.#options;
    const { workers: most } = namespace.limits;
    return [
      ["worker.arenas", most * rules.arenaBytes, size, most, counters.highWater, "refused", counters.refused],
      ...this.#ninePools("worker.9p"),
      ...this.#ninePools("gpu.9p"),
    ];
  }

  spawn(spawn: SpawnHeartbeat | SpawnGpu): Spawned | Refusal | Later<Spawned | Refusal> {
    const { rules, office } = this.#options;
    const { budget, clamped } = resolveBudget(spawn.budget, this.#defaults[spawn.kind], rules.maximum);
    const away = spawn.kind === "gpu" ? office.away(spawn.lease.gpuId) : undefined;
    if (away !== undefined) return this.#refuse(away.why, away.refusal);
    const worker = this.#make(spawn, budget);
    if (worker === undefined) return BUSY;
    const spawned = { worker: worker.id, clamps: clampsOf({ budget, clamped }) };
    if (spawn.kind === "gpu") return this.#lease(worker, spawn.lease, spawned);
    this.counters.spawned++;
    return spawned;
  }

  /** A GPU worker's lease is another than it was. */
  wake(id: string): void {
    this.#live.get(id)?.wake();
  }

  #ninePools(kind: Nine): Pool[] {
    const live = this.list().filter(({ takesJobs }) => nineOf(takesJobs) === kind);
    const sessions = live.flatMap(({ session }) => (session === undefined ? [] : [session]));
    return this.#nine[kind].pools(sessions.map((session) => session.pools(kind)));
  }

  /** @returns undefined if it could not be given all that it needs, and then it has nothing */
  #make(spawn: SpawnHeartbeat | SpawnGpu, budget: Budget): Worker | undefined {
    const gpu = spawn.kind === "gpu" ? spawn.lease.gpuId : "";
    const worker = new Worker(this.#context, spawn.priority, this.#options.unixMs(), gpu);
    let why: string | undefined;
    try {
      why = this.#equip(worker, budget, spawn);
    } catch (error) {
      this.#takeApart(worker, "it was not spawned");
      throw error;
    }
    if (why !== undefined) {
      this.#takeApart(worker, "it was not spawned");
      this.#refuse(why);
      return undefined;
    }
    this.#live.set(worker.id, worker);
    this.counters.highWater = Math.max(this.counters.highWater, this.#live.size);
    const { ttlS, ops, ticks } = budget;
    worker.trace(`spawned band=${worker.band} ttl_s=${ttlS} ops=${ops} ticks=${ticks}`);
    this.#options.sweeper.changed();
    return worker;
  }

  /** Have a worker leased what it is for; without that it ends. Who spawned it waits for that. */
  #lease(worker: Worker, asked: LeaseRequest, spawned: Spawned): Later<Spawned | Refusal> {
    const spawning = new Later<Spawned | Refusal>(() => this.#end(worker, { kind: "unwanted" }));
    const leasing = this.#options.office.lease(worker.id, asked);
    worker.spawning = spawning;
    worker.leasing = leasing;
    leasing.hear((why) => {
      worker.leasing = undefined;
      worker.spawning = undefined;
      if (why !== undefined) {
        this.counters.refused++;
        this.#end(worker, { kind: "unleased", why: why.name });
        return spawning.tell(why);
      }
      this.counters.spawned++;
      worker.allow();
      spawning.tell(spawned);
    });
    return spawning;
  }

  kill({ worker: id }: Kill): Refusal | undefined {
    const worker = this.#live.get(id);
    if (worker === undefined) return NOT_FOUND;
    this.#end(worker, { kind: "killed" });
    return undefined;
  }

  setBudget({ worker: id, budget: asked }: SetBudget): Done | Refusal {
    const { clock, scheduler, rules, sweeper } = this.#options;
    const worker = this.#live.get(id);
    if (worker === undefined) return NOT_FOUND;
    scheduler.settle();
    const { account } = worker.grant;
    const resolved = account.change(asked, rules.maximum, clock.nowUs());
    // Its budget is used up already: it is gone in the next turn.
    if (resolved === undefined) return NOT_FOUND;
    const { ttlS, ops, ticks } = resolved.budget;
    worker.trace(`budget ttl_s=${ttlS} ops=${ops} ticks=${ticks}`);
    if (account.check(clock.nowUs()) !== undefined) this.#endSoon(worker, { kind: "budget" });
    sweeper.changed();
    return { clamps: clampsOf(resolved) };
  }

  setDefaultBudget(asked: BudgetRequest): Done {
    const { maximum } = this.#options.rules;
    const heartbeat = resolveBudget(asked, this.#defaults.heartbeat, maximum);
    const gpu = resolveBudget(asked, this.#defaults.gpu, maximum);
    this.#defaults = { heartbeat: heartbeat.budget, gpu: gpu.budget };
    return { clamps: clampsOf(heartbeat) };
  }

  sweep(nowUs: number): void {
    for (const worker of this.#live.values()) {
      if (worker.cause !== undefined || worker.grant.account.check(nowUs) !== undefined) {
        this.#end(worker, { kind: "budget" });
      }
    }
  }

  nextUs(): number {
    let nextUs = Infinity;
    for (const { grant } of this.#live.values()) nextUs = Math.min(nextUs, grant.account.deadlineUs);
    return nextUs;
  }

  /** Give a worker all that it needs. @returns what it could not be given, and then it may have some of it. */
  #equip(worker: Worker, budget: Budget, spawn: SpawnHeartbeat | SpawnGpu): string | undefined {
    const { bytes, clock, random, namespace, verifier, ledger, supervisor, rules, bootLog, unixMs } = this.#options;
    if (!worker.timed) return "no timer is left";
    const entry = namespace.workers.add(worker);
    if (entry === undefined) return "there are as many workers as there may be";
    worker.enter(entry);
    const minted = mintForWorker(bytes, verifier, random, worker.role, entry.id, unixMs());
    if (minted === undefined) return "no ticket can be minted for it";
    const grant = ledger.issue(minted.ticket, budget, clock.nowUs());
    if (grant === undefined) return "the ledger of tickets is full";
    worker.issue(minted.text, grant);
    const { image, priority, arenaBytes, callsPerSecond } = rules;
    const form = rules.telemetry === "json" ? FORM.JSON : FORM.LINE;
    const args: WorkerArgs =
      spawn.kind === "gpu" ? [KIND.GPU, 0, 0, 0] : [KIND.HEARTBEAT, spawn.heartbeats ?? 0, rules.heartbeatMs, form];
    try {
      // What it may do, and whether it is stuck, is the scheduler's to watch.
      const limits = { priority, arenaBytes, args, callsPerSecond, settleUs: Infinity };
      worker.component = supervisor.start(image, worker, limits);
    } catch (error) {
      if (isOutOfMemory(error)) throw error;
      bootLog.line("worker", `${entry.id}: ${error instanceof Error ? error.message : String(error)}`);
      return "its component was not started";
    }
    worker.start();
    return undefined;
  }

  #refuse(why: string, refusal = BUSY): Refusal {
    this.counters.refused++;
    this.#options.log.line("worker", `not spawned: ${why}`);
    return refusal;
  }

  #endSoon(worker: Worker, cause: WorkerCause): void {
    if (this.#live.get(worker.id) !== worker) return;
    worker.cause ??= cause;
    this.#options.sweeper.soon();
  }

  #end(worker: Worker, cause: WorkerCause): void {
    const { clock, log, bootLog, rules, sweeper } = this.#options;
    const { id } = worker;
    if (this.#live.get(id) !== worker) return;
    this.#live.delete(id);
    // What was noticed first counts, also if something else was quicker to end it.
    const final = worker.cause ?? cause;
    const revocation = worker.grant.account.check(clock.nowUs());
    const text = describeCause(final, revocation, rules.stuckQuanta);
    worker.trace(text);
    this.#takeApart(worker, text);
    this.counters[final.kind]++;
    const kept = cause.kind === "component" && !cause.destroyed;
    log.line("worker", `${id} ${text}; ${kept ? "suspended" : "destroyed"}`);
    for (const line of stackOf(final)) bootLog.line(id, line);
    if (this.ended.length === REMEMBERED) this.ended.shift();
    this.ended.push(`${id} ${text}`);
    worker.spawning?.tell(CLOSED);
    // Others may have logged in as this worker.
    sweeper.soon();
  }

  /** Take back all that it has, in the order in which it could still use it. */
  #takeApart(worker: Worker, why: string): void {
    const { ledger, namespace, supervisor, office } = this.#options;
    worker.leasing?.cancel();
    worker.leasing = undefined;
    worker.release();
    if (worker.component >= 0) supervisor.stop(worker.component, why);
    if (worker.id === "") return;
    office.release(worker.id);
    ledger.endWorker(worker.id, `${worker.id} ${why}`);
    namespace.workers.remove(worker.id);
  }
}

function nineOf(takesJobs: boolean): Nine {
  return takesJobs ? "gpu.9p" : "worker.9p";
}
