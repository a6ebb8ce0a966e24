/**
 * Logs every frame of a port as a line. It is for looking at a network that does not work, so it never makes it worse: the
 * lines of a second are limited, what was left out is counted and said, and a frame that makes no sense is a line like others.
 */
import type { Clock, FramePort, Log } from "../../ports/index.ts";
import { RateLimit } from "../rate.ts";
import { describeFrame } from "./describe.ts";
import { FrameTap } from "./frame-tap.ts";

export interface TracerOptions {
  readonly port: FramePort;
  readonly clock: Clock;
  readonly log: Log;
  /** Lines a second in the long run, 100 if absent, and at once, ten times as many if absent. */
  readonly perSecond?: number;
  readonly burst?: number;
}

export class Tracer extends FrameTap {
  /** Frames that were not logged. */
  skipped = 0;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #limit: RateLimit;
  #said = 0;

  constructor(options: TracerOptions) {
    super(options.port);
    const { perSecond = 100, burst = 10 * perSecond } = options;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#limit = new RateLimit(perSecond, burst);
  }

  protected override received(bytes: Uint8Array, start: number, length: number): void {
    this.#trace("rx", bytes, start, length);
  }

  protected override sent(bytes: Uint8Array, start: number, length: number): void {
    this.#trace("tx", bytes, start, length);
  }

  #trace(direction: string, bytes: Uint8Array, start: number, length: number): void {
    if (!this.#limit.take(this.#clock.nowUs())) {
      this.skipped++;
      return;
    }
    if (this.skipped > this.#said) {
      this.#log.line("net", `… ${this.skipped - this.#said} frames not shown`);
      this.#said = this.skipped;
    }
    this.#log.line("net", `${direction} ${describeFrame(bytes, start, length)}`);
  }
}
