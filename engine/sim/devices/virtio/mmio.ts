/**
 * virtio over MMIO (virtio 1.2 §4.2), register layout version 2: one slot of 512 bytes with a device behind it or none.
 * The state machine of §3.1 is kept as a strict device keeps it, so a driver that skips a step fails here first.
 */
import type { MmioDevice, Width } from "../../bus.ts";
import type { DmaPool } from "../../memory.ts";
import { DeviceQueue, DriverFault } from "./queue.ts";
import type { QueueHooks } from "./queue.ts";

export const SLOT_SIZE = 0x200;

const MAGIC = 0x74726976;
const VENDOR = 0x554d4551;
const CONFIG = 0x100;

const STATUS_FEATURES_OK = 8;
const STATUS_DRIVER_OK = 4;
const STATUS_NEEDS_RESET = 64;
const STATUS_FAILED = 128;
const INT_USED = 1;
const INT_CONFIG = 2;
/** Feature bit 32, bit 0 of the second word. */
const VERSION_1 = 1;

/** What is behind a slot. */
export interface VirtioDevice {
  readonly id: number;
  /** Feature bits 0 to 31 that it offers; VIRTIO_F_VERSION_1 is the transport's. */
  readonly features: number;
  readonly queueSizes: readonly number[];
  /** Byte of the configuration space, 0 beyond its end. */
  config(offset: number): number;
  /** The driver has rung for a queue. @throws DriverFault */
  notified(queue: number): void;
  reset(): void;
}

export interface SlotOptions {
  /** 1 to claim the legacy layout, which drivers of this project refuse. */
  readonly version: 1 | 2;
  readonly hooks: QueueHooks;
}

export class VirtioSlot implements MmioDevice {
  /** Why the device last asked for a reset. */
  fault: string | undefined;
  faults = 0;
  badAccesses = 0;
  queues: DeviceQueue[] = [];
  /** Features that the driver took, bits 0 to 31. */
  features = 0;
  private device: VirtioDevice | undefined;
  private version: 1 | 2 = 2;
  private readonly memory: DmaPool;
  private readonly irq: (high: boolean) => void;
  private featuresHigh = 0;
  private deviceFeaturesSelect = 0;
  private driverFeaturesSelect = 0;
  private queueSelect = 0;
  private status = 0;
  private interrupt = 0;
  private generation = 0;

  constructor(memory: DmaPool, irq: (high: boolean) => void) {
    this.memory = memory;
    this.irq = irq;
  }

  plug(device: VirtioDevice, options: SlotOptions): void {
    this.device = device;
    this.version = options.version;
    this.queues = device.queueSizes.map((size, index) => new DeviceQueue(index, size, this.memory, options.hooks));
  }

  get running(): boolean {
    return (this.status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) === STATUS_DRIVER_OK;
  }

  private setInterrupt(bits: number): void {
    this.interrupt = bits;
    this.irq(bits !== 0);
  }

  /** Used buffers wait in some queue. */
  interruptUsed(): void {
    this.setInterrupt(this.interrupt | INT_USED);
  }

  configChanged(): void {
    this.generation = (this.generation + 1) >>> 0;
    if (this.running) this.setInterrupt(this.interrupt | INT_CONFIG);
  }

  /** Run a device's work; a driver's mistake puts it into "needs reset" (§2.1.1). */
  guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof DriverFault)) throw error;
      this.fault = error.message;
      this.faults++;
      this.status |= STATUS_NEEDS_RESET;
      this.setInterrupt(this.interrupt | INT_CONFIG);
    }
  }

  reset(): void {
    for (const queue of this.queues) queue.reset();
    this.status = this.features = this.featuresHigh = 0;
    this.deviceFeaturesSelect = this.driverFeaturesSelect = this.queueSelect = 0;
    this.setInterrupt(0);
    this.device?.reset();
  }

  // ---- registers (§4.2.2) ----

  read(offset: number, width: Width): number {
    if (offset >= CONFIG) return this.readConfig(offset - CONFIG, width);
    if (width !== 4) {
      this.badAccesses++;
      return 0;
    }
    if (offset === 0x000) return MAGIC;
    if (offset === 0x004) return this.version;
    if (offset === 0x00c) return VENDOR;
    if (!this.device) return 0;
    return offset === 0x008 ? this.device.id : this.version === 2 ? this.readRegister(offset, this.device) : 0;
  }

  private readConfig(offset: number, width: Width): number {
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + (this.device?.config(offset + i) ?? 0);
    return value;
  }

  private readRegister(offset: number, device: VirtioDevice): number {
    const queue = this.queues[this.queueSelect];
    switch (offset) {
      case 0x010:
        return this.deviceFeaturesSelect === 0
          ? device.features >>> 0
          : this.deviceFeaturesSelect === 1
            ? VERSION_1
            : 0;
      case 0x034:
        return queue?.sizeMax ?? 0;
      case 0x044:
        return queue?.ready ? 1 : 0;
      case 0x060:
        return this.interrupt;
      case 0x070:
        return this.status;
      case 0x0b0: // Shared memory: none, lengths and bases read as all ones (§4.2.2).
      case 0x0b4:
      case 0x0b8:
      case 0x0bc:
        return 0xffffffff;
      case 0x0fc:
        return this.generation;
      default:
        this.badAccesses++;
        return 0;
    }
  }

  write(offset: number, width: Width, value: number): void {
    if (!this.device || this.version !== 2) return;
    if (offset >= CONFIG || width !== 4) {
      this.badAccesses++;
      return;
    }
    switch (offset) {
      case 0x014:
        this.deviceFeaturesSelect = value;
        return;
      case 0x020:
        // §3.1.1: the choice is final once FEATURES_OK is set.
        if (this.status & STATUS_FEATURES_OK) this.badAccesses++;
        else if (this.driverFeaturesSelect === 0) this.features = value >>> 0;
        else if (this.driverFeaturesSelect === 1) this.featuresHigh = value >>> 0;
        return;
      case 0x024:
        this.driverFeaturesSelect = value;
        return;
      case 0x030:
        this.queueSelect = value;
        return;
      case 0x050:
        this.notify(value, this.device);
        return;
      case 0x064:
        this.setInterrupt(this.interrupt & ~value);
        return;
      case 0x070:
        this.writeStatus(value, this.device);
        return;
      default:
        this.writeQueue(offset, value);
    }
  }

  private notify(index: number, device: VirtioDevice): void {
    const queue = this.queues[index];
    // §3.1.1: a driver must not notify before DRIVER_OK.
    if (!this.running || !queue?.ready) {
      this.badAccesses++;
      return;
    }
    this.guard(() => {
      device.notified(index);
    });
  }

  private writeStatus(value: number, device: VirtioDevice): void {
    if (value === 0) {
      this.reset();
      return;
    }
    const before = this.status;
    let next = (value & ~STATUS_NEEDS_RESET) | (before & STATUS_NEEDS_RESET);
    if (next & STATUS_FEATURES_OK && !(before & STATUS_FEATURES_OK)) {
      const offered = (this.features & ~device.features) === 0 && (this.featuresHigh & ~VERSION_1) === 0;
      if (!offered || !(this.featuresHigh & VERSION_1)) next &= ~STATUS_FEATURES_OK;
    }
    if (!(next & STATUS_FEATURES_OK)) next &= ~STATUS_DRIVER_OK;
    if (next & STATUS_FAILED) next &= ~STATUS_DRIVER_OK;
    this.status = next;
    if (this.running && !(before & STATUS_DRIVER_OK)) {
      // Buffers that were made available before DRIVER_OK were not rung for.
      this.queues.forEach((queue, index) => {
        if (queue.ready) {
          this.guard(() => {
            device.notified(index);
          });
        }
      });
    }
  }

  private writeQueue(offset: number, value: number): void {
    const queue = this.queues[this.queueSelect];
    // §4.2.3.2: a queue is set up while it is not ready, after FEATURES_OK.
    if (!queue || !(this.status & STATUS_FEATURES_OK) || (queue.ready && offset !== 0x044)) {
      this.badAccesses++;
      return;
    }
    const low = (address: number): number => Math.floor(address / 2 ** 32) * 2 ** 32 + value;
    const high = (address: number): number => (address % 2 ** 32) + value * 2 ** 32;
    switch (offset) {
      case 0x038:
        queue.size = value;
        return;
      case 0x044:
        this.makeReady(queue, value);
        return;
      case 0x080:
        queue.descriptors = low(queue.descriptors);
        return;
      case 0x084:
        queue.descriptors = high(queue.descriptors);
        return;
      case 0x090:
        queue.driverArea = low(queue.driverArea);
        return;
      case 0x094:
        queue.driverArea = high(queue.driverArea);
        return;
      case 0x0a0:
        queue.deviceArea = low(queue.deviceArea);
        return;
      case 0x0a4:
        queue.deviceArea = high(queue.deviceArea);
        return;
      default:
        this.badAccesses++;
    }
  }

  private makeReady(queue: DeviceQueue, value: number): void {
    if (value !== 1) {
      queue.ready = false;
      return;
    }
    const { size } = queue;
    // §2.7: a power of two, and the alignments of its three areas.
    const sound =
      size >= 1 &&
      size <= queue.sizeMax &&
      (size & (size - 1)) === 0 &&
      queue.descriptors % 16 === 0 &&
      queue.driverArea % 2 === 0 &&
      queue.deviceArea % 4 === 0;
    if (sound) queue.ready = true;
    else {
      this.guard(() => {
        throw new DriverFault(`queue ${String(queue.index)} of size ${String(size)} is misaligned or of a wrong size`);
      });
    }
  }
}
