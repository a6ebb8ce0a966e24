/**
 * The rule by which something that fails is tried again or given up: at most `times` failures within a sliding window.
 */

/** One subject's failures. */
export class Strikes {
  readonly times: number;
  readonly withinUs: number;
  total = 0;
  readonly #when: Float64Array;

  constructor(times: number, withinUs: number) {
    this.times = times;
    this.withinUs = withinUs;
    this.#when = new Float64Array(times + 1).fill(-Infinity);
  }

  /** One more failure. @returns whether it may be tried again. */
  strike(nowUs: number): boolean {
    const slot = this.total++ % this.#when.length;
    this.#when[slot] = nowUs;
    let recent = 0;
    for (const when of this.#when) if (nowUs - when < this.withinUs) recent++;
    return recent <= this.times;
  }
}
