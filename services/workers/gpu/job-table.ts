/**
 * The jobs whose end is not known yet, and the ids of those that ended last. Of each job it lets every state pass once and in
 * order, whatever order and however often a bridge tells them, and nothing after its end.
 */
import type { State } from "./status-line.ts";

/** Jobs that may be outstanding at once, and ends that are remembered. */
export const JOBS_MAX = 64;
export const ENDED_MAX = 256;

const RANKS: Readonly<Record<State, number>> = { QUEUED: 1, RUNNING: 2, OK: 3, ERR: 3 };
const ENDED = 3;

export interface Job {
  readonly id: string;
  /** Of its last state; 0 before any is known. */
  rank: number;
  /** Whether the replay mentions it. */
  seen: boolean;
}

export class JobTable {
  readonly #jobs = new Map<string, Job>();
  /** The oldest first, and whether it was given up while its bridge may still have it. */
  readonly #ended = new Map<string, boolean>();

  /** Jobs that are outstanding. */
  get size(): number {
    return this.#jobs.size;
  }

  get full(): boolean {
    return this.#jobs.size >= JOBS_MAX;
  }

  has(id: string): boolean {
    return this.#jobs.has(id);
  }

  /** Whether an end of that id is remembered, and no job was accepted by it since. */
  hasEnded(id: string): boolean {
    return this.#ended.has(id);
  }

  /** A job that is being submitted. The caller sees that there is room and none of that id. */
  add(id: string): Job {
    const job = { id, rank: 0, seen: false };
    this.#jobs.set(id, job);
    return job;
  }

  /** Whether it is outstanding and no state of it is known. */
  isNew(job: Job): boolean {
    return job.rank === 0 && this.#jobs.get(job.id) === job;
  }

  /** A job was accepted: what is told of its id from now on is told of it, and not of one that ended before. */
  accepted(job: Job): void {
    if (this.#jobs.get(job.id) === job) this.#ended.delete(job.id);
  }

  /** A job was never accepted. */
  withdraw(job: Job): void {
    this.#jobs.delete(job.id);
  }

  /** One that is outstanding is given up: what is told of it later comes too late. */
  giveUp(job: Job): void {
    this.#end(job, true);
  }

  /** Any that is outstanding; of those that the replay does not mention, if that is asked. */
  any(unseen: boolean): Job | undefined {
    for (const job of this.#jobs.values()) if (!unseen || !job.seen) return job;
    return undefined;
  }

  /** A replay begins, which mentions none yet. */
  unsee(): void {
    for (const job of this.#jobs.values()) job.seen = false;
  }

  /** What is told from now on is told of new jobs only, whatever their ids. */
  forgetEnded(): void {
    this.#ended.clear();
  }

  /** A bridge tells a job's state. @param replay whether again, perhaps @returns whether that is news */
  advance(id: string, state: State, replay: boolean): boolean {
    if (replay && this.#ended.has(id)) return false;
    const rank = RANKS[state];
    const job = this.#jobs.get(id) ?? this.#begin(id, state);
    if (job === undefined) return false;
    job.seen = true;
    if (rank <= job.rank) return false;
    job.rank = rank;
    if (rank === ENDED) this.#end(job, false);
    else if (state === "QUEUED") this.#ended.delete(id);
    return true;
  }

  /** A job that somebody else submitted. */
  #begin(id: string, state: State): Job | undefined {
    return state !== "QUEUED" || this.full || this.#ended.get(id) === true ? undefined : this.add(id);
  }

  #end(job: Job, givenUp: boolean): void {
    const { id } = job;
    job.rank = ENDED;
    this.#jobs.delete(id);
    // Whoever ends twice is the youngest again.
    this.#ended.delete(id);
    this.#ended.set(id, givenUp);
    if (this.#ended.size <= ENDED_MAX) return;
    for (const oldest of this.#ended.keys()) {
      this.#ended.delete(oldest);
      return;
    }
  }
}
