/**
 * Somebody at a machine's console: keeps the transcript of all that the guest says there, types, and waits for text.
 * In virtual time waiting runs the machine; in real time the machine runs by itself.
 */
import type { Machine } from "./machine.ts";

export class Terminal {
  /** Everything from the console's line and the debug console, in order. */
  transcript = "";
  /** What the UART said, if the console is elsewhere. */
  uart = "";
  private readonly machine: Machine;
  private readonly decoder = new TextDecoder();
  private looked = 0;

  constructor(machine: Machine) {
    this.machine = machine;
    const { console, serial } = machine;
    const before = console.onOutput;
    console.onOutput = () => {
      this.collect();
      before?.();
    };
    if (serial !== console) serial.onOutput = () => (this.uart += Buffer.from(serial.read()).toString("utf8"));
  }

  /** The machine's debug console ends up on the same screen. */
  log(text: string): void {
    this.transcript += text;
  }

  private collect(): void {
    this.transcript += this.decoder.decode(this.machine.console.read(), { stream: true });
  }

  /** @throws Error if the line's buffer is full: nobody types that fast. */
  type(text: string | Uint8Array): void {
    const bytes = typeof text === "string" ? Buffer.from(text, "utf8") : text;
    if (this.machine.console.write(bytes) !== bytes.length) throw new Error("the serial line's input buffer is full");
  }

  /**
   * Wait until the transcript has text that was not waited for before.
   * @returns what came up to and with it. @throws Error at the time-out, with the transcript's end.
   */
  async expect(pattern: RegExp | string, limitUs = 60_000_000): Promise<string> {
    let end = -1;
    const seen = (): boolean => {
      const rest = this.transcript.slice(this.looked);
      if (typeof pattern === "string") {
        const at = rest.indexOf(pattern);
        end = at < 0 ? -1 : at + pattern.length;
      } else {
        const match = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, "")).exec(rest);
        end = match ? match.index + match[0].length : -1;
      }
      return end >= 0;
    };
    if (!(await this.machine.runUntil(seen, this.machine.nowUs() + limitUs))) {
      const halted = this.machine.haltReason === undefined ? "" : ` (halted: ${this.machine.haltReason})`;
      throw new Error(`${String(pattern)} did not come${halted}; the transcript ends: ${this.transcript.slice(-500)}`);
    }
    const text = this.transcript.slice(this.looked, this.looked + end);
    this.looked += end;
    return text;
  }
}
