/**
 * Whether a long run stays within its memory: what is in use after the first tenth of it is what may be in use at its end,
 * give or take what a collector leaves lying.
 */
const SLACK = 64 * 1024 * 1024;

export class Memory {
  /** Most that was in use, in bytes. */
  highWater = 0;
  #settled = Infinity;

  /** @param share how much of the run is done. @throws Error if more is in use than there should be */
  look(share: number): void {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    const used = heapUsed + arrayBuffers;
    this.highWater = Math.max(this.highWater, used);
    if (share <= 0.1) this.#settled = this.highWater;
    else if (used > this.#settled + SLACK) {
      throw new Error(`${used} bytes are in use, ${this.#settled} were after the first tenth`);
    }
  }
}
