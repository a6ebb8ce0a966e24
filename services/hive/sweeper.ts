/**
 * Ends what has run out, in a turn of its own: whoever notices in the middle of a request or of a component's call only says
 * so here. One timer, held for good, stands for the deadlines of all sessions and workers, so no deadline is missed because
 * all timers are in use.
 */
import type { Clock } from "../ports/index.ts";
import { HeldTimer } from "../pump/held-timer.ts";
import type { TimerPort } from "../pump/timers.ts";

/** Things that have a time. */
export interface Sweepable {
  /** End those whose time or budget is over. */
  sweep(nowUs: number): void;
  /** When the next one's time is over, Infinity for never. */
  nextUs(): number;
}

export class Sweeper {
  readonly #clock: Clock;
  readonly #timer: HeldTimer;
  readonly #swept: Sweepable[] = [];

  /** @throws Error if all timers are in use. */
  constructor(clock: Clock, timers: TimerPort) {
    const timer = HeldTimer.take(timers, (nowUs) => this.#sweep(nowUs));
    if (timer === undefined) throw new Error("Sweeper: no timer is left");
    this.#clock = clock;
    this.#timer = timer;
  }

  /** Those that are added first are swept first. */
  add(swept: Sweepable): void {
    this.#swept.push(swept);
  }

  /** Something has run out: sweep in the next turn. */
  soon(): void {
    this.#timer.set(Math.min(this.#timer.deadlineUs, this.#clock.nowUs()));
  }

  /** Something came, or has another deadline now. */
  changed(): void {
    let nextUs = Infinity;
    for (const swept of this.#swept) nextUs = Math.min(nextUs, swept.nextUs());
    // What is due soonest may be a sweep that somebody asked for.
    this.#timer.set(this.#timer.deadlineUs <= this.#clock.nowUs() ? this.#timer.deadlineUs : nextUs);
  }

  #sweep(nowUs: number): void {
    for (const swept of this.#swept) swept.sweep(nowUs);
    this.changed();
  }
}
