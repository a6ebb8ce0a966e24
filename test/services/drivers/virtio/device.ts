/**
 * A virtio-mmio device whose every answer a test can script: by default it keeps to virtio 1.2 §4.2, and it fails the test
 * when the driver does not. Tests overwrite its fields, or the rings in memory, to make it hostile.
 */
import { expect } from "chai";
import type { FakeMachine, Registers } from "../machine.ts";

const DESC_F_WRITE = 2;

export interface Chain {
  id: number;
  length: number;
  writable: boolean;
  data: DataView;
}

export class FakeQueue {
  num = 0;
  ready = 0;
  descriptors = 0;
  avail = 0;
  used = 0;
  kicks = 0;
  /** Next entry of the available ring to look at, and used.idx as it should be. */
  seen = 0;
  usedIndex = 0;
  readonly max: number;
  private readonly machine: FakeMachine;

  constructor(machine: FakeMachine, max: number) {
    this.machine = machine;
    this.max = max;
  }

  reset(): void {
    this.num = this.ready = this.descriptors = this.avail = this.used = this.kicks = this.seen = this.usedIndex = 0;
  }

  availIndex(): number {
    return this.machine.dma(this.avail + 2, 2).getUint16(0, true);
  }

  availFlags(): number {
    return this.machine.dma(this.avail, 2).getUint16(0, true);
  }

  setUsedFlags(flags: number): void {
    this.machine.dma(this.used, 2).setUint16(0, flags, true);
  }

  /** Buffers offered and not yet taken. */
  waiting(): number {
    return (this.availIndex() - this.seen) & 0xffff;
  }

  /** The next offered buffer. */
  pop(): Chain | undefined {
    if (this.waiting() === 0) return undefined;
    const id = this.machine.dma(this.avail + 4 + 2 * (this.seen % this.num), 2).getUint16(0, true);
    this.seen = (this.seen + 1) & 0xffff;
    const descriptor = this.machine.dma(this.descriptors + 16 * id, 16);
    const address = Number(descriptor.getBigUint64(0, true));
    const length = descriptor.getUint32(8, true);
    const flags = descriptor.getUint16(12, true);
    expect(flags & ~DESC_F_WRITE, "descriptor flags").to.equal(0);
    return { id, length, writable: (flags & DESC_F_WRITE) !== 0, data: this.machine.dma(address, length) };
  }

  /** A used ring entry, and the index behind it. */
  push(id: number, length: number): void {
    const entry = this.machine.dma(this.used + 4 + 8 * (this.usedIndex % this.num), 8);
    entry.setUint32(0, id, true);
    entry.setUint32(4, length, true);
    this.setUsedIndex(this.usedIndex + 1);
  }

  setUsedIndex(index: number): void {
    this.usedIndex = index & 0xffff;
    this.machine.dma(this.used + 2, 2).setUint16(0, this.usedIndex, true);
  }
}

export class FakeVirtio implements Registers {
  magic = 0x74726976;
  version = 2;
  deviceId: number;
  /** Offered feature bits, low and high word. */
  offered: [number, number] = [0, 1];
  accepted: [number, number] = [0, 0];
  /** Whether the device keeps FEATURES_OK, and whether it ever says that it has reset. */
  agrees = true;
  resets = true;
  status = 0;
  interrupt = 0;
  /** An interrupt that does not go away. */
  stuck = false;
  generation = 0;
  /** Called at each configuration read. */
  onConfigRead: () => void = () => undefined;
  /** Called at each acknowledgement, after it took effect. */
  onAck: () => void = () => undefined;
  onKick: (queue: number) => void = () => undefined;
  readonly config = new DataView(new ArrayBuffer(64));
  readonly queues: FakeQueue[];
  resetCount = 0;
  private featureWord = 0;
  private driverWord = 0;
  private selected = 0;

  constructor(machine: FakeMachine, deviceId: number, queueMax: number[] = [1024, 1024]) {
    this.deviceId = deviceId;
    this.queues = queueMax.map((max) => new FakeQueue(machine, max));
  }

  queue(index: number): FakeQueue {
    const queue = this.queues[index];
    if (queue === undefined) throw new Error(`no queue ${index}`);
    return queue;
  }

  live(): boolean {
    return (this.status & 4) !== 0;
  }

  read(offset: number, width: 1 | 2 | 4): number {
    if (offset >= 0x100) {
      this.onConfigRead();
      const at = offset - 0x100;
      if (width === 1) return this.config.getUint8(at);
      return width === 2 ? this.config.getUint16(at, true) : this.config.getUint32(at, true);
    }
    expect(width, `width of register 0x${offset.toString(16)}`).to.equal(4);
    const queue = this.queues[this.selected];
    switch (offset) {
      case 0x000:
        return this.magic;
      case 0x004:
        return this.version;
      case 0x008:
        return this.deviceId;
      case 0x010:
        return this.offered[this.featureWord] ?? 0;
      case 0x034:
        return queue?.max ?? 0;
      case 0x044:
        return queue?.ready ?? 0;
      case 0x060:
        return this.stuck ? 1 : this.interrupt;
      case 0x070:
        return this.status;
      case 0x0fc:
        return this.generation;
      default:
        throw new Error(`read of register 0x${offset.toString(16)}`);
    }
  }

  write(offset: number, value: number, width: 1 | 2 | 4): void {
    expect(width).to.equal(4);
    const queue = this.queues[this.selected];
    switch (offset) {
      case 0x014:
        this.featureWord = value;
        return;
      case 0x020:
        this.accepted[this.driverWord] = value;
        return;
      case 0x024:
        this.driverWord = value;
        return;
      case 0x030:
        this.selected = value;
        return;
      case 0x050:
        expect(this.live(), "notified before DRIVER_OK").to.equal(true);
        this.queue(value).kicks++;
        this.onKick(value);
        return;
      case 0x064:
        this.interrupt &= ~value;
        this.onAck();
        return;
      case 0x070:
        this.setStatus(value);
        return;
    }
    if (queue === undefined) throw new Error(`write of register 0x${offset.toString(16)} without a queue`);
    expect(queue.ready === 0 || offset === 0x044, "queue changed while in use").to.equal(true);
    switch (offset) {
      case 0x038:
        queue.num = value;
        return;
      case 0x044:
        queue.ready = value;
        expect(queue.num, "queue size").to.be.within(1, queue.max);
        expect(queue.descriptors % 16, "descriptor alignment").to.equal(0);
        expect(queue.avail % 2, "available ring alignment").to.equal(0);
        expect(queue.used % 4, "used ring alignment").to.equal(0);
        return;
      case 0x080:
        queue.descriptors = low(queue.descriptors, value);
        return;
      case 0x084:
        queue.descriptors = high(queue.descriptors, value);
        return;
      case 0x090:
        queue.avail = low(queue.avail, value);
        return;
      case 0x094:
        queue.avail = high(queue.avail, value);
        return;
      case 0x0a0:
        queue.used = low(queue.used, value);
        return;
      case 0x0a4:
        queue.used = high(queue.used, value);
        return;
      default:
        throw new Error(`write of register 0x${offset.toString(16)}`);
    }
  }

  private setStatus(value: number): void {
    if (value === 0) {
      this.resetCount++;
      this.interrupt = 0;
      this.accepted = [0, 0];
      for (const queue of this.queues) queue.reset();
      this.status = this.resets ? 0 : this.status || 1;
      return;
    }
    if (value & 8 && !(this.status & 8)) {
      expect(this.status & 3, "ACKNOWLEDGE and DRIVER before FEATURES_OK").to.equal(3);
      if (!this.agrees) value &= ~8;
    }
    if (value & 4) expect(this.status & 8, "FEATURES_OK before DRIVER_OK").to.equal(8);
    this.status = value;
  }
}

function low(address: number, value: number): number {
  return Math.floor(address / 0x1_0000_0000) * 0x1_0000_0000 + value;
}

function high(address: number, value: number): number {
  return (address % 0x1_0000_0000) + value * 0x1_0000_0000;
}
