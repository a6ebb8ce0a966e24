/**
 * The device's side of a split virtqueue (virtio 1.2 §2.7): takes chains of descriptors that the driver made available
 * and gives them back as used. It trusts nothing that the driver wrote: a mistake is a `DriverFault` with its sentence.
 */
import type { DmaPool } from "../../memory.ts";

const DESC_F_NEXT = 1;
const DESC_F_WRITE = 2;
const DESC_F_INDIRECT = 4;
const AVAIL_F_NO_INTERRUPT = 1;
const DESC_SIZE = 16;
const CHAIN_MAX = 256;

/** The driver broke the rules; the device needs a reset. */
export class DriverFault extends Error {}

/** What the device is about to write into the used ring; a test may falsify it. */
export interface UsedEntry {
  queue: number;
  id: number;
  length: number;
  /** used.idx after this entry. */
  index: number;
}

export interface QueueHooks {
  used?: (entry: UsedEntry) => void;
}

/** A chain, valid until the next `pop`: parts of guest memory as offsets into `DmaPool.u8`. */
export interface Chain {
  id: number;
  /** Parts that the device reads come first, then those that it writes. */
  parts: number;
  readable: number;
  readableBytes: number;
  writableBytes: number;
  readonly at: Uint32Array;
  readonly length: Uint32Array;
}

export class DeviceQueue {
  readonly index: number;
  readonly sizeMax: number;
  size = 0;
  ready = false;
  /** Guest physical addresses (§4.2.2). */
  descriptors = 0;
  driverArea = 0;
  deviceArea = 0;
  readonly chain: Chain = {
    id: 0,
    parts: 0,
    readable: 0,
    readableBytes: 0,
    writableBytes: 0,
    at: new Uint32Array(CHAIN_MAX),
    length: new Uint32Array(CHAIN_MAX),
  };
  private readonly memory: DmaPool;
  private readonly hooks: QueueHooks;
  private availNext = 0;
  private usedIndex = 0;

  constructor(index: number, sizeMax: number, memory: DmaPool, hooks: QueueHooks) {
    this.index = index;
    this.sizeMax = sizeMax;
    this.memory = memory;
    this.hooks = hooks;
  }

  reset(): void {
    this.size = 0;
    this.ready = false;
    this.descriptors = this.driverArea = this.deviceArea = 0;
    this.availNext = this.usedIndex = 0;
  }

  private where(address: number, length: number, what: string): number {
    const at = this.memory.translate(address, length);
    if (at < 0) {
      throw new DriverFault(`${what} at 0x${address.toString(16)} (${String(length)} bytes) is not DMA memory`);
    }
    return at;
  }

  private read16(at: number): number {
    const { u8 } = this.memory;
    return (u8[at] ?? 0) | ((u8[at + 1] ?? 0) << 8);
  }

  private read32(at: number): number {
    return (this.read16(at) | (this.read16(at + 2) << 16)) >>> 0;
  }

  private write16(at: number, value: number): void {
    this.memory.u8[at] = value;
    this.memory.u8[at + 1] = value >> 8;
  }

  private write32(at: number, value: number): void {
    this.write16(at, value);
    this.write16(at + 2, value >>> 16);
  }

  private avail(): number {
    return this.where(this.driverArea, 4 + 2 * this.size, "the available ring");
  }

  /** Chains that wait. @throws DriverFault */
  available(): number {
    if (!this.ready) return 0;
    const count = (this.read16(this.avail() + 2) - this.availNext) & 0xffff;
    if (count > this.size)
      throw new DriverFault(`avail.idx is ${String(count)} ahead of a queue of ${String(this.size)}`);
    return count;
  }

  /** Take the next chain into `chain`. @returns false if none waits. @throws DriverFault */
  pop(): boolean {
    if (this.available() === 0) return false;
    const head = this.read16(this.avail() + 4 + 2 * (this.availNext % this.size));
    this.walk(head);
    this.availNext = (this.availNext + 1) & 0xffff;
    return true;
  }

  /** Put the chain that `pop` took back to where it was. */
  unpop(): void {
    this.availNext = (this.availNext - 1) & 0xffff;
  }

  private walk(head: number): void {
    const table = this.where(this.descriptors, DESC_SIZE * this.size, "the descriptor table");
    const { chain } = this;
    chain.id = head;
    chain.parts = chain.readable = chain.readableBytes = chain.writableBytes = 0;
    let next = head;
    for (;;) {
      if (next >= this.size) throw new DriverFault(`descriptor ${String(next)} in a queue of ${String(this.size)}`);
      if (chain.parts === Math.min(this.size, CHAIN_MAX)) throw new DriverFault("a chain of descriptors is a loop");
      const at = table + DESC_SIZE * next;
      const high = this.read32(at + 4);
      const length = this.read32(at + 8);
      const flags = this.read16(at + 12);
      if (flags & DESC_F_INDIRECT) throw new DriverFault("an indirect descriptor was not negotiated");
      chain.at[chain.parts] = this.where(this.read32(at) + high * 2 ** 32, length, "a descriptor's buffer");
      chain.length[chain.parts++] = length;
      if (flags & DESC_F_WRITE) {
        chain.writableBytes += length;
      } else {
        // §2.7.4.2: readable parts come before writable ones.
        if (chain.writableBytes > 0) throw new DriverFault("a readable descriptor follows a writable one");
        chain.readable = chain.parts;
        chain.readableBytes += length;
      }
      if (!(flags & DESC_F_NEXT)) return;
      next = this.read16(at + 14);
    }
  }

  /** Copy from the chain's readable parts. @returns bytes copied. */
  gather(from: number, into: Uint8Array): number {
    const { chain } = this;
    let skip = from;
    let done = 0;
    for (let i = 0; i < chain.readable && done < into.length; i++) {
      const length = chain.length[i] ?? 0;
      if (skip < length) {
        const n = Math.min(length - skip, into.length - done);
        const at = (chain.at[i] ?? 0) + skip;
        into.set(this.memory.u8.subarray(at, at + n), done);
        done += n;
        skip = 0;
      } else {
        skip -= length;
      }
    }
    return done;
  }

  /** Copy to the chain's writable parts, from byte `to` of them on. @returns bytes copied. */
  scatter(to: number, from: Uint8Array): number {
    const { chain } = this;
    let skip = to;
    let done = 0;
    for (let i = chain.readable; i < chain.parts && done < from.length; i++) {
      const length = chain.length[i] ?? 0;
      if (skip < length) {
        const n = Math.min(length - skip, from.length - done);
        this.memory.u8.set(from.subarray(done, done + n), (chain.at[i] ?? 0) + skip);
        done += n;
        skip = 0;
      } else {
        skip -= length;
      }
    }
    return done;
  }

  /** Give a chain back, `length` bytes written. @returns whether the driver wants an interrupt (§2.7.7). */
  push(id: number, length: number): boolean {
    const used = this.where(this.deviceArea, 4 + 8 * this.size, "the used ring");
    const entry: UsedEntry = { queue: this.index, id, length, index: (this.usedIndex + 1) & 0xffff };
    const slot = used + 4 + 8 * (this.usedIndex % this.size);
    this.usedIndex = entry.index;
    this.hooks.used?.(entry);
    this.write32(slot, entry.id);
    this.write32(slot + 4, entry.length);
    this.write16(used + 2, entry.index);
    return (this.read16(this.avail()) & AVAIL_F_NO_INTERRUPT) === 0;
  }
}
