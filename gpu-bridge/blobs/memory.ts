/** The memory that a bridge keeps for others: taken before anything is allocated, refused beyond the bound, given back exactly. */
export class Memory {
  readonly limit: number;
  used = 0;
  peak = 0;
  refused = 0;
  readonly #whole: Memory | undefined;

  /** @param whole of which it is a part: what is taken of the part is taken of that too */
  constructor(limit: number, whole?: Memory) {
    this.limit = limit;
    this.#whole = whole;
  }

  /** @returns whether there was so much */
  take(bytes: number): boolean {
    if (this.used + bytes > this.limit || this.#whole?.take(bytes) === false) {
      this.refused++;
      return false;
    }
    this.used += bytes;
    this.peak = Math.max(this.peak, this.used);
    return true;
  }

  give(bytes: number): void {
    this.used -= bytes;
    this.#whole?.give(bytes);
  }
}
