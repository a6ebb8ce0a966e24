/**
 * Interrupt lines as sources of the pump: a line that came up is served once, in the stage that its device belongs to, and
 * what was raised between two turns is remembered until then.
 */
import type { Pump } from "./pump.ts";
import type { StageName } from "./schedule.ts";

interface Line {
  readonly mask: number;
  /** Whether it has come up since it was served. */
  up: boolean;
}

export class Interrupts {
  readonly #pump: Pump;
  readonly #lines: Line[] = [];

  constructor(pump: Pump) {
    this.#pump = pump;
  }

  /** Call `service` in that stage whenever the line with this bit of `raised` has come up. */
  attach(stage: StageName, name: string, bit: number, service: () => void): void {
    const line: Line = { mask: 1 << bit, up: false };
    this.#lines.push(line);
    this.#pump.attach(stage, name, {
      serve: () => {
        if (!line.up) return 0;
        line.up = false;
        service();
        return 0;
      },
      ready: () => false,
    });
  }

  /** These lines have come up. */
  raise(raised: number): void {
    const lines = this.#lines;
    for (let at = 0; at < lines.length; at++) if (raised & lines[at]!.mask) lines[at]!.up = true;
  }
}
