/**
 * virtio-net (virtio 1.2 §5.1) with one receive and one transmit queue, and the wire at its other end. Frames that come
 * while the driver has no buffer wait, a bounded number of them; what does not fit is counted as dropped.
 */
import type { VirtioDevice, VirtioSlot } from "./mmio.ts";
import { DriverFault } from "./queue.ts";

export const F_CSUM = 1 << 0;
export const F_MAC = 1 << 5;
export const F_STATUS = 1 << 16;

const RX = 0;
const TX = 1;
/** struct virtio_net_hdr with num_buffers (§5.1.6), always there with VERSION_1. */
const HEADER = 12;
const FRAME_MAX = 65550;
const BACKLOG_MAX = 256;
const HDR_NEEDS_CSUM = 1;

/** The host's end of the cable. */
export interface Wire {
  /** A frame from the guest, without FCS; the array is the receiver's. */
  frame(bytes: Uint8Array): void;
}

export interface NetCounters {
  rxFrames: number;
  /** Frames for the guest that it did not get: link down, driver not there, too many waiting, too large, lost in a reset. */
  rxDropped: number;
  txFrames: number;
  /** Frames of the guest that reached nobody: link down or no wire. */
  txDropped: number;
}

export class VirtioNet implements VirtioDevice {
  readonly id = 1;
  readonly features: number;
  readonly queueSizes = [256, 256];
  readonly mac: Uint8Array;
  readonly counters: NetCounters = { rxFrames: 0, rxDropped: 0, txFrames: 0, txDropped: 0 };
  /** Where the guest's frames go. */
  wire: Wire | undefined;
  /** For tests: a device that takes nothing and gives nothing, as long as it is set. */
  stalled = false;
  private readonly slot: VirtioSlot;
  private readonly onActivity: () => void;
  private readonly backlog: Uint8Array[] = [];
  private readonly header = new Uint8Array(HEADER);
  private readonly txHeader = new Uint8Array(HEADER);
  private up = true;

  constructor(slot: VirtioSlot, mac: Uint8Array, checksumOffload: boolean, onActivity: () => void) {
    this.slot = slot;
    this.mac = Uint8Array.from(mac);
    this.features = F_MAC | F_STATUS | (checksumOffload ? F_CSUM : 0);
    this.onActivity = onActivity;
    this.header[10] = 1; // num_buffers
  }

  config(offset: number): number {
    if (offset < 6) return this.mac[offset] ?? 0;
    if (offset === 6) return this.up ? 1 : 0;
    return offset === 8 ? 1 : 0; // max_virtqueue_pairs
  }

  get linkUp(): boolean {
    return this.up;
  }

  setLink(up: boolean): void {
    if (up === this.up) return;
    this.up = up;
    this.slot.configChanged();
    this.onActivity();
  }

  reset(): void {
    this.counters.rxDropped += this.backlog.length;
    this.backlog.length = 0;
  }

  /** Whether {@link inject} would find too many frames waiting. */
  get full(): boolean {
    return this.backlog.length === BACKLOG_MAX;
  }

  /** Send a frame to the guest. @returns false if it was dropped: link down, device off or too many waiting. */
  inject(frame: Uint8Array): boolean {
    if (!this.up || !this.slot.running || frame.length > FRAME_MAX || this.full) {
      this.counters.rxDropped++;
      return false;
    }
    this.backlog.push(Uint8Array.from(frame));
    this.slot.guard(() => {
      this.notified(RX);
    });
    this.onActivity();
    return true;
  }

  /** Go on where a test held the device up. */
  resume(): void {
    if (!this.slot.running) return;
    this.slot.guard(() => {
      this.notified(RX);
      this.notified(TX);
    });
  }

  notified(queue: number): void {
    if (this.stalled) return;
    if (queue === RX) this.deliver();
    else this.transmit();
  }

  private deliver(): void {
    const queue = this.slot.queues[RX];
    let interrupt = false;
    while (queue && this.backlog.length > 0 && queue.pop()) {
      const frame = this.backlog[0] ?? new Uint8Array(0);
      const { chain } = queue;
      if (chain.readableBytes > 0) throw new DriverFault("a receive buffer that the device must not write");
      this.backlog.shift();
      if (chain.writableBytes < HEADER + frame.length) {
        // Without merged buffers a frame goes into one chain or nowhere (§5.1.6.3).
        this.counters.rxDropped++;
        queue.unpop();
        continue;
      }
      queue.scatter(0, this.header);
      queue.scatter(HEADER, frame);
      this.counters.rxFrames++;
      if (queue.push(chain.id, HEADER + frame.length)) interrupt = true;
    }
    if (interrupt) this.slot.interruptUsed();
  }

  private transmit(): void {
    const queue = this.slot.queues[TX];
    let interrupt = false;
    while (queue?.pop()) {
      const { chain } = queue;
      const length = chain.readableBytes - HEADER;
      if (length < 0) throw new DriverFault(`a frame to send of ${String(chain.readableBytes)} bytes has no header`);
      if (length > FRAME_MAX) throw new DriverFault(`a frame to send of ${String(length)} bytes`);
      queue.gather(0, this.txHeader);
      const frame = new Uint8Array(length);
      queue.gather(HEADER, frame);
      if ((this.txHeader[0] ?? 0) & HDR_NEEDS_CSUM) this.finishChecksum(frame);
      this.counters.txFrames++;
      if (queue.push(chain.id, 0)) interrupt = true;
      if (this.up && this.wire) this.wire.frame(frame);
      else this.counters.txDropped++;
    }
    if (interrupt) this.slot.interruptUsed();
  }

  /** §5.1.6.2: the driver left the pseudo header's sum where the checksum belongs. */
  private finishChecksum(frame: Uint8Array): void {
    if (!(this.slot.features & F_CSUM)) throw new DriverFault("NEEDS_CSUM was not negotiated");
    const start = (this.txHeader[6] ?? 0) | ((this.txHeader[7] ?? 0) << 8);
    const at = start + ((this.txHeader[8] ?? 0) | ((this.txHeader[9] ?? 0) << 8));
    if (at + 2 > frame.length) throw new DriverFault("a checksum outside of its frame");
    let sum = 0;
    for (let i = start; i < frame.length; i += 2) sum += ((frame[i] ?? 0) << 8) | (frame[i + 1] ?? 0);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    const checksum = ~sum & 0xffff;
    frame[at] = checksum >> 8;
    frame[at + 1] = checksum;
  }
}
