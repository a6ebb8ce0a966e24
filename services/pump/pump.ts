/**
 * The pump: one `turn` serves every source in the order and within the budgets of `schedule.ts`, and tells the
 * engine when to come again. Sources and jobs that throw are reported and tried again at most three times a minute;
 * the others go on. Running out of memory alone leaves the pump, for the engine to deal with.
 */
import type { Clock, Log, Pool } from "../ports/index.ts";
import { Collection, type Heap } from "./collection.ts";
import { Histogram } from "./histogram.ts";
import { type Job, Jobs, type JobSpec } from "./jobs.ts";
import { isOutOfMemory } from "./out-of-memory.ts";
import { SCHEDULE, type StageName, stageIndex } from "./schedule.ts";
import { Strikes } from "./strikes.ts";
import { Tick } from "./tick.ts";
import { type TimerPort, Timers } from "./timers.ts";

/** Something that a stage serves. */
export interface Source {
  /**
   * There is nothing to do until it says otherwise, before the turn in which there is: while this is true it is neither served nor
   * asked. For sources that know, as most of them have nothing to do in most turns.
   */
  readonly quiet?: boolean;
  /** Do at most `budget` units of work. @returns units done. */
  serve(budget: number, nowUs: number): number;
  /** Whether `serve` could do something now; false while it waits for a device or a full consumer. */
  ready(nowUs: number): boolean;
  /** Units it still holds, whether or not they can go on now. An orderly shutdown waits until it is 0. */
  backlog?(): number;
  /** Times it left work with its producer because its consumer was full. */
  refused?(): number;
}

/** A stage's counters. */
export interface StageCounters {
  readonly name: StageName;
  readonly unit: string;
  readonly budget: number;
  /** Units done. */
  readonly done: number;
  /** Turns at whose end it could have gone on. */
  readonly deferred: number;
  readonly refused: number;
  /** Exceptions that left its sources. */
  readonly failed: number;
}

export interface PumpOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly heap: Heap;
  /** An exception as text. */
  describe(error: unknown): string;
  /** Whether a component waits for nothing but the processor. */
  readonly wanted?: () => boolean;
  readonly tickUs: number;
  readonly timers?: number;
  readonly jobs?: number;
}

/** A part of the hive that came up. */
export interface Subsystem {
  readonly name: string;
  readonly upUs: number;
}

/**
 * What components are owed of the time that turns take while one of them wants the processor, and between how little and how much of
 * that the pump rests for them. Where there is time between turns anyway it never does.
 */
const SHARE = 1 / 5;
const REST_US = { least: 1000, most: 2000 };
/** Quiet pulses after which a busy period counts as over. */
const QUIET_TICKS = 5;
/** Growth of the heap that is worth a collection in a quiet moment, and one at the next pulse however much there is to do. */
const COLLECT_GROWTH = { quietBytes: 256 * 1024, busyBytes: 2 * 1024 * 1024 };
const MAX_SUBSYSTEMS = 32;
const MAX_SOURCES = 32;

class Attached {
  readonly stage: number;
  readonly budget: number;
  readonly intake: boolean;
  readonly name: string;
  readonly source: Source;
  /** Whether it says itself when there is something to do. */
  readonly tells: boolean;
  readonly strikes = new Strikes(3, 60_000_000);
  stopped = false;

  constructor(stage: number, name: string, source: Source) {
    const { budget, intake } = SCHEDULE[stage]!;
    this.stage = stage;
    this.budget = budget;
    this.intake = intake;
    this.name = name;
    this.source = source;
    this.tells = "quiet" in source;
  }
}

/** The event pump. */
export class Pump {
  readonly tick: Tick;
  readonly collection: Collection;
  /** How long turns take, in microseconds. */
  readonly turnTime = new Histogram();
  /** Counts the time that is left to components, which run when no turn does: it stands still in each. */
  readonly spare: Clock = { nowUs: () => (this.#turnUs ?? this.#clock.nowUs()) - this.#busyUs };
  readonly #timers: Timers;
  readonly #jobs: Jobs;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #describe: (error: unknown) => string;
  readonly #attached: Attached[] = [];
  readonly #subsystems: Subsystem[] = [];
  readonly #done = new Float64Array(SCHEDULE.length);
  readonly #deferred = new Float64Array(SCHEDULE.length);
  readonly #failed = new Float64Array(SCHEDULE.length);
  /** Whether something was done in this turn. */
  #worked = false;
  #state: "running" | "draining" | "stopped" = "running";
  #drainUntilUs = Infinity;
  /** When the turn that is under way began, and how long all before it took. */
  #turnUs: number | undefined;
  #busyUs = 0;
  /** Time that components are owed, since when it is paid, and until when the pump rests for that. */
  #owedUs = 0;
  #sinceUs = 0;
  #restUs = 0;
  /** Times that it did. */
  rests = 0;
  readonly #wanted: () => boolean;
  #stopped: () => void = () => undefined;

  constructor(options: PumpOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#describe = (error) => options.describe(error);
    this.#wanted = options.wanted ?? ((): boolean => false);
    this.tick = new Tick(options.tickUs);
    this.collection = new Collection(options.heap, COLLECT_GROWTH);
    this.#timers = new Timers(options.timers ?? 64);
    this.#jobs = new Jobs({
      capacity: options.jobs ?? 32,
      now: () => this.#clock.nowUs(),
      failed: (name, error, outcome) => this.report(`job ${name} ${outcome}`, error),
    });
    const timers = this.#timers;
    this.attach("timer", "timers", {
      serve: (budget, nowUs) => timers.fire(nowUs, budget),
      ready: (nowUs) => timers.nextUs() <= nowUs,
      refused: () => timers.refused,
    });
    this.attach("jobs", "jobs", this.#jobs);
  }

  get state(): "running" | "draining" | "stopped" {
    return this.#state;
  }

  get timers(): TimerPort {
    return this.#timers;
  }

  /** Subsystems that came up, in order, with the time at which each did. */
  get subsystems(): readonly Subsystem[] {
    return this.#subsystems;
  }

  jobs(): readonly Job[] {
    return this.#jobs.list();
  }

  /** @returns `undefined` if the job table is full (counted as refused in stage `jobs`). */
  addJob(spec: JobSpec): Job | undefined {
    return this.#jobs.add(spec);
  }

  wakeJob(name: string): void {
    this.#jobs.wake(name);
  }

  /** Serve `source` in `stage` from the next turn on; sources of one stage share its order, not its budget. */
  attach(stage: StageName, name: string, source: Source): void {
    if (this.#attached.length === MAX_SOURCES) throw new Error(`pump: more than ${MAX_SOURCES} sources`);
    const index = stageIndex(stage);
    const before = this.#attached.findIndex((other) => other.stage > index);
    const entry = new Attached(index, name, source);
    if (before < 0) this.#attached.push(entry);
    else this.#attached.splice(before, 0, entry);
  }

  /**
   * Bring up a subsystem, with an audit line before.
   * @returns what `start` returned, or `undefined` if it threw; that is logged and the others go on.
   */
  initialise<T>(name: string, start: () => T): T | undefined {
    this.#log.line("pump", `init ${name}`);
    try {
      const result = start();
      if (this.#subsystems.length < MAX_SUBSYSTEMS) {
        this.#subsystems.push({ name, upUs: this.#clock.nowUs() });
      }
      return result;
    } catch (error) {
      if (isOutOfMemory(error)) throw error;
      this.report(`init ${name} failed`, error);
      return undefined;
    }
  }

  /**
   * Stop in order: take in nothing new, end the jobs, let out what is on its way (for at most `graceUs`), then
   * call `stopped`. Later calls change nothing.
   */
  shutdown(stopped: () => void, graceUs = 1_000_000): void {
    if (this.#state !== "running") return;
    this.#state = "draining";
    this.#stopped = stopped;
    this.#drainUntilUs = this.#clock.nowUs() + graceUs;
    this.#jobs.stopAll();
    this.tick.stop();
  }

  pools(): Pool[] {
    return [...this.#timers.pools(), ...this.#jobs.pools()];
  }

  /** Counters of every stage, in order. */
  stages(): StageCounters[] {
    return SCHEDULE.map((stage, index) => ({
      name: stage.name,
      unit: stage.unit,
      budget: stage.budget,
      done: this.#done[index]!,
      deferred: this.#deferred[index]!,
      refused: this.#attached.reduce(
        (sum, entry) => sum + (entry.stage === index ? (entry.source.refused?.() ?? 0) : 0),
        0,
      ),
      failed: this.#failed[index]!,
    }));
  }

  /**
   * One turn. @param called whether a component has called, which is what the pump may be resting for
   * @returns when the next shall come at the latest.
   */
  turn(nowUs: number, called = true): number {
    if (this.#state === "stopped") return Infinity;
    const running = this.#state === "running";
    if (nowUs < this.#restUs && !called && running) return this.#restUs;
    this.#turnUs = nowUs;
    if (running && this.tick.observe(nowUs)) this.#pulse();

    this.#worked = false;
    // A round ends with the last source or one that throws; then it goes on behind that one.
    for (let at = 0; at < this.#attached.length; at++) at = this.#serve(at, running, nowUs);
    if (this.#worked && this.#state === "running") this.tick.work(nowUs);

    const deferred = this.#lookAgain(nowUs);
    const tookUs = this.#clock.nowUs() - nowUs;
    this.turnTime.record(tookUs);
    this.#busyUs += tookUs;
    this.#turnUs = undefined;
    if (this.#state !== "running") return this.#drain(nowUs, deferred);
    if (this.#rests(nowUs, tookUs)) return this.#restUs;
    if (deferred) return nowUs;
    const timersUs = this.#timers.nextUs();
    const jobsUs = this.#jobs.nextUs();
    const tickUs = this.tick.nextUs;
    const nextUs = timersUs < jobsUs ? timersUs : jobsUs;
    return nextUs < tickUs ? nextUs : tickUs;
  }

  /** Whether components have their share first: however much others ask for, whoever is to run does so now and then. */
  #rests(nowUs: number, tookUs: number): boolean {
    const endUs = nowUs + tookUs;
    const owedUs = this.#owedUs - (nowUs - this.#sinceUs);
    this.#sinceUs = endUs;
    this.#owedUs = this.#wanted() ? (owedUs > 0 ? owedUs : 0) + tookUs * SHARE : 0;
    if (this.#owedUs < REST_US.least) return false;
    this.#restUs = endUs + Math.min(this.#owedUs, REST_US.most);
    this.rests++;
    return true;
  }

  /** Serve the sources from `first` on, in one go: most have nothing to do, and a call and a `try` for each cost more than they. */
  #serve(first: number, running: boolean, nowUs: number): number {
    const attached = this.#attached;
    let at = first;
    try {
      for (; at < attached.length; at++) {
        const entry = attached[at]!;
        const { source } = entry;
        if ((entry.tells && source.quiet === true) || entry.stopped || (!running && entry.intake)) continue;
        const done = source.serve(entry.budget, nowUs);
        if (done === 0) continue;
        this.#worked = true;
        this.#done[entry.stage] = this.#done[entry.stage]! + done;
      }
    } catch (error) {
      this.#worked = true;
      this.#fail(attached[at]!, error, nowUs);
    }
    return at;
  }

  #fail(entry: Attached, error: unknown, nowUs: number): void {
    if (isOutOfMemory(error)) throw error;
    this.#failed[entry.stage] = this.#failed[entry.stage]! + 1;
    entry.stopped = !entry.strikes.strike(nowUs);
    this.report(`source ${entry.name} ${entry.stopped ? "stopped" : "failed"}`, error);
  }

  /** Whether some source can go on: it used up its budget, or a stage after it made room. */
  #lookAgain(nowUs: number): boolean {
    const attached = this.#attached;
    const intakeOpen = this.#state === "running";
    let any = false;
    for (let at = 0; at < attached.length; at++) {
      const entry = attached[at]!;
      const { source } = entry;
      if ((entry.tells && source.quiet === true) || entry.stopped || (!intakeOpen && entry.intake)) continue;
      if (!source.ready(nowUs)) continue;
      this.#deferred[entry.stage] = this.#deferred[entry.stage]! + 1;
      any = true;
    }
    return any;
  }

  #pulse(): void {
    if (this.tick.quiet < QUIET_TICKS) return this.collection.busy();
    this.tick.stop();
    this.collection.quiet();
  }

  #drain(nowUs: number, deferred: boolean): number {
    let left = 0;
    for (const entry of this.#attached) {
      if (!entry.stopped && !entry.intake) left += entry.source.backlog?.() ?? 0;
    }
    if (left > 0 && nowUs < this.#drainUntilUs) return deferred ? nowUs : this.#drainUntilUs;
    this.#state = "stopped";
    this.#stopped();
    return Infinity;
  }

  /** Log what went wrong, with the exception's text and stack. */
  report(what: string, error: unknown): void {
    const lines = this.#describe(error).split("\n");
    this.#log.line("pump", `${what}: ${lines[0] ?? ""}`);
    for (let i = 1; i < lines.length; i++) if (lines[i] !== "") this.#log.line("pump", lines[i]!);
  }
}
