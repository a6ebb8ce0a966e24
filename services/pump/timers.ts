/**
 * One-shot timers in a bounded binary heap, for the pump and whoever it hands them to. Scheduling and cancelling
 * cost O(log n) and allocate nothing; timers of one deadline fire in the order in which they were set, and a
 * callback may set or cancel any timer, its own included.
 */
import type { Pool } from "../ports/index.ts";

/** Names a timer; never reused while the hive runs. */
export type TimerId = number;

/** What others may do with the pump's timers. */
export interface TimerPort {
  /** @returns `undefined` if all are in use (counted). */
  schedule(deadlineUs: number, callback: (nowUs: number) => void): TimerId | undefined;
  /** @returns whether it was still waiting. */
  cancel(id: TimerId): boolean;
}

const FREE = -1;
/** Memory of one; what its callback holds is its owner's. */
const TIMER_BYTES = 64;
const nothing = (): void => undefined;

/** A bounded set of one-shot timers. */
export class Timers implements TimerPort {
  readonly capacity: number;
  /** Timers set but refused because all were in use. */
  refused = 0;
  fired = 0;
  highWater = 0;

  #size = 0;
  #sequence = 0;
  /** Slots in heap order, and where in the heap each slot is. */
  readonly #heap: Int32Array;
  readonly #position: Int32Array;
  readonly #deadline: Float64Array;
  readonly #order: Float64Array;
  /** How often a slot was used; part of its id, so that an old id cancels nothing new. */
  readonly #generation: Float64Array;
  readonly #callback: ((nowUs: number) => void)[];

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#heap = new Int32Array(capacity);
    this.#position = new Int32Array(capacity).fill(FREE);
    this.#deadline = new Float64Array(capacity);
    this.#order = new Float64Array(capacity);
    this.#generation = new Float64Array(capacity);
    this.#callback = new Array<(nowUs: number) => void>(capacity).fill(nothing);
    // Beyond #size the heap array is the list of free slots.
    for (let slot = 0; slot < capacity; slot++) this.#heap[slot] = slot;
  }

  pools(): Pool[] {
    const { capacity, highWater, refused } = this;
    return [["pump.timers", capacity * TIMER_BYTES, this.#size, capacity, highWater, "refused", refused]];
  }

  get size(): number {
    return this.#size;
  }

  /** The earliest deadline, `Infinity` if none waits. */
  nextUs(): number {
    return this.#size === 0 ? Infinity : this.#deadline[this.#heap[0]!]!;
  }

  schedule(deadlineUs: number, callback: (nowUs: number) => void): TimerId | undefined {
    if (this.#size === this.capacity) {
      this.refused++;
      return undefined;
    }
    const at = this.#size++;
    const slot = this.#heap[at]!;
    if (this.#size > this.highWater) this.highWater = this.#size;
    this.#deadline[slot] = deadlineUs;
    this.#order[slot] = this.#sequence++;
    this.#callback[slot] = callback;
    this.#position[slot] = at;
    this.#up(at);
    return this.#generation[slot]! * this.capacity + slot;
  }

  cancel(id: TimerId): boolean {
    const slot = id % this.capacity;
    const at = this.#position[slot];
    if (at === undefined || at === FREE || this.#generation[slot] !== (id - slot) / this.capacity) return false;
    this.#remove(at);
    return true;
  }

  /**
   * Fire up to `budget` timers that are due at `nowUs`.
   * @returns how many fired.
   */
  fire(nowUs: number, budget: number): number {
    let done = 0;
    // A timer that a callback sets in the past waits for the next turn, or it could keep this one going for ever.
    const horizon = this.#sequence;
    while (done < budget && this.#size > 0) {
      const slot = this.#heap[0]!;
      if (this.#deadline[slot]! > nowUs || this.#order[slot]! >= horizon) break;
      const callback = this.#callback[slot]!;
      this.#remove(0);
      this.fired++;
      done++;
      callback(nowUs);
    }
    return done;
  }

  #remove(at: number): void {
    const slot = this.#heap[at]!;
    const last = --this.#size;
    const moved = this.#heap[last]!;
    this.#heap[last] = slot;
    this.#position[slot] = FREE;
    this.#generation[slot] = this.#generation[slot]! + 1;
    this.#callback[slot] = nothing;
    if (at === last) return;
    this.#heap[at] = moved;
    this.#position[moved] = at;
    this.#up(at);
    this.#down(this.#position[moved]);
  }

  #before(a: number, b: number): boolean {
    const da = this.#deadline[a]!;
    const db = this.#deadline[b]!;
    return da < db || (da === db && this.#order[a]! < this.#order[b]!);
  }

  #swap(i: number, j: number): void {
    const a = this.#heap[i]!;
    const b = this.#heap[j]!;
    this.#heap[i] = b;
    this.#heap[j] = a;
    this.#position[b] = i;
    this.#position[a] = j;
  }

  #up(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(this.#heap[at]!, this.#heap[parent]!)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #down(from: number): void {
    let at = from;
    for (;;) {
      let least = at;
      for (let child = 2 * at + 1; child <= 2 * at + 2 && child < this.#size; child++) {
        if (this.#before(this.#heap[child]!, this.#heap[least]!)) least = child;
      }
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }
}
