/**
 * Received bytes: in order for the layer above, and out of order behind a gap (RFC 9293 §3.10.7.4), in one ring of fixed
 * size. A byte is copied once into its place and once out. Gaps are bounded by the table of ranges: what would need one
 * more is refused, and comes again. A byte that is there already is never overwritten.
 */
import type { Bytes } from "../../ports/index.ts";
import { before, distance } from "./sequence.ts";

/** Ranges out of order at once. */
export const RANGES_MAX = 32;

export class ReceiveBuffer {
  readonly capacity: number;
  /** Bytes in order that wait to be read. */
  length = 0;
  /** Most bytes that it ever held in order, and most ranges out of order. */
  highWater = 0;
  rangesHighWater = 0;
  /** Ranges out of order: as sequence numbers, ascending, with a gap before each. */
  ranges = 0;
  readonly left = new Int32Array(RANGES_MAX);
  readonly right = new Int32Array(RANGES_MAX);
  /** When each range last grew, counted in segments; SACK reports the latest first (RFC 2018 §4). */
  readonly #grown = new Float64Array(RANGES_MAX);
  #clock = 0;
  readonly #bytes: Bytes;
  readonly #ring: Uint8Array;
  #head = 0;

  constructor(bytes: Bytes, capacity: number) {
    this.#bytes = bytes;
    this.capacity = capacity;
    this.#ring = new Uint8Array(capacity);
  }

  get free(): number {
    return this.capacity - this.length;
  }

  clear(): void {
    this.length = 0;
    this.ranges = 0;
    this.#head = 0;
    this.#clock = 0;
  }

  /** Move up to `max` bytes into `into`. @returns how many. */
  read(into: Uint8Array, at: number, max: number): number {
    const take = Math.min(max, this.length);
    if (take <= 0) return 0;
    const first = Math.min(take, this.capacity - this.#head);
    this.#bytes.copy(into, at, this.#ring, this.#head, first);
    if (first < take) this.#bytes.copy(into, at + first, this.#ring, 0, take - first);
    this.skip(take);
    return take;
  }

  /** The ring's memory: its oldest bytes are {@link run} bytes from {@link head} on. Take them with {@link skip}. */
  get memory(): Uint8Array {
    return this.#ring;
  }

  get head(): number {
    return this.#head;
  }

  get run(): number {
    return Math.min(this.length, this.capacity - this.#head);
  }

  /** Take bytes that were looked at in place. */
  skip(count: number): void {
    this.length -= count;
    this.#head += count;
    if (this.#head >= this.capacity) this.#head -= this.capacity;
  }

  /**
   * Take in `length` bytes with sequence number `sequence`, which the caller has cut to what is expected or later and to
   * {@link free}. `next` is the sequence number of the first byte that is expected.
   * @returns how many bytes are in order now that were not, or -1 if there is no room for one more range.
   */
  insert(next: number, sequence: number, from: Uint8Array, start: number, length: number): number {
    const offset = distance(next, sequence);
    if (offset === 0 && this.ranges === 0) {
      this.#place(0, from, start, length);
      this.#grew(length);
      return length;
    }
    const end = (sequence + length) | 0;
    // The first range that ends at or behind the segment's start, and the first that begins behind its end.
    let low = 0;
    while (low < this.ranges && before(this.right[low]!, sequence)) low++;
    let high = low;
    while (high < this.ranges && !before(end, this.left[high]!)) high++;
    if (low === high && offset !== 0 && this.ranges === RANGES_MAX) return -1;
    this.#fill(next, sequence, end, low, high, from, start);
    if (offset === 0) {
      // Contiguous with what is in order: the ranges that it touches are so now, too.
      let covered = end;
      if (high > low && before(covered, this.right[high - 1]!)) covered = this.right[high - 1]!;
      this.#replace(low, high, 0);
      const grown = distance(next, covered);
      this.#grew(grown);
      return grown;
    }
    let left = sequence;
    let right = end;
    if (high > low) {
      if (before(this.left[low]!, left)) left = this.left[low]!;
      if (before(right, this.right[high - 1]!)) right = this.right[high - 1]!;
    }
    this.#replace(low, high, 1);
    this.left[low] = left;
    this.right[low] = right;
    this.#grown[low] = ++this.#clock;
    return 0;
  }

  /** The ranges as SACK has them: the one that grew last first, at most `max`. @returns how many. */
  report(edges: Int32Array, at: number, max: number): number {
    let bound = Infinity;
    let count = 0;
    while (count < max) {
      let best = -1;
      for (let i = 0; i < this.ranges; i++) {
        if (this.#grown[i]! < bound && (best < 0 || this.#grown[i]! > this.#grown[best]!)) best = i;
      }
      if (best < 0) break;
      bound = this.#grown[best]!;
      edges[at + 2 * count] = this.left[best]!;
      edges[at + 2 * count + 1] = this.right[best]!;
      count++;
    }
    return count;
  }

  #grew(by: number): void {
    this.length += by;
    if (this.length > this.highWater) this.highWater = this.length;
  }

  /** Copy what no range between `low` and `high` has. */
  #fill(next: number, sequence: number, end: number, low: number, high: number, from: Uint8Array, start: number): void {
    let at = sequence;
    for (let i = low; i < high && before(at, end); i++) {
      const left = this.left[i]!;
      if (before(at, left)) this.#place(distance(next, at), from, start + distance(sequence, at), distance(at, left));
      if (before(at, this.right[i]!)) at = this.right[i]!;
    }
    if (before(at, end)) {
      this.#place(distance(next, at), from, start + distance(sequence, at), distance(at, end));
    }
  }

  /** Copy to `offset` behind what is in order. */
  #place(offset: number, from: Uint8Array, start: number, length: number): void {
    let tail = this.#head + this.length + offset;
    if (tail >= this.capacity) tail -= this.capacity;
    const first = Math.min(length, this.capacity - tail);
    this.#bytes.copy(this.#ring, tail, from, start, first);
    if (first < length) this.#bytes.copy(this.#ring, 0, from, start + first, length - first);
  }

  /** Put `count` ranges, 0 or 1, in the place of those from `low` to before `high`. */
  #replace(low: number, high: number, count: number): void {
    const shift = count - (high - low);
    if (shift === 0) return;
    if (shift < 0) {
      for (let i = high; i < this.ranges; i++) this.#move(i, i + shift);
    } else {
      for (let i = this.ranges - 1; i >= high; i--) this.#move(i, i + shift);
    }
    this.ranges += shift;
    if (this.ranges > this.rangesHighWater) this.rangesHighWater = this.ranges;
  }

  #move(from: number, to: number): void {
    this.left[to] = this.left[from]!;
    this.right[to] = this.right[from]!;
    this.#grown[to] = this.#grown[from]!;
  }
}
