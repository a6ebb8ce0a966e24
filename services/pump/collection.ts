/**
 * When cycles are collected: in quiet moments, if the heap has grown enough for it to be worth a pause, and in the midst of
 * work once it has grown so much that waiting would make the pause, which grows with the garbage, a long one. The longest
 * pause is kept; reference counting frees everything else at once, so an idle heap needs no collection.
 */

/** The heap, as the pump sees it. */
export interface Heap {
  usedBytes(): number;
  /** Collect cycles now. @returns microseconds it took. */
  collect(): number;
}

/** The policy and its counters. */
export class Collection {
  /** Collections, and those of them that did not wait for a quiet moment. */
  runs = 0;
  whileBusy = 0;
  /** Quiet moments in which the heap had not grown enough. */
  skipped = 0;
  longestUs = 0;
  readonly #heap: Heap;
  readonly #quietBytes: number;
  readonly #busyBytes: number;
  #usedAfter: number;

  /** @param growth bytes by which the heap must have grown since the last collection, in a quiet moment and while there is work. */
  constructor(heap: Heap, growth: { readonly quietBytes: number; readonly busyBytes: number }) {
    this.#heap = heap;
    this.#quietBytes = growth.quietBytes;
    this.#busyBytes = growth.busyBytes;
    this.#usedAfter = heap.usedBytes();
  }

  /** Nothing is waiting: collect if it is worth it. */
  quiet(): void {
    if (this.#grown() < this.#quietBytes) this.skipped++;
    else this.#collect();
  }

  /** There is work: collect only if the garbage could become too much. */
  busy(): void {
    if (this.#grown() < this.#busyBytes) return;
    this.whileBusy++;
    this.#collect();
  }

  /** Collections in a quiet moment. */
  get whileQuiet(): number {
    return this.runs - this.whileBusy;
  }

  /** Bytes since the lowest point after the last collection. */
  #grown(): number {
    const used = this.#heap.usedBytes();
    // What was freed by itself lowers the mark from which growth counts.
    if (used < this.#usedAfter) this.#usedAfter = used;
    return used - this.#usedAfter;
  }

  #collect(): void {
    const took = this.#heap.collect();
    this.runs++;
    if (took > this.longestUs) this.longestUs = took;
    this.#usedAfter = this.#heap.usedBytes();
  }
}
