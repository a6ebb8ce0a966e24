/** A driver of the barest kind for tests of virtio device models: it writes rings by hand, right or wrong. */
import { VirtioSlot } from "../../../../../engine/sim/devices/virtio/mmio.ts";
import type { SlotOptions, VirtioDevice } from "../../../../../engine/sim/devices/virtio/mmio.ts";
import { DmaPool, PAGE } from "../../../../../engine/sim/memory.ts";

export const REGISTER = {
  magic: 0x000,
  version: 0x004,
  deviceId: 0x008,
  vendor: 0x00c,
  deviceFeatures: 0x010,
  deviceFeaturesSelect: 0x014,
  driverFeatures: 0x020,
  driverFeaturesSelect: 0x024,
  queueSelect: 0x030,
  queueSizeMax: 0x034,
  queueSize: 0x038,
  queueReady: 0x044,
  queueNotify: 0x050,
  interruptStatus: 0x060,
  interruptAck: 0x064,
  status: 0x070,
  descriptorsLow: 0x080,
  descriptorsHigh: 0x084,
  driverLow: 0x090,
  driverHigh: 0x094,
  deviceLow: 0x0a0,
  deviceHigh: 0x0a4,
  configGeneration: 0x0fc,
  config: 0x100,
} as const;

export const STATUS = { acknowledge: 1, driver: 2, driverOk: 4, featuresOk: 8, needsReset: 64, failed: 128 } as const;
export const DESC = { next: 1, write: 2, indirect: 4 } as const;

export interface Descriptor {
  readonly address: number;
  readonly length: number;
  readonly flags?: number;
  readonly next?: number;
}

/** One queue's memory, as its driver sees it. */
export class Ring {
  readonly size: number;
  readonly descriptors: number;
  readonly driverArea: number;
  readonly deviceArea: number;
  available = 0;
  private readonly pool: DmaPool;

  constructor(pool: DmaPool, size: number) {
    this.pool = pool;
    this.size = size;
    const page = (bytes: number): number => pool.addressOf(pool.allocate(bytes));
    this.descriptors = page(16 * size);
    this.driverArea = page(6 + 2 * size);
    this.deviceArea = page(6 + 8 * size);
  }

  view(address: number, length: number): DataView {
    const { u8 } = this.pool;
    return new DataView(u8.buffer, u8.byteOffset + this.pool.translate(address, length), length);
  }

  describe(index: number, { address, length, flags = 0, next = 0 }: Descriptor): void {
    const entry = this.view(this.descriptors + 16 * index, 16);
    entry.setUint32(0, address % 2 ** 32, true);
    entry.setUint32(4, Math.floor(address / 2 ** 32), true);
    entry.setUint32(8, length, true);
    entry.setUint16(12, flags, true);
    entry.setUint16(14, next, true);
  }

  makeAvailable(head: number): void {
    this.view(this.driverArea + 4 + 2 * (this.available % this.size), 2).setUint16(0, head, true);
    this.setAvailable(this.available + 1);
  }

  setAvailable(index: number): void {
    this.available = index & 0xffff;
    this.view(this.driverArea + 2, 2).setUint16(0, this.available, true);
  }

  setDriverFlags(flags: number): void {
    this.view(this.driverArea, 2).setUint16(0, flags, true);
  }

  get usedIndex(): number {
    return this.view(this.deviceArea + 2, 2).getUint16(0, true);
  }

  used(slot: number): { id: number; length: number } {
    const entry = this.view(this.deviceArea + 4 + 8 * slot, 8);
    return { id: entry.getUint32(0, true), length: entry.getUint32(4, true) };
  }
}

export class Bench {
  readonly pool = new DmaPool(256 * PAGE);
  /** The slot's interrupt line, and how often it went up. */
  line = false;
  edges = 0;
  readonly slot: VirtioSlot;
  readonly rings: Ring[] = [];

  constructor(device?: (slot: VirtioSlot) => VirtioDevice, options: SlotOptions = { version: 2, hooks: {} }) {
    this.pool.adopt(new Uint8Array(this.pool.reserve), 0);
    this.slot = new VirtioSlot(this.pool, (high) => {
      if (high && !this.line) this.edges++;
      this.line = high;
    });
    if (device) this.slot.plug(device(this.slot), options);
  }

  read(offset: number): number {
    return this.slot.read(offset, 4);
  }

  write(offset: number, value: number): void {
    this.slot.write(offset, 4, value);
  }

  negotiate(low: number, high = 1): number {
    this.write(REGISTER.status, 0);
    this.write(REGISTER.status, STATUS.acknowledge);
    this.write(REGISTER.status, STATUS.acknowledge | STATUS.driver);
    this.write(REGISTER.driverFeaturesSelect, 0);
    this.write(REGISTER.driverFeatures, low);
    this.write(REGISTER.driverFeaturesSelect, 1);
    this.write(REGISTER.driverFeatures, high);
    this.write(REGISTER.status, STATUS.acknowledge | STATUS.driver | STATUS.featuresOk);
    return this.read(REGISTER.status);
  }

  setUpQueue(index: number, size: number): Ring {
    const ring = new Ring(this.pool, size);
    this.rings[index] = ring;
    this.write(REGISTER.queueSelect, index);
    this.write(REGISTER.queueSize, size);
    this.write(REGISTER.descriptorsLow, ring.descriptors);
    this.write(REGISTER.driverLow, ring.driverArea);
    this.write(REGISTER.deviceLow, ring.deviceArea);
    this.write(REGISTER.queueReady, 1);
    return ring;
  }

  /** Up to DRIVER_OK, one ring of that size for each of the device's queues. */
  bringUp(low: number, size: number): Ring[] {
    this.negotiate(low);
    this.slot.queues.forEach((_, index) => this.setUpQueue(index, size));
    this.write(REGISTER.status, 15);
    return this.rings;
  }

  notify(queue: number): void {
    this.write(REGISTER.queueNotify, queue);
  }

  /** DMA memory with these bytes in it. @returns its address. */
  place(bytes: Uint8Array): number {
    const at = this.pool.allocate(Math.max(bytes.length, 1));
    this.pool.u8.set(bytes, at);
    return this.pool.addressOf(at);
  }

  bytes(address: number, length: number): Uint8Array {
    const at = this.pool.translate(address, length);
    return this.pool.u8.slice(at, at + length);
  }
}
