/**
 * Time of day in milliseconds from a clock that ticks in seconds: within a second it goes on with the monotonic clock, and it
 * never leaves the second that the clock of the day is in, so it is wrong by less than one.
 */
import type { Clock, WallClock } from "../ports/index.ts";

export class WallTime {
  readonly #clock: Clock;
  readonly #wall: WallClock;
  /** The time of day at a time since boot. */
  #atMs = 0;
  #atUs = 0;

  constructor(clock: Clock, wall: WallClock) {
    this.#clock = clock;
    this.#wall = wall;
  }

  /** Unix time in milliseconds, `undefined` if no clock tells. */
  unixMs(): number | undefined {
    const seconds = this.#wall.unixSeconds();
    if (seconds === undefined) return undefined;
    const nowUs = this.#clock.nowUs();
    const carried = this.#atMs + (nowUs - this.#atUs) / 1000;
    this.#atMs = Math.min(Math.max(carried, seconds * 1000), seconds * 1000 + 999);
    this.#atUs = nowUs;
    return Math.floor(this.#atMs);
  }
}
