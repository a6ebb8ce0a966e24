/** Time as the bridge has it: one clock that never goes back for what ends by itself, and the time of day for what is shown. */

/** The longest that a timer of Node takes, in milliseconds; a longer one is set in pieces. */
const TIMER_MS = 2 ** 31 - 1;

export interface BridgeClock {
  /** Milliseconds that never go back. */
  nowMs(): number;
  /** Unix time in whole milliseconds. */
  unixMs(): number;
  /** Call that once, in so many milliseconds at the earliest. @returns how to leave it */
  after(ms: number, then: () => void): () => void;
}

export const systemClock: BridgeClock = {
  nowMs: () => performance.now(),
  unixMs: () => Date.now(),
  after(ms, then) {
    const atMs = performance.now() + ms;
    let timer: NodeJS.Timeout;
    const wait = (): void => {
      const leftMs = Math.ceil(atMs - performance.now());
      // Node may call a little too early.
      if (leftMs <= 0) return then();
      // A process that has nothing else to do has no lease to end.
      timer = setTimeout(wait, Math.min(leftMs, TIMER_MS)).unref();
    };
    timer = setTimeout(wait, 0).unref();
    return () => clearTimeout(timer);
  },
};
