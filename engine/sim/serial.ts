/**
 * The host's end of the serial line: bytes wait here, a bounded number in each direction, until the UART has room or the
 * host reads. Nothing is lost on the way; who is too fast is told how much was taken.
 */
import type { Pl011Host } from "./devices/pl011.ts";

const LIMIT = 1024 * 1024;

export class SerialLine implements Pl011Host {
  /** Called after output came, outside of the guest. */
  onOutput: (() => void) | undefined;
  /** Called after `read`, so that a UART that waits can go on. */
  onRead: (() => void) | undefined;
  /** Called after `write`. */
  onWrite: (() => void) | undefined;
  /** Bytes that the guest sent and the host has taken or could take since the machine started. */
  sent = 0;
  private readonly input = new Uint8Array(LIMIT);
  private inputStart = 0;
  private inputCount = 0;
  private readonly collected = new Uint8Array(LIMIT);
  private collectedCount = 0;

  /** Send bytes to the guest. @returns how many were taken. */
  write(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, LIMIT - this.inputCount);
    for (let i = 0; i < taken; i++) this.input[(this.inputStart + this.inputCount++) % LIMIT] = bytes[i] ?? 0;
    this.onWrite?.();
    return taken;
  }

  /** Bytes that `write` would take. */
  get writable(): number {
    return LIMIT - this.inputCount;
  }

  /** Bytes that the guest has not taken yet. */
  get pending(): number {
    return this.inputCount;
  }

  nextInput(): number {
    if (this.inputCount === 0) return -1;
    const byte = this.input[this.inputStart] ?? 0;
    this.inputStart = (this.inputStart + 1) % LIMIT;
    this.inputCount--;
    return byte;
  }

  output(byte: number): boolean {
    if (this.collectedCount === LIMIT) return false;
    this.collected[this.collectedCount++] = byte;
    this.sent++;
    return true;
  }

  get readable(): number {
    return this.collectedCount;
  }

  /** Everything that the guest has sent since the last read. */
  read(): Uint8Array {
    const bytes = this.collected.slice(0, this.collectedCount);
    this.collectedCount = 0;
    this.onRead?.();
    return bytes;
  }
}
