/**
 * Counts of microsecond values in fixed memory, with percentiles exact to 1/16 of the value. Recording allocates
 * nothing and takes any number; negative ones count as 0, those from 2^31 up as 2^31 - 1.
 */

/** Sixteen buckets for each power of two. */
const SUB_BITS = 4;
const SUB = 1 << SUB_BITS;
const BUCKETS = (32 - SUB_BITS) * SUB;
const LARGEST = 0x7fffffff;

/** A histogram of microseconds. */
export class Histogram {
  count = 0;
  max = 0;
  readonly #buckets = new Uint32Array(BUCKETS);

  record(us: number): void {
    const value = us > 0 ? (us < LARGEST ? us | 0 : LARGEST) : 0;
    this.count++;
    if (value > this.max) this.max = value;
    const shift = value < SUB ? 0 : 31 - SUB_BITS - Math.clz32(value);
    const index = shift * SUB + (value >>> shift);
    this.#buckets[index] = this.#buckets[index]! + 1;
  }

  /** The least recorded value that `fraction` (0 to 1) of all values do not exceed; rounded up to its bucket's end. */
  percentile(fraction: number): number {
    if (this.count === 0) return 0;
    const wanted = Math.max(1, Math.ceil(this.count * fraction));
    let seen = 0;
    for (let index = 0; index < BUCKETS; index++) {
      seen += this.#buckets[index]!;
      if (seen >= wanted) return Math.min(bucketEnd(index), this.max);
    }
    return this.max;
  }

  clear(): void {
    this.count = 0;
    this.max = 0;
    this.#buckets.fill(0);
  }
}

/** Largest value that falls into a bucket; the inverse of the index that `record` computes. */
function bucketEnd(index: number): number {
  if (index < 2 * SUB) return index;
  const shift = Math.floor(index / SUB) - 1;
  // By multiplication: a shift would turn the last bucket's end negative.
  return (index - shift * SUB + 1) * 2 ** shift - 1;
}
