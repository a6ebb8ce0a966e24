/**
 * The memory of a virtio-net device's queues as somebody else than device and driver writes it, while the machine stands still: what
 * QEMU's honest device never says, the driver then reads from it. Where the queues are is what QEMU itself says they are.
 */
import type { GdbSession } from "../../scripts/lib/gdb-remote.ts";
import type { QmpSession } from "../../scripts/lib/qmp.ts";

/** Queues (virtio 1.2 §5.1.2). */
export const RECEIVE = 0;
export const TRANSMIT = 1;

/** In both rings: flags, idx, entries (§2.7.6, §2.7.8); an entry of the used ring is an id and a length. */
const INDEX = 2;
const ENTRIES = 4;
const USED_BYTES = 8;
const AVAIL_BYTES = 2;

/** QEMU's `virt` (hw/arm/virt.c): the distributor, and the first of the interrupts of its virtio-mmio slots. */
const GICD = 0x0800_0000;
const SLOT_IRQ = 32 + 16;
/** GICD_ISPENDR<n> (GICv3 §12.9.19): a 1 makes the interrupt pending. */
const GICD_ISPENDR = 0x200;

/** What of `x-query-virtio-queue-status` is asked for. */
interface Vring {
  /** How many buffers QEMU has taken, modulo 65,536. */
  readonly "last-avail-idx": number;
  readonly "vring-num": number;
  readonly "vring-avail": number;
  readonly "vring-used": number;
}

export interface UsedEntry {
  readonly id: number;
  readonly length: number;
}

export class LyingNetwork {
  readonly #memory: GdbSession;
  readonly #queues: readonly Vring[];
  readonly #irq: number;

  private constructor(memory: GdbSession, queues: readonly Vring[], irq: number) {
    this.#memory = memory;
    this.#queues = queues;
    this.#irq = irq;
  }

  static async of(monitor: QmpSession, memory: GdbSession): Promise<LyingNetwork> {
    const devices = (await monitor.execute("x-query-virtio")) as { name: string; path: string }[];
    const path = devices.find(({ name }) => name === "virtio-net")?.path;
    if (path === undefined) throw new Error("QEMU has no virtio-net");
    const queues: Vring[] = [];
    for (const queue of [RECEIVE, TRANSMIT]) {
      queues.push((await monitor.execute("x-query-virtio-queue-status", { path, queue })) as Vring);
    }
    const bus = String(await monitor.execute("qom-get", { path, property: "parent_bus" }));
    const slot = /virtio-mmio-bus\.(\d+)$/.exec(bus)?.[1];
    if (slot === undefined) throw new Error(`${bus} is no slot of virtio-mmio`);
    return new LyingNetwork(memory, queues, SLOT_IRQ + Number(slot));
  }

  /** Buffers of a queue. */
  sizeOf(queue: number): number {
    return this.#queue(queue)["vring-num"];
  }

  /** How many buffers the device has used since it was started, modulo 65,536. */
  async usedIndex(queue: number): Promise<number> {
    return (await this.#memory.read(this.#queue(queue)["vring-used"] + INDEX, 2)).readUInt16LE();
  }

  /** The device has used these, too. */
  async use(queue: number, ...entries: readonly UsedEntry[]): Promise<void> {
    const index = await this.usedIndex(queue);
    for (const [i, entry] of entries.entries()) await this.rewrite(queue, index + i, entry);
    await this.moveUsed(queue, entries.length);
  }

  /** The device has used another buffer, or another length of it, than it said. @param index of the use, since the start */
  async rewrite(queue: number, index: number, { id, length }: UsedEntry): Promise<void> {
    const { "vring-used": used, "vring-num": size } = this.#queue(queue);
    const entry = Buffer.alloc(USED_BYTES);
    entry.writeUInt32LE(id, 0);
    entry.writeUInt32LE(length, 4);
    await this.#memory.write(used + ENTRIES + USED_BYTES * (index & (size - 1)), entry);
  }

  /** used.idx goes on, whatever the entries are. */
  async moveUsed(queue: number, by: number): Promise<void> {
    const value = Buffer.alloc(2);
    value.writeUInt16LE(((await this.usedIndex(queue)) + by) & 0xffff);
    await this.#memory.write(this.#queue(queue)["vring-used"] + INDEX, value);
  }

  /** No buffer is the next that the driver gives: QEMU finds that when it wants one, says that it needs a reset, and interrupts. */
  async spoilNext(queue: number): Promise<void> {
    const { "vring-avail": avail, "vring-num": size, "last-avail-idx": next } = this.#queue(queue);
    await this.#memory.write(avail + ENTRIES + AVAIL_BYTES * (next & (size - 1)), Uint8Array.of(0xff, 0xff));
  }

  /** Interrupt the processor for the device, which knows nothing of it: what was written is looked at before it writes again. */
  async interrupt(): Promise<void> {
    const bits = Buffer.alloc(4);
    bits.writeUInt32LE((1 << (this.#irq % 32)) >>> 0);
    await this.#memory.write(GICD + GICD_ISPENDR + 4 * Math.floor(this.#irq / 32), bits);
  }

  #queue(queue: number): Vring {
    const found = this.#queues[queue];
    if (found === undefined) throw new Error(`virtio-net has no queue ${queue}`);
    return found;
  }
}
