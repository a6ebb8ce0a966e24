/**
 * A machine's time in integer microseconds, real or virtual, and the moments at which its devices want to act.
 * Virtual time stands still while the guest computes and jumps to the next moment when there is nothing to do.
 */

export interface SimClock {
  readonly virtual: boolean;
  nowUs(): number;
  /** Virtual: go on to that time. Real: nothing, it comes by itself. */
  advanceTo(us: number): void;
}

export class RealClock implements SimClock {
  readonly virtual = false;
  private readonly start = performance.now();
  private last = 0;

  nowUs(): number {
    this.last = Math.max(this.last, Math.floor((performance.now() - this.start) * 1000));
    return this.last;
  }

  advanceTo(): void {
    // Real time needs no help.
  }
}

/** Reads at one moment before time moves by itself: a guest that waits in a loop for time to pass must not wait for ever. */
const READS_AT_ONE_MOMENT = 4096;

export class VirtualClock implements SimClock {
  readonly virtual = true;
  private us = 0;
  private reads = 0;

  nowUs(): number {
    if (++this.reads > READS_AT_ONE_MOMENT) this.us++;
    return this.us;
  }

  advanceTo(us: number): void {
    if (us > this.us) {
      this.us = us;
      this.reads = 0;
    }
  }
}

/** A moment at which a device acts. */
export interface DeviceTimer {
  /** Microseconds on the machine's clock; Infinity: not set. */
  deadline: number;
  fire(): void;
}

export class Schedule {
  private readonly timers: DeviceTimer[] = [];

  add(fire: () => void): DeviceTimer {
    const timer = { deadline: Infinity, fire };
    this.timers.push(timer);
    return timer;
  }

  next(): number {
    let next = Infinity;
    for (const timer of this.timers) if (timer.deadline < next) next = timer.deadline;
    return next;
  }

  /** Fire what is due. */
  run(nowUs: number): void {
    for (const timer of this.timers) {
      if (timer.deadline <= nowUs) {
        timer.deadline = Infinity;
        timer.fire();
      }
    }
  }
}
