/**
 * Ends a request of a console that its provider does not answer in time. Whoever waits tells it so after each step; it holds one
 * timer at most, and where there is none it lets nobody wait.
 */
import type { Clock } from "../ports/index.ts";
import type { TimerId, TimerPort } from "../pump/timers.ts";
import { BUSY, TIMED_OUT } from "../secure9p/refusal.ts";
import type { FileClient } from "./file-client.ts";

/** How long a provider may take for one request. */
const PATIENCE_US = 5_000_000;

export interface PatienceOptions {
  readonly clock: Clock;
  readonly timers: TimerPort;
  readonly patienceUs?: number | undefined;
}

const nothing = (): void => undefined;

export class Patience {
  readonly #options: PatienceOptions;
  #ended: () => void;
  #timer: TimerId | undefined;
  /** Which request is timed, by the count of all. */
  #asked = -1;

  /** @param ended told that a request was ended */
  constructor(options: PatienceOptions, ended: () => void) {
    this.#options = options;
    this.#ended = ended;
  }

  /** A request is under way: it has its time from when it was first seen here. */
  watch(files: FileClient): void {
    if (this.#timer !== undefined && this.#asked === files.asked) return;
    this.rest();
    const { clock, timers, patienceUs = PATIENCE_US } = this.#options;
    this.#asked = files.asked;
    this.#timer = timers.schedule(clock.nowUs() + patienceUs, () => {
      this.#timer = undefined;
      files.cancel(TIMED_OUT);
      this.#ended();
    });
    if (this.#timer !== undefined) return;
    files.cancel(BUSY);
    this.#ended();
  }

  /** Nothing is waited for. */
  rest(): void {
    if (this.#timer !== undefined) this.#options.timers.cancel(this.#timer);
    this.#timer = undefined;
  }

  /** Nothing will be waited for: let go of who is told. */
  release(): void {
    this.rest();
    this.#ended = nothing;
  }
}
