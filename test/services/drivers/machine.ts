/**
 * A machine for driver tests: DMA memory, register windows and interrupt lines as `runtime-bindings.d.ts` has them,
 * with the checks that the contract names. It counts accesses, so that tests can hold drivers to a number.
 */
import type { DeviceNode, DmaMemory } from "../../../runtime-bindings.d.ts";

/** Registers of a device. */
export interface Registers {
  read(offset: number, width: 1 | 2 | 4): number;
  write(offset: number, value: number, width: 1 | 2 | 4): void;
}

interface Window {
  registers: Registers;
  size: number;
}

export function deviceNode(fields: Partial<DeviceNode> = {}): DeviceNode {
  return {
    name: "virtio_mmio@a000000",
    compatible: "virtio,mmio",
    base: 0xa000000,
    size: 0x200,
    irq: 48,
    trigger: "edge",
    ...fields,
  };
}

export class FakeMachine {
  reads = 0;
  writes = 0;
  barriers = 0;
  time = 0;
  /** Interrupts that drivers bound, and acknowledgements by bit. */
  readonly bound = new Map<number, "level" | "edge">();
  readonly acks = new Map<number, number>();
  private readonly devices = new Map<number, Registers>();
  private readonly windows: Window[] = [];
  private readonly memory: DmaMemory[] = [];
  private nextAddress = 0x1_4000_0000;

  place(base: number, registers: Registers): void {
    this.devices.set(base, registers);
  }

  mmioMap(base: number, size: number): number {
    const registers = this.devices.get(base);
    if (registers === undefined) throw new Error(`mmioMap: 0x${base.toString(16)} is not device memory`);
    this.windows.push({ registers, size });
    return this.windows.length - 1;
  }

  mmioRead8(window: number, offset: number): number {
    return this.read(window, offset, 1);
  }

  mmioRead16(window: number, offset: number): number {
    return this.read(window, offset, 2);
  }

  mmioRead32(window: number, offset: number): number {
    return this.read(window, offset, 4) >>> 0;
  }

  mmioWrite32(window: number, offset: number, value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new RangeError(`mmioWrite32: ${value}`);
    this.writes++;
    this.check(window, offset, 4).write(offset, value, 4);
  }

  dmaAlloc(size: number): DmaMemory {
    if (size < 1 || size > 4 << 20) throw new RangeError(`dmaAlloc: ${size}`);
    const whole = (size + 4095) & ~4095;
    const memory = { buffer: new ArrayBuffer(whole), address: this.nextAddress };
    // A hole between two allocations, so that an access past the end is one outside.
    this.nextAddress += whole + 4096;
    this.memory.push(memory);
    return memory;
  }

  barrier(kind: 0 | 1 | 2): void {
    if (kind !== 0 && kind !== 1 && kind !== 2) throw new RangeError("barrier");
    this.barriers++;
  }

  irqBind(irq: number, trigger: "level" | "edge"): number {
    if (this.bound.has(irq)) throw new Error(`irqBind: ${irq} is bound already`);
    this.bound.set(irq, trigger);
    return 1 + this.bound.size;
  }

  irqAck(bit: number): void {
    this.acks.set(bit, (this.acks.get(bit) ?? 0) + 1);
  }

  nowUs(): number {
    return this.time;
  }

  copy(into: Uint8Array, at: number, from: Uint8Array, start: number, length: number): void {
    if (at < 0 || length < 0 || start < 0 || at + length > into.length || start + length > from.length) {
      throw new RangeError("copy: outside");
    }
    into.set(from.subarray(start, start + length), at);
  }

  /** What a device sees at a physical address; throws if that is not DMA memory. */
  dma(address: number, length: number): DataView {
    for (const memory of this.memory) {
      const at = address - memory.address;
      if (at >= 0 && at + length <= memory.buffer.byteLength) return new DataView(memory.buffer, at, length);
    }
    throw new Error(`device access to 0x${address.toString(16)}+${length} outside DMA memory`);
  }

  private read(window: number, offset: number, width: 1 | 2 | 4): number {
    this.reads++;
    return this.check(window, offset, width).read(offset, width);
  }

  private check(window: number, offset: number, width: number): Registers {
    const mapped = this.windows[window];
    if (mapped === undefined) throw new RangeError(`no window ${window}`);
    if (offset % width !== 0 || offset < 0 || offset + width > mapped.size) {
      throw new RangeError(`offset 0x${offset.toString(16)} width ${width}`);
    }
    return mapped.registers;
  }
}
