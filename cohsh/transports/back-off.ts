/**
 * How long to wait before a connection is tried again: doubling up to a bound, each time a random part of it, so that many shells
 * which lost the same hive do not come back in step.
 */

/** In milliseconds. */
export interface BackOffRules {
  /** The first wait at most. */
  readonly first: number;
  /** Any wait at most. */
  readonly most: number;
}

export class BackOff {
  readonly #rules: BackOffRules;
  readonly #random: () => number;
  #attempts = 0;

  /** @param random from 0 to below 1 */
  constructor(rules: BackOffRules, random: () => number = Math.random) {
    this.#rules = rules;
    this.#random = random;
  }

  /** Waits since the last {@link reset}. */
  get attempts(): number {
    return this.#attempts;
  }

  /** @param least what the other side asked for @returns milliseconds, between a half and the whole of what is due */
  next(least = 0): number {
    const { first, most } = this.#rules;
    const due = Math.min(most, first * 2 ** Math.min(this.#attempts++, 30));
    return Math.max(least, due / 2 + (due / 2) * this.#random());
  }

  reset(): void {
    this.#attempts = 0;
  }
}
