/** The memory that a bridge keeps for others: taken before anything is allocated, refused beyond the bound, given back exactly. */
export class Memory {
  readonly limit: number;
  used = 0;
  peak = 0;
  refused = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** @returns whether there was so much */
  take(bytes: number): boolean {
    if (this.used + bytes > this.limit) {
      this.refused++;
      return false;
    }
    this.used += bytes;
    this.peak = Math.max(this.peak, this.used);
    return true;
  }

  give(bytes: number): void {
    this.used -= bytes;
  }
}
