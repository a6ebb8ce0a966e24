/**
 * Round-trip time and the retransmission time-out that follows from it (RFC 6298). The variance's share of the time-out is
 * at least {@link VARIANCE_FLOOR_US} instead of the whole being at least a second: acknowledgements are delayed by at most
 * 40 ms here and 200 ms elsewhere, which is what the second was for, and Linux has done so for long.
 */

export const RTO_INITIAL_US = 1_000_000;
export const RTO_MAX_US = 60_000_000;
export const VARIANCE_FLOOR_US = 200_000;
/** How long the least round-trip time is believed. */
export const MIN_WINDOW_US = 10_000_000;

export class RoundTrip {
  /** Smoothed, 0 before the first sample. */
  smoothedUs = 0;
  varianceUs = 0;
  /** Without back-off. */
  rtoUs = RTO_INITIAL_US;
  /** Least of the last ten seconds or more; `Infinity` before the first sample. */
  minUs = Infinity;
  minAtUs = 0;

  clear(): void {
    this.smoothedUs = 0;
    this.varianceUs = 0;
    this.rtoUs = RTO_INITIAL_US;
    this.minUs = Infinity;
    this.minAtUs = 0;
  }

  sample(rttUs: number, nowUs: number): void {
    if (rttUs <= this.minUs || nowUs - this.minAtUs > MIN_WINDOW_US) {
      this.minUs = rttUs;
      this.minAtUs = nowUs;
    }
    if (this.smoothedUs === 0) {
      this.smoothedUs = rttUs > 0 ? rttUs : 1;
      this.varianceUs = rttUs / 2;
    } else {
      const error = Math.abs(this.smoothedUs - rttUs);
      this.varianceUs += (error - this.varianceUs) / 4;
      this.smoothedUs += (rttUs - this.smoothedUs) / 8;
    }
    this.rtoUs = Math.min(RTO_MAX_US, this.smoothedUs + Math.max(VARIANCE_FLOOR_US, 4 * this.varianceUs));
  }

  /** The time-out after `backoff` time-outs in a row (§5.5). */
  timeout(backoff: number): number {
    return Math.min(RTO_MAX_US, this.rtoUs * 2 ** Math.min(backoff, 16));
  }
}
