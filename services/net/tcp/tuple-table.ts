/**
 * Finds a slot by remote address and both ports: a hash table of fixed size with chains, which allocates nothing after its
 * construction. Slots belong to the caller, each is in the table at most once, and the last one found is found at once.
 */

const NONE = -1;

export class TupleTable {
  readonly capacity: number;
  readonly #mask: number;
  readonly #buckets: Int16Array;
  readonly #next: Int16Array;
  readonly #addresses: Int32Array;
  readonly #ports: Int32Array;
  #last = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    let buckets = 1;
    while (buckets < 2 * capacity) buckets *= 2;
    this.#mask = buckets - 1;
    this.#buckets = new Int16Array(buckets).fill(NONE);
    this.#next = new Int16Array(capacity).fill(NONE);
    this.#addresses = new Int32Array(capacity);
    // No pair of ports is 0, so this finds nothing.
    this.#ports = new Int32Array(capacity);
  }

  /** @param ports the remote one in the upper half. @returns -1 if there is none. */
  find(address: number, ports: number): number {
    const last = this.#last;
    if (this.#ports[last] === ports && this.#addresses[last] === address) return last;
    let slot = this.#buckets[this.#bucket(address, ports)]!;
    while (slot !== NONE) {
      if (this.#ports[slot] === ports && this.#addresses[slot] === address) {
        this.#last = slot;
        return slot;
      }
      slot = this.#next[slot]!;
    }
    return NONE;
  }

  insert(slot: number, address: number, ports: number): void {
    const bucket = this.#bucket(address, ports);
    this.#addresses[slot] = address;
    this.#ports[slot] = ports;
    this.#next[slot] = this.#buckets[bucket]!;
    this.#buckets[bucket] = slot;
  }

  remove(slot: number): void {
    const bucket = this.#bucket(this.#addresses[slot]!, this.#ports[slot]!);
    let at = this.#buckets[bucket]!;
    if (at === slot) this.#buckets[bucket] = this.#next[slot]!;
    while (at !== NONE && at !== slot) {
      const next = this.#next[at]!;
      if (next === slot) this.#next[at] = this.#next[slot]!;
      at = next;
    }
    this.#next[slot] = NONE;
    this.#ports[slot] = 0;
    this.#addresses[slot] = 0;
  }

  #bucket(address: number, ports: number): number {
    let mixed = Math.imul(address ^ ports, 0x9e3779b1);
    mixed ^= mixed >>> 15;
    return (Math.imul(mixed ^ (ports << 7), 0x85ebca6b) >>> 16) & this.#mask;
  }
}
