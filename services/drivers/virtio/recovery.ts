/**
 * How often a device that misbehaves may be reset: a sliding window over the last resets.
 * It bounds the time that a broken or hostile device can take from the rest of the system.
 */

/** Resets allowed within {@link WINDOW_US}. */
export const RESETS_PER_WINDOW = 8;
export const WINDOW_US = 60_000_000;

export class ResetBudget {
  private readonly times = new Float64Array(RESETS_PER_WINDOW).fill(-Infinity);
  private oldest = 0;

  /** Take one reset, if there is one left at this time. */
  take(nowUs: number): boolean {
    if (nowUs < this.nextUs()) return false;
    this.times[this.oldest] = nowUs;
    this.oldest = (this.oldest + 1) % RESETS_PER_WINDOW;
    return true;
  }

  /** When the next one may be taken; a time in the past if at once. */
  nextUs(): number {
    return (this.times[this.oldest] ?? 0) + WINDOW_US;
  }
}
