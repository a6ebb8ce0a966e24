/**
 * The pump's own clock pulse (10 ms by default), which runs only while there is work and for a few quiet pulses after.
 * It measures how late turns come, and its quiet end is the moment in which the pump collects best; an idle hive has no pulse.
 */
import { Histogram } from "./histogram.ts";

/** The pulse. */
export class Tick {
  readonly periodUs: number;
  /** How much later than due each pulse was seen, in microseconds. */
  readonly lateness = new Histogram();
  /** Pulses seen, and pulses that passed unseen because a turn took longer than a period. */
  count = 0;
  missed = 0;
  /** When the next is due; `Infinity` while it stands still. */
  nextUs = Infinity;
  /** Pulses in a row without work in between. */
  quiet = 0;
  #worked = false;

  constructor(periodUs: number) {
    this.periodUs = periodUs;
  }

  /** Something was done: run, or go on running. */
  work(nowUs: number): void {
    this.#worked = true;
    if (this.nextUs === Infinity) this.nextUs = nowUs + this.periodUs;
  }

  /** See whether a pulse is due. @returns whether there was one. */
  observe(nowUs: number): boolean {
    if (nowUs < this.nextUs) return false;
    const late = nowUs - this.nextUs;
    this.lateness.record(late);
    this.count++;
    const whole = Math.floor(late / this.periodUs);
    this.missed += whole;
    this.nextUs += (whole + 1) * this.periodUs;
    this.quiet = this.#worked ? 0 : this.quiet + 1;
    this.#worked = false;
    return true;
  }

  stop(): void {
    this.nextUs = Infinity;
    this.quiet = 0;
  }
}
