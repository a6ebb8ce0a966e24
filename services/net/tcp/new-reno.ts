/**
 * Classic congestion control: slow start, congestion avoidance by bytes counted (RFC 5681, RFC 3465) and NewReno's way
 * through a round of losses (RFC 6582), with an initial window of ten segments. It halves once for each round in which
 * something was lost, and starts anew after a time-out.
 */
import { type CongestionControl, initialWindow, type Sample } from "./congestion.ts";

export class NewReno implements CongestionControl {
  window = 0;
  readonly pacingRate = Infinity;
  /** Where slow start ends. */
  threshold = Infinity;
  #mss = 0;
  #initial = 0;
  /** Bytes acknowledged since the window last grew. */
  #counted = 0;

  start(mss: number): void {
    this.#mss = mss;
    this.#initial = initialWindow(mss);
    this.window = this.#initial;
    this.threshold = Infinity;
    this.#counted = 0;
  }

  acknowledged(sample: Sample): void {
    const bytes = sample.deliveredBytes;
    if (bytes === 0 || sample.recovering === "fast") return;
    if (this.window < this.threshold) {
      // A window that is not used says nothing of whether a larger one would be right (RFC 7661).
      if (sample.recovering === "no" && 2 * sample.priorFlight < this.window) return;
      this.window += Math.min(bytes, 2 * this.#mss);
      return;
    }
    if (sample.priorFlight + this.#mss < this.window) return;
    this.#counted += bytes;
    if (this.#counted >= this.window) {
      this.#counted -= this.window;
      this.window += this.#mss;
    }
  }

  lost(flight: number): void {
    this.#halve(flight);
    this.window = this.threshold;
  }

  recovered(): void {
    // The pipe was kept at the threshold all the while, so there is nothing to deflate.
    this.#counted = 0;
  }

  timedOut(flight: number): void {
    this.#halve(flight);
    this.window = this.#mss;
  }

  resumed(idleUs: number, rtoUs: number): void {
    // RFC 5681 §4.1: what was right before the silence need not be now.
    if (idleUs > rtoUs) this.window = Math.min(this.window, this.#initial);
  }

  #halve(flight: number): void {
    this.threshold = Math.max(flight / 2, 2 * this.#mss);
    this.#counted = 0;
  }
}
