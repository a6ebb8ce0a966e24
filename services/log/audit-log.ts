/**
 * The audit log as those may fill it whom nobody has to trust: strangers with wrong credentials, and holders of a low role's ticket
 * who come and go. Whatever they do, a line of theirs pushes out few others: beyond a burst there is one a second, and the next says
 * how many there were besides. Whole, the log lasts them for hours; without this it lasted for a minute.
 */
import { RateLimit } from "../net/rate.ts";
import type { Clock, Log } from "../ports/index.ts";

export const AUDIT_BURST = 128;
const PER_SECOND = 1;

export class AuditLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #rate: RateLimit;
  /** Lines that were summed up since the last. */
  #unlogged = 0;

  /** @param burst lines that may come at once */
  constructor(log: Log, clock: Clock, burst = AUDIT_BURST) {
    this.#log = log;
    this.#clock = clock;
    this.#rate = new RateLimit(PER_SECOND, burst);
  }

  /** @returns whether it has a line of its own */
  line(subsystem: string, text: string): boolean {
    if (!this.#rate.take(this.#clock.nowUs())) {
      this.#unlogged++;
      return false;
    }
    const unlogged = this.#unlogged === 0 ? "" : ` unlogged=${this.#unlogged}`;
    this.#unlogged = 0;
    this.#log.line(subsystem, text + unlogged);
    return true;
  }
}
