/**
 * Interrupt lines as sources of the pump: a line that came up is served once, in the stage that its device belongs to, and
 * what was raised between two turns is remembered until then.
 */
import type { Pump, Source } from "./pump.ts";
import type { StageName } from "./schedule.ts";

class Line implements Source {
  readonly mask: number;
  /** Until it has come up, and from when it is served. */
  quiet = true;
  readonly #service: () => void;

  constructor(bit: number, service: () => void) {
    this.mask = 1 << bit;
    this.#service = service;
  }

  serve(): number {
    this.quiet = true;
    this.#service();
    return 0;
  }

  ready(): boolean {
    return false;
  }
}

export class Interrupts {
  readonly #pump: Pump;
  readonly #lines: Line[] = [];

  constructor(pump: Pump) {
    this.#pump = pump;
  }

  /** Call `service` in that stage whenever the line with this bit of `raised` has come up. */
  attach(stage: StageName, name: string, bit: number, service: () => void): void {
    const line = new Line(bit, service);
    this.#lines.push(line);
    this.#pump.attach(stage, name, line);
  }

  /** These lines have come up. */
  raise(raised: number): void {
    const lines = this.#lines;
    for (let at = 0; at < lines.length; at++) if (raised & lines[at]!.mask) lines[at]!.quiet = false;
  }
}
