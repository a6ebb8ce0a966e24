/**
 * virtio-console (virtio 1.2 §5.3) with one port, as QEMU's `virtconsole` is to a driver that does not take MULTIPORT, and
 * the host's end of it. Input waits on the host's side while the driver has no buffer, output stays in the driver's buffers
 * while the host takes none, so neither side can lose a byte.
 */
import { SerialLine } from "../../serial.ts";
import type { VirtioDevice, VirtioSlot } from "./mmio.ts";
import { DriverFault } from "./queue.ts";

export const F_SIZE = 1 << 0;

const RX = 0;
const TX = 1;
/** The largest piece that is moved at once. */
const PIECE = 4096;
/** Configuration (§5.3.4): columns and rows, then the number of ports. */
const CONFIG = [80, 0, 25, 0, 1, 0, 0, 0] as const;

export class VirtioConsole implements VirtioDevice {
  readonly id = 3;
  readonly features = F_SIZE;
  readonly queueSizes = [128, 128];
  /** The host's end. */
  readonly line = new SerialLine();
  /** For tests: a device that takes nothing and gives nothing, as long as it is set. */
  stalled = false;
  private readonly slot: VirtioSlot;
  private readonly piece = new Uint8Array(PIECE);
  /** Of the chain that waits in the transmit queue, how much the host has taken. */
  private taken = 0;

  constructor(slot: VirtioSlot, onActivity: () => void) {
    this.slot = slot;
    this.line.onRead = () => {
      this.resume();
      onActivity();
    };
    this.line.onWrite = () => {
      this.resume();
      onActivity();
    };
  }

  config(offset: number): number {
    return CONFIG[offset] ?? 0;
  }

  reset(): void {
    this.taken = 0;
  }

  notified(queue: number): void {
    if (this.stalled) return;
    if (queue === RX) this.deliver();
    else this.transmit();
  }

  /** Go on where the host or a test held the device up. */
  resume(): void {
    if (!this.slot.running) return;
    this.slot.guard(() => {
      this.notified(RX);
      this.notified(TX);
    });
  }

  private deliver(): void {
    const queue = this.slot.queues[RX];
    let interrupt = false;
    while (queue && this.line.pending > 0 && queue.pop()) {
      const { chain } = queue;
      if (chain.readableBytes > 0) throw new DriverFault("a receive buffer that the device must not write");
      if (chain.writableBytes === 0) throw new DriverFault("a receive buffer without room");
      const length = Math.min(chain.writableBytes, this.line.pending, PIECE);
      for (let i = 0; i < length; i++) this.piece[i] = this.line.nextInput();
      queue.scatter(0, this.piece.subarray(0, length));
      if (queue.push(chain.id, length)) interrupt = true;
    }
    if (interrupt) this.slot.interruptUsed();
  }

  private transmit(): void {
    const queue = this.slot.queues[TX];
    let interrupt = false;
    while (queue?.pop()) {
      const { chain } = queue;
      if (chain.writableBytes > 0) throw new DriverFault("a buffer to send that the device may write");
      if (!this.output(chain.readableBytes)) {
        queue.unpop();
        break;
      }
      this.taken = 0;
      if (queue.push(chain.id, 0)) interrupt = true;
    }
    if (interrupt) this.slot.interruptUsed();
  }

  /** @returns whether the host took the whole chain. */
  private output(length: number): boolean {
    const queue = this.slot.queues[TX];
    while (queue && this.taken < length) {
      const piece = this.piece.subarray(0, Math.min(PIECE, length - this.taken));
      queue.gather(this.taken, piece);
      for (const byte of piece) {
        if (!this.line.output(byte)) return false;
        this.taken++;
      }
    }
    return true;
  }
}
