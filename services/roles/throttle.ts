/**
 * Slows down whoever guesses credentials, and nobody else: it is asked only about wrong ones, so a right one is always admitted,
 * whoever shares its source. Sources beyond the table share one entry, which makes a guesser with many addresses no faster.
 */
import type { Pool } from "../ports/index.ts";

const WINDOW_US = 60_000_000;
const FIRST_DELAY_MS = 250;
const DELAY_MAX_MS = 8000;
const COOL_DOWN_US = 90_000_000;
/** Failures in the window that start a cool-down. */
const COOL_DOWN_AFTER = 3;
/** As many failures as bring the delay to its most; older ones change nothing. */
const REMEMBERED = 6;
export const SOURCES = 64;
/** Memory of one. */
const SOURCE_BYTES = 1024;

/** The answer to a wrong credential. */
export interface FailureAnswer {
  /** `denied` goes out after the delay; `rate-limited` at once, names the delay, and the connection is closed. */
  readonly kind: "denied" | "rate-limited";
  readonly delayMs: number;
}

/** What is known of one source. */
class Source {
  /** Times of the last failures, a ring. */
  readonly #times = new Float64Array(REMEMBERED).fill(-Infinity);
  #next = 0;
  coolUntilUs = -Infinity;

  /** Failures in the window before this time. */
  recent(nowUs: number): number {
    let count = 0;
    for (const time of this.#times) if (nowUs - time < WINDOW_US) count++;
    return count;
  }

  add(nowUs: number): void {
    this.#times[this.#next] = nowUs;
    this.#next = (this.#next + 1) % REMEMBERED;
  }

  idle(nowUs: number): boolean {
    return nowUs >= this.coolUntilUs && this.recent(nowUs) === 0;
  }
}

/** Failed logins by source. */
export class LoginThrottle {
  readonly counters = { failed: 0, delayed: 0, rateLimited: 0, coolDowns: 0, overflowed: 0 };
  readonly #capacity: number;
  readonly #sources = new Map<number, Source>();
  readonly #overflow = new Source();
  #peak = 0;

  constructor(capacity = SOURCES) {
    this.#capacity = capacity;
  }

  /** Sources that it knows. */
  get size(): number {
    return this.#sources.size;
  }

  /**
   * A credential was wrong.
   * @param source number of an address or of a line; the caller keeps the two apart
   */
  failed(source: number, nowUs: number): FailureAnswer {
    this.counters.failed++;
    const entry = this.#entry(source, nowUs);
    const before = entry.recent(nowUs);
    entry.add(nowUs);
    if (nowUs < entry.coolUntilUs) {
      this.counters.rateLimited++;
      return { kind: "rate-limited", delayMs: Math.ceil((entry.coolUntilUs - nowUs) / 1000) };
    }
    if (before + 1 >= COOL_DOWN_AFTER) {
      entry.coolUntilUs = nowUs + COOL_DOWN_US;
      this.counters.coolDowns++;
    }
    if (before === 0) return { kind: "denied", delayMs: 0 };
    this.counters.delayed++;
    return { kind: "denied", delayMs: Math.min(DELAY_MAX_MS, FIRST_DELAY_MS * 2 ** (before - 1)) };
  }

  pools(): Pool[] {
    const of = this.#capacity;
    return [["roles.sources", of * SOURCE_BYTES, this.size, of, this.#peak, "shared", this.counters.overflowed]];
  }

  #entry(source: number, nowUs: number): Source {
    const known = this.#sources.get(source);
    if (known !== undefined) return known;
    if (this.#sources.size >= this.#capacity) this.#forgetIdle(nowUs);
    if (this.#sources.size >= this.#capacity) {
      this.counters.overflowed++;
      return this.#overflow;
    }
    const entry = new Source();
    this.#sources.set(source, entry);
    this.#peak = Math.max(this.#peak, this.size);
    return entry;
  }

  #forgetIdle(nowUs: number): void {
    for (const [source, entry] of this.#sources) if (entry.idle(nowUs)) this.#sources.delete(source);
  }
}
