/**
 * When cycles are collected: in quiet moments only, and only if the heap has grown enough for it to be worth a pause.
 * The longest pause is kept; reference counting frees everything else at once, so an idle heap needs no collection.
 */

/** The heap, as the pump sees it. */
export interface Heap {
  usedBytes(): number;
  /** Collect cycles now. @returns microseconds it took. */
  collect(): number;
}

/** The policy and its counters. */
export class Collection {
  runs = 0;
  /** Quiet moments in which the heap had not grown enough. */
  skipped = 0;
  longestUs = 0;
  readonly #heap: Heap;
  readonly #growthBytes: number;
  #usedAfter: number;

  /** @param growthBytes bytes by which the heap must have grown since the last collection. */
  constructor(heap: Heap, growthBytes: number) {
    this.#heap = heap;
    this.#growthBytes = growthBytes;
    this.#usedAfter = heap.usedBytes();
  }

  /** Nothing is waiting: collect if it is worth it. */
  quiet(): void {
    const used = this.#heap.usedBytes();
    // What was freed by itself lowers the mark from which growth counts.
    if (used < this.#usedAfter) this.#usedAfter = used;
    if (used - this.#usedAfter < this.#growthBytes) {
      this.skipped++;
      return;
    }
    const took = this.#heap.collect();
    this.runs++;
    if (took > this.longestUs) this.longestUs = took;
    this.#usedAfter = this.#heap.usedBytes();
  }
}
