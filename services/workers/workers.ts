/**
 * The workers of a hive: what a spawn makes and an end takes away, each all or nothing. A worker has an id that never comes back,
 * a ticket of this boot, its files, a timer and a component; whatever ends it, none of these is left, and the audit log names it
 * with the cause.
 */
import type { Supervisor } from "../components/supervisor.ts";
import type { Namespace } from "../ninedoor/namespace.ts";
import type { Bytes, Log, Pool, Random } from "../ports/index.ts";
import { isOutOfMemory } from "../pump/out-of-memory.ts";
import type { Kill, SetBudget, SpawnGpu, SpawnHeartbeat } from "../queen/command.ts";
import { clampsOf, type Done, type Spawned } from "../queen/control.ts";
import { type Budget, type BudgetRequest, DEFAULT_BUDGETS, resolveBudget } from "../roles/budget.ts";
import type { Ledger, WorkerIdentity } from "../roles/ledger.ts";
import type { TicketVerifier } from "../roles/verifier.ts";
import { mintForWorker } from "../roles/worker-ticket.ts";
import { Several } from "../proc/pools.ts";
import { sessionPools } from "../secure9p/pools.ts";
import { BUSY, NOT_FOUND, type Refusal } from "../secure9p/refusal.ts";
import { describeCause, stackOf, type WorkerCause } from "./cause.ts";
import { FORM, KIND, type WorkerArgs } from "./protocol.ts";
import { Worker, WORKER_SESSION, type WorkerContext } from "./worker.ts";

export interface WorkersOptions extends Omit<WorkerContext, "audit" | "end" | "endSoon" | "counters" | "over"> {
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
  /** Ends what has run out; see `hive/sweeper.ts`. */
  readonly sweeper: { soon(): void; changed(): void };
}

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
    stuck: 0,
    component: 0,
    highWater: 0,
  };
  /** The last that ended, each with what became of it. */
  readonly ended: string[] = [];
  readonly #options: WorkersOptions;
  readonly #context: WorkerContext;
  readonly #live = new Map<string, Worker>();
  readonly #nine: Several;
  #default: Budget = DEFAULT_BUDGETS["worker-heartbeat"];

  constructor(options: WorkersOptions) {
    const { log, namespace } = options;
    this.#options = options;
    this.#nine = new Several(namespace.limits.workers, sessionPools("worker.9p", WORKER_SESSION));
    this.#context = {
      ...options,
      over: (session) => this.#nine.ended(session.pools("worker.9p")),
      counters: namespace.counters,
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
    const live = this.list().flatMap((worker) => (worker.session === undefined ? [] : [worker.session]));
    return [
      ["worker.arenas", most * rules.arenaBytes, size, most, counters.highWater, "refused", counters.refused],
      ...this.#nine.pools(live.map((session) => session.pools("worker.9p"))),
    ];
  }

  spawn(spawn: SpawnHeartbeat | SpawnGpu): Spawned | Refusal {
    if (spawn.kind === "gpu") return this.#refuse("no GPU bridge is there");
    const { budget, clamped } = resolveBudget(spawn.budget, this.#default, this.#options.rules.maximum);
    const worker = new Worker(this.#context, "worker-heartbeat", spawn.priority, this.#options.unixMs());
    let why: string | undefined;
    try {
      why = this.#equip(worker, budget, spawn.heartbeats ?? 0);
    } catch (error) {
      this.#takeApart(worker, "it was not spawned");
      throw error;
    }
    if (why !== undefined) {
      this.#takeApart(worker, "it was not spawned");
      return this.#refuse(why);
    }
    this.#live.set(worker.id, worker);
    this.counters.spawned++;
    this.counters.highWater = Math.max(this.counters.highWater, this.#live.size);
    const { ttlS, ops, ticks } = budget;
    worker.trace(`spawned band=${worker.band} ttl_s=${ttlS} ops=${ops} ticks=${ticks}`);
    this.#options.sweeper.changed();
    return { worker: worker.id, clamps: clampsOf({ budget, clamped }) };
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
    const resolved = resolveBudget(asked, this.#default, this.#options.rules.maximum);
    this.#default = resolved.budget;
    return { clamps: clampsOf(resolved) };
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
  #equip(worker: Worker, budget: Budget, heartbeats: number): string | undefined {
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
    const args: WorkerArgs = [KIND.HEARTBEAT, heartbeats, rules.heartbeatMs, form];
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

  #refuse(why: string): Refusal {
    this.counters.refused++;
    this.#options.log.line("worker", `not spawned: ${why}`);
    return BUSY;
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
    // Others may have logged in as this worker.
    sweeper.soon();
  }

  /** Take back all that it has, in the order in which it could still use it. */
  #takeApart(worker: Worker, why: string): void {
    const { ledger, namespace, supervisor } = this.#options;
    worker.release();
    if (worker.component >= 0) supervisor.stop(worker.component, why);
    if (worker.id === "") return;
    ledger.endWorker(worker.id, `${worker.id} ${why}`);
    namespace.workers.remove(worker.id);
  }
}
