/**
 * A timer whose place is taken once and kept, for what must not fail later because all timers are in use: setting it to
 * another time always succeeds. It fires once for each time that it is set to, and never when it is cleared.
 */
import type { TimerId, TimerPort } from "./timers.ts";

const nothing = (): void => undefined;

export class HeldTimer {
  readonly #timers: TimerPort;
  #fired: (nowUs: number) => void;
  #id: TimerId | undefined;
  #deadlineUs = Infinity;

  private constructor(timers: TimerPort, callback: (nowUs: number) => void) {
    this.#timers = timers;
    this.#fired = (nowUs) => {
      // First of all the place is taken again, before anybody else can.
      this.#deadlineUs = Infinity;
      this.#id = timers.schedule(Infinity, this.#fired);
      callback(nowUs);
    };
    this.#id = timers.schedule(Infinity, this.#fired);
  }

  /** @returns undefined if all timers are in use. */
  static take(timers: TimerPort, callback: (nowUs: number) => void): HeldTimer | undefined {
    const held = new HeldTimer(timers, callback);
    return held.#id === undefined ? undefined : held;
  }

  /** When it fires, Infinity if it is not set. */
  get deadlineUs(): number {
    return this.#deadlineUs;
  }

  /** Fire then, and not when it was set to before. */
  set(deadlineUs: number): void {
    if (this.#id === undefined) throw new Error("HeldTimer: it was given back");
    if (deadlineUs === this.#deadlineUs) return;
    this.#timers.cancel(this.#id);
    this.#deadlineUs = deadlineUs;
    this.#id = this.#timers.schedule(deadlineUs, this.#fired);
  }

  clear(): void {
    if (this.#id !== undefined) this.set(Infinity);
  }

  /** Give its place back. May be called again. */
  release(): void {
    if (this.#id !== undefined) this.#timers.cancel(this.#id);
    this.#id = undefined;
    this.#deadlineUs = Infinity;
    // It holds this, and whoever the callback is of.
    this.#fired = nothing;
  }
}
