/**
 * Pools of which there are several of a kind, one for each connection, session or worker: shown as one, with the memory that as
 * many as there may be would take, the use of the fullest, and how often any of them was full. What was is kept when one ends.
 */
import type { Pool } from "../ports/index.ts";

/** A pool whose numbers go on. */
type Counted = [...Pool];

/** The pools of a kind of things that come and go. */
export class Several {
  readonly #most: number;
  readonly #gone: Counted[];

  /** @param most how many there may be at once @param unused the pools of one that was never used */
  constructor(most: number, unused: readonly Pool[]) {
    this.#most = most;
    this.#gone = unused.map((pool) => [...pool]);
  }

  /** One is over. */
  ended(pools: readonly Pool[]): void {
    const all = this.#gone;
    for (let index = 0; index < all.length; index++) {
      const gone = all[index]!;
      const pool = pools[index]!;
      gone[2] = 0;
      if (pool[4] > gone[4]) gone[4] = pool[4];
      gone[6] += pool[6];
    }
  }

  /** @param live the pools of those that are there */
  pools(live: readonly (readonly Pool[])[]): Pool[] {
    return this.#gone.map((gone, index) => {
      let used = 0;
      let peak = gone[4];
      let times = gone[6];
      for (const pools of live) {
        const pool = pools[index]!;
        used = Math.max(used, pool[2]);
        peak = Math.max(peak, pool[4]);
        times += pool[6];
      }
      return [gone[0], this.#most * gone[1], used, gone[3], peak, gone[5], times];
    });
  }
}
