/**
 * The simulator's virtio slot, transport and interrupts under a driver that runs in Node: the device is the strict model,
 * the driver is the real one, and nothing but QuickJS is left out.
 */
import type { DeviceNode, DmaMemory } from "../../../../runtime-bindings.d.ts";
import { VirtioSlot } from "../../../../engine/sim/devices/virtio/mmio.ts";
import type { SlotOptions, VirtioDevice } from "../../../../engine/sim/devices/virtio/mmio.ts";
import { InterruptController } from "../../../../engine/sim/interrupts.ts";
import { DMA_BASE, DmaPool, PAGE } from "../../../../engine/sim/memory.ts";
import { probeVirtio, type VirtioMmio } from "../../../../services/drivers/virtio/mmio.ts";
import { deviceNode } from "../machine.ts";

/**
 * DMA memory of which every allocation is an ArrayBuffer of its own, as the drivers expect it. The models see it as one
 * array, which is a proxy here: slow, but to them it is the WASM heap.
 */
class SplitPool extends DmaPool {
  readonly #parts: Uint8Array[] = [];

  constructor(total: number) {
    super(total);
    const part = (at: number): [Uint8Array, number] => {
      for (let start = 0, i = 0; i < this.#parts.length; i++) {
        const bytes = this.#parts[i]!;
        if (at < start + bytes.length) return [bytes, at - start];
        start += bytes.length;
      }
      throw new RangeError(`device access at ${at}, outside DMA memory`);
    };
    const whole = {
      set: (from: Uint8Array, at: number): void => {
        const [bytes, offset] = part(at);
        bytes.set(from, offset);
      },
      subarray: (start: number, end: number): Uint8Array => {
        const [bytes, offset] = part(start);
        return bytes.subarray(offset, offset + end - start);
      },
    };
    const index = (key: string | symbol): number => (typeof key === "string" && /^\d/.test(key) ? Number(key) : -1);
    this.u8 = new Proxy(whole as unknown as Uint8Array, {
      get: (target, key) => {
        const at = index(key);
        if (at < 0) return Reflect.get(target, key) as unknown;
        const [bytes, offset] = part(at);
        return bytes[offset];
      },
      set: (_, key, value: number) => {
        const [bytes, offset] = part(index(key));
        bytes[offset] = value;
        return true;
      },
    });
  }

  take(size: number): DmaMemory {
    const at = this.allocate(size);
    if (at < 0) throw new Error("dmaAlloc: no memory left");
    const bytes = new Uint8Array(this.used - at);
    this.#parts.push(bytes);
    return { buffer: bytes.buffer, address: DMA_BASE + at };
  }
}

/** What a driver needs of the engine, with one virtio slot behind it. */
export class SimulatedMachine {
  time = 0;
  readonly slot: VirtioSlot;
  readonly node: DeviceNode = deviceNode();
  readonly #pool = new SplitPool(1024 * PAGE);
  readonly #interrupts = new InterruptController(() => undefined);

  constructor(device: (slot: VirtioSlot) => VirtioDevice, options: SlotOptions = { version: 2, hooks: {} }) {
    this.slot = new VirtioSlot(this.#pool, (high) => this.#interrupts.set(this.node.irq, high));
    this.slot.plug(device(this.slot), options);
  }

  /** The device as the transport shows it to its driver. */
  transport(): VirtioMmio {
    const { devices, refusals } = probeVirtio(this, [this.node]);
    const found = devices[0];
    if (found === undefined) throw new Error(`no device: ${refusals.join()}`);
    return found.transport;
  }

  /** Whether the interrupt of that bit came up since the last look. */
  raised(bit: number): boolean {
    return (this.#interrupts.take() & (1 << bit)) !== 0;
  }

  mmioMap(): number {
    return 0;
  }

  mmioRead8(_: number, offset: number): number {
    return this.slot.read(offset, 1);
  }

  mmioRead16(_: number, offset: number): number {
    return this.slot.read(offset, 2);
  }

  mmioRead32(_: number, offset: number): number {
    return this.slot.read(offset, 4);
  }

  mmioWrite32(_: number, offset: number, value: number): void {
    this.slot.write(offset, 4, value);
  }

  dmaAlloc(size: number): DmaMemory {
    return this.#pool.take(size);
  }

  barrier(): void {
    // One thread: nothing is reordered.
  }

  irqBind(irq: number, trigger: "level" | "edge"): number {
    const bit = this.#interrupts.bind(irq, trigger === "edge");
    if (typeof bit !== "number") throw new Error(`irqBind: ${bit}`);
    return bit;
  }

  irqAck(bit: number): void {
    this.#interrupts.acknowledge(bit);
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
}
