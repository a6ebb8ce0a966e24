/**
 * When something is over for one client of the door. It holds no timer: its owner says what happens and asks when to look again,
 * so a frame costs no timer.
 */
import type { DoorLimits } from "./limits.ts";

/** What is over: the phase it is in, half a frame, silence, answers that are not taken. */
export type Due = "phase" | "half" | "idle" | "slow";

export class Deadlines {
  phaseUs = Infinity;
  #idleUs = Infinity;
  #halfUs = Infinity;
  #slowUs = Infinity;
  /** The frame that is not whole, by the count of all. */
  #frame = -1;
  /** Bytes that had left when {@link #slowUs} was set. */
  #sent = 0;
  readonly #limits: DoorLimits;

  constructor(limits: DoorLimits) {
    this.#limits = limits;
  }

  get nextUs(): number {
    let next = this.phaseUs < this.#idleUs ? this.phaseUs : this.#idleUs;
    if (this.#halfUs < next) next = this.#halfUs;
    return this.#slowUs < next ? this.#slowUs : next;
  }

  /** Whether its answers fill what may wait. */
  get slowing(): boolean {
    return this.#slowUs !== Infinity;
  }

  due(nowUs: number): Due | undefined {
    if (this.phaseUs <= nowUs) return "phase";
    if (this.#halfUs <= nowUs) return "half";
    if (this.#slowUs <= nowUs) return "slow";
    return this.#idleUs <= nowUs ? "idle" : undefined;
  }

  /** Only the phase is timed from now on. */
  phase(untilUs: number): void {
    this.phaseUs = untilUs;
    this.#idleUs = Infinity;
    this.#halfUs = Infinity;
    this.#slowUs = Infinity;
  }

  /** A frame came. */
  heard(nowUs: number): void {
    this.#idleUs = nowUs + this.#limits.idleUs;
  }

  /** @param waits whether the rest of frame number `frame` is waited for; not while the client is not read */
  half(waits: boolean, frame: number, nowUs: number): void {
    if (!waits) this.#halfUs = Infinity;
    else if (this.#halfUs === Infinity || frame !== this.#frame) this.#halfUs = nowUs + this.#limits.frameUs;
    this.#frame = frame;
  }

  /** @param full whether its answers fill what may wait; `sent` bytes have left. @returns whether that is new */
  slow(full: boolean, sent: number, nowUs: number): boolean {
    const began = full && this.#slowUs === Infinity;
    if (!full) this.#slowUs = Infinity;
    else if (began || sent - this.#sent >= this.#limits.unsentBytes / 2) {
      this.#slowUs = nowUs + this.#limits.slowUs;
      this.#sent = sent;
    }
    return began;
  }
}
