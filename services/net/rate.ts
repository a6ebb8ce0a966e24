/**
 * A token bucket: at most `burst` at once and `perSecond` in the long run. It bounds what we send because others made us.
 */
export class RateLimit {
  private readonly perSecond: number;
  private readonly burst: number;
  private tokens: number;
  private filledUs = 0;

  constructor(perSecond: number, burst: number) {
    this.perSecond = perSecond;
    this.burst = burst;
    this.tokens = burst;
  }

  /** Take one token if there is one at this time. */
  take(nowUs: number): boolean {
    this.tokens = Math.min(this.burst, this.tokens + ((nowUs - this.filledUs) * this.perSecond) / 1_000_000);
    this.filledUs = nowUs;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }
}
