/**
 * Cooperative jobs: named state machines that do one short step at a time. Runnable jobs take turns, so each is
 * stepped once before any is stepped again; one that throws is reported and restarted or stopped by its rule,
 * and no other job notices.
 */
import type { Pool } from "../ports/index.ts";
import { isOutOfMemory } from "./out-of-memory.ts";
import { Strikes } from "./strikes.ts";

/** Memory of one; what its steps hold is their own. */
const JOB_BYTES = 2048;

/** What a step returns instead of a time when the job has ended. */
export const DONE = -1;

/**
 * One step. @returns when it wants to run again in microseconds (the past: in the next turn; `Infinity`: when woken),
 * or {@link DONE}.
 */
export type Step = (nowUs: number) => number;

/** What a job is made from. */
export interface JobSpec {
  readonly name: string;
  /** Makes a fresh first step; called again for a restart. */
  start(): Step;
  /** How often within a minute it is started again after it threw; 0 stops it at once. */
  readonly restarts: number;
}

export type JobState = "runnable" | "waiting" | "done" | "stopped";

/** A job and its counters. */
export interface Job {
  readonly name: string;
  readonly state: JobState;
  /** Steps run, and the longest in microseconds. */
  readonly runs: number;
  readonly longestUs: number;
  readonly restarts: number;
}

class Entry implements Job {
  readonly spec: JobSpec;
  readonly strikes: Strikes;
  step: Step;
  wakeUs = 0;
  ended: "done" | "stopped" | undefined;
  runs = 0;
  longestUs = 0;
  restarts = 0;
  readonly #now: () => number;

  constructor(spec: JobSpec, now: () => number) {
    this.spec = spec;
    this.strikes = new Strikes(spec.restarts, 60_000_000);
    this.step = spec.start();
    this.#now = now;
  }

  get name(): string {
    return this.spec.name;
  }

  get state(): JobState {
    return this.ended ?? (this.wakeUs <= this.#now() ? "runnable" : "waiting");
  }
}

export interface JobsOptions {
  readonly capacity: number;
  now(): number;
  /** A job threw; `outcome` says what became of it. */
  failed(name: string, error: unknown, outcome: "restarted" | "stopped"): void;
}

/** All jobs. As a source of the pump its unit of work is one step. */
export class Jobs {
  readonly #entries: Entry[] = [];
  readonly #options: JobsOptions;
  readonly #now: () => number;
  #cursor = 0;
  #refused = 0;

  constructor(options: JobsOptions) {
    this.#options = options;
    this.#now = () => options.now();
  }

  list(): readonly Job[] {
    return this.#entries;
  }

  /** @returns the job, or `undefined` if the table is full. An ended job's place is taken over. */
  add(spec: JobSpec): Job | undefined {
    const entry = new Entry(spec, this.#now);
    if (this.#entries.length < this.#options.capacity) {
      this.#entries.push(entry);
      return entry;
    }
    const ended = this.#entries.findIndex((other) => other.ended !== undefined);
    if (ended < 0) {
      this.#refused++;
      return undefined;
    }
    this.#entries[ended] = entry;
    return entry;
  }

  /** Let a waiting job run in this turn or the next. */
  wake(name: string): void {
    for (const entry of this.#entries) if (entry.name === name && entry.ended === undefined) entry.wakeUs = 0;
  }

  /** Stop all of them; for an orderly shutdown. */
  stopAll(): void {
    for (const entry of this.#entries) entry.ended ??= "stopped";
  }

  /** Jobs refused because the table was full. */
  refused(): number {
    return this.#refused;
  }

  pools(): Pool[] {
    const { capacity } = this.#options;
    const taken = this.#entries.length;
    return [["pump.jobs", capacity * JOB_BYTES, this.backlog(), capacity, taken, "refused", this.#refused]];
  }

  /** When the next waiting job wants to run. */
  nextUs(): number {
    const entries = this.#entries;
    let next = Infinity;
    for (let at = 0; at < entries.length; at++) {
      const entry = entries[at]!;
      if (entry.ended === undefined && entry.wakeUs < next) next = entry.wakeUs;
    }
    return next;
  }

  ready(nowUs: number): boolean {
    return this.nextUs() <= nowUs;
  }

  backlog(): number {
    let live = 0;
    for (const entry of this.#entries) if (entry.ended === undefined) live++;
    return live;
  }

  /** Step runnable jobs in rotation, each at most once. */
  serve(budget: number, nowUs: number): number {
    const count = this.#entries.length;
    let done = 0;
    for (let visited = 0; visited < count && done < budget; visited++) {
      if (this.#cursor >= count) this.#cursor = 0;
      const entry = this.#entries[this.#cursor++]!;
      if (entry.ended !== undefined || entry.wakeUs > nowUs) continue;
      this.#run(entry, nowUs);
      done++;
    }
    return done;
  }

  #run(entry: Entry, nowUs: number): void {
    const started = this.#options.now();
    entry.runs++;
    // Set before the step, so that a wake() from inside it holds.
    entry.wakeUs = Infinity;
    try {
      const next = entry.step(nowUs);
      if (next === DONE) entry.ended = "done";
      else entry.wakeUs = Math.min(entry.wakeUs, next);
    } catch (error) {
      // Out of memory is the runtime's end, not this job's.
      if (isOutOfMemory(error)) throw error;
      this.#fail(entry, error, nowUs);
    }
    const took = this.#options.now() - started;
    if (took > entry.longestUs) entry.longestUs = took;
  }

  #fail(entry: Entry, error: unknown, nowUs: number): void {
    if (entry.strikes.strike(nowUs)) {
      entry.restarts++;
      entry.step = entry.spec.start();
      entry.wakeUs = 0;
      this.#options.failed(entry.name, error, "restarted");
    } else {
      entry.ended = "stopped";
      this.#options.failed(entry.name, error, "stopped");
    }
  }
}
