/**
 * Interrupt lines between devices and the bits of `raised`. A raised line is masked until it is acknowledged; a level
 * line that is still high then raises again, an edge that came meanwhile was latched, so none is ever lost.
 */

export const IRQ_BIT_FIRST = 2;
export const IRQ_BIT_LAST = 29;
/** GICv3: shared peripheral interrupts are 32 to 1019. */
export const IRQ_MIN = 16;
export const IRQ_MAX = 1019;

interface Line {
  readonly irq: number;
  high: boolean;
  latched: boolean;
  bit: number;
  edge: boolean;
  masked: boolean;
}

export class InterruptController {
  /** Bits that came up since `take`. */
  raised = 0;
  private readonly lines = new Map<number, Line>();
  private readonly bits: (Line | undefined)[] = [];
  private readonly onRaise: () => void;

  constructor(onRaise: () => void) {
    this.onRaise = onRaise;
  }

  private line(irq: number): Line {
    let line = this.lines.get(irq);
    if (!line) {
      line = { irq, high: false, latched: false, bit: -1, edge: false, masked: false };
      this.lines.set(irq, line);
    }
    return line;
  }

  /** A device drives its line. */
  set(irq: number, high: boolean): void {
    const line = this.line(irq);
    if (high && !line.high) line.latched = true;
    line.high = high;
    this.update(line);
  }

  private update(line: Line): void {
    if (line.bit < 0 || line.masked || !(line.edge ? line.latched : line.high)) return;
    line.latched = false;
    line.masked = true;
    this.raised |= 1 << line.bit;
    this.onRaise();
  }

  get boundCount(): number {
    return this.bits.reduce((n, line) => n + (line ? 1 : 0), 0);
  }

  /** @returns the bit, `"bound"` if the line has one already, `"full"` if there is none left. */
  bind(irq: number, edge: boolean): number | "bound" | "full" {
    const line = this.line(irq);
    if (line.bit >= 0) return "bound";
    for (let bit = IRQ_BIT_FIRST; bit <= IRQ_BIT_LAST; bit++) {
      if (this.bits[bit]) continue;
      this.bits[bit] = line;
      line.bit = bit;
      line.edge = edge;
      line.masked = false;
      this.update(line);
      return bit;
    }
    return "full";
  }

  /** @returns false if no line has that bit. */
  acknowledge(bit: number): boolean {
    const line = this.bits[bit];
    if (!line) return false;
    line.masked = false;
    this.update(line);
    return true;
  }

  take(): number {
    const bits = this.raised;
    this.raised = 0;
    return bits;
  }

  /** Nothing is bound any more; the devices' lines stay as they are. */
  reset(): void {
    this.bits.length = 0;
    this.raised = 0;
    for (const line of this.lines.values()) line.bit = -1;
  }
}
