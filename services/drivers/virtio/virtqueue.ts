/**
 * A split virtqueue (virtio 1.2 §2.7) in DMA memory in which every buffer is one descriptor and every descriptor keeps
 * its buffer for ever. It guarantees its driver that an id it returns was given to the device and comes back once, with a
 * length within the buffer, whatever the device writes; what is free and what is out is kept in memory of its own.
 * Nothing is allocated after the constructor.
 */
import type { Host } from "../../../runtime-bindings.d.ts";
import type { QueueLayout } from "./mmio.ts";

export type QueueHost = Pick<Host, "dmaAlloc" | "barrier">;

/** Descriptor flags (§2.7.5). */
const DESC_F_WRITE = 2;
/** avail.flags (§2.7.6): the device need not interrupt. A hint only; it may anyway. */
const AVAIL_F_NO_INTERRUPT = 1;
/** used.flags (§2.7.8): the driver need not notify. */
const USED_F_NO_NOTIFY = 1;

/** What {@link Virtqueue.take} returns besides an id. */
export const NONE = -1;
export const BROKEN = -2;

const HIGH = 0x1_0000_0000;

/** How a device broke the protocol, by what it was noticed; queues of one device may count together. */
export interface QueueFaults {
  /** used.idx went further than buffers are out. */
  index: number;
  /** A used id beyond the queue. */
  id: number;
  /** A used id of a buffer that the device does not have. */
  notOutstanding: number;
  /** A used length beyond the buffer. */
  length: number;
}

export function noFaults(): QueueFaults {
  return { index: 0, id: 0, notOutstanding: 0, length: 0 };
}

export class Virtqueue implements QueueLayout {
  readonly size: number;
  readonly descriptorAddress: number;
  readonly availAddress: number;
  readonly usedAddress: number;
  readonly faults: QueueFaults;
  /** Length that the device gave for the id that {@link take} returned last. */
  usedLength = 0;
  /** Buffers that the device has, the not yet published included. */
  outstanding = 0;
  /** Bytes of its rings, and of what the driver keeps of them. */
  readonly bytes: number;
  /** Most buffers that the device ever had, most that it was done with at one look, and looks at which it had no other. */
  peak = 0;
  donePeak = 0;
  dry = 0;

  private readonly host: QueueHost;
  private readonly mask: number;
  /** Four 32-bit words per descriptor: address low, high, length, flags | next << 16 (§2.7.5). */
  private readonly descriptors: Uint32Array;
  /** flags, idx, ring (§2.7.6). */
  private readonly avail: Uint16Array;
  /** flags, idx (§2.7.8). */
  private readonly usedHeader: Uint16Array;
  /** id and length by turns (§2.7.8). */
  private readonly usedRing: Uint32Array;

  private readonly capacity: Uint32Array;
  /** Which ids are out, and at which index of the available ring they went. */
  private readonly out: Uint8Array;
  private readonly offeredAt: Uint16Array;
  private readonly free: Uint16Array;
  private freeCount = 0;
  private availIndex = 0;
  private publishedIndex = 0;
  private lastUsed = 0;
  /** used.idx when it was last read: entries up to it may be read without another barrier. */
  private seenUsed = 0;

  /** @param size a power of two up to 32768 (§2.7) */
  constructor(host: QueueHost, size: number, faults: QueueFaults = noFaults()) {
    if (!Number.isInteger(size) || size < 1 || size > 32768 || (size & (size - 1)) !== 0) {
      throw new RangeError(`Virtqueue: ${size} is not a power of two from 1 to 32768`);
    }
    this.host = host;
    this.faults = faults;
    this.size = size;
    this.mask = size - 1;
    // §2.7: descriptors aligned to 16, the available ring to 2, the used ring to 4; the event fields at the rings' ends are laid out though unused.
    const availOffset = 16 * size;
    const usedOffset = (availOffset + 6 + 2 * size + 3) & ~3;
    const memory = host.dmaAlloc(usedOffset + 6 + 8 * size);
    this.bytes = usedOffset + 6 + 17 * size;
    this.descriptorAddress = memory.address;
    this.availAddress = memory.address + availOffset;
    this.usedAddress = memory.address + usedOffset;
    this.descriptors = new Uint32Array(memory.buffer, 0, 4 * size);
    this.avail = new Uint16Array(memory.buffer, availOffset, 2 + size);
    this.usedHeader = new Uint16Array(memory.buffer, usedOffset, 2);
    this.usedRing = new Uint32Array(memory.buffer, usedOffset + 4, 2 * size);
    this.capacity = new Uint32Array(size);
    this.out = new Uint8Array(size);
    this.offeredAt = new Uint16Array(size);
    this.free = new Uint16Array(size);
    this.clear();
  }

  /** Say once where the buffer of descriptor `id` is. */
  describe(id: number, address: number, capacity: number, deviceWrites: boolean): void {
    const at = 4 * id;
    this.descriptors[at] = address % HIGH;
    this.descriptors[at + 1] = Math.floor(address / HIGH);
    this.descriptors[at + 2] = capacity;
    this.descriptors[at + 3] = deviceWrites ? DESC_F_WRITE : 0;
    this.capacity[id] = capacity;
  }

  /** Everything free, rings empty. Only while the device is reset. Descriptors are kept. */
  clear(): void {
    this.avail.fill(0);
    this.usedHeader.fill(0);
    this.usedRing.fill(0);
    this.out.fill(0);
    // Taken from the end, so that ids go out in order.
    for (let i = 0; i < this.size; i++) this.free[i] = this.size - 1 - i;
    this.freeCount = this.size;
    this.outstanding = 0;
    this.availIndex = 0;
    this.publishedIndex = 0;
    this.lastUsed = 0;
    this.seenUsed = 0;
  }

  /** Ids that neither the device nor a caller of {@link allocate} has. */
  available(): number {
    return this.freeCount;
  }

  /** @returns a free id, {@link NONE} if there is none. */
  allocate(): number {
    if (this.freeCount === 0) return NONE;
    return this.free[--this.freeCount]!;
  }

  /** Give back an id from {@link allocate} or {@link take}. */
  recycle(id: number): void {
    this.free[this.freeCount++] = id;
  }

  /** Put the buffer into the available ring. The device sees it after {@link publish}. */
  offer(id: number, length: number): void {
    this.descriptors[4 * id + 2] = length;
    this.out[id] = 1;
    this.offeredAt[id] = this.availIndex;
    this.outstanding++;
    this.avail[2 + (this.availIndex & this.mask)] = id;
    this.availIndex = (this.availIndex + 1) & 0xffff;
  }

  /** Whether there is something to publish. */
  unpublished(): boolean {
    return this.availIndex !== this.publishedIndex;
  }

  /**
   * Show the device what was offered. The caller has put a write barrier between the last `offer` and this
   * (§2.7.13.3.1), and puts a full one between this and {@link wantsNotification} (§2.7.13.4.1).
   */
  publish(): void {
    if (this.outstanding > this.peak) this.peak = this.outstanding;
    this.avail[1] = this.availIndex;
    this.publishedIndex = this.availIndex;
  }

  wantsNotification(): boolean {
    return (this.usedHeader[0]! & USED_F_NO_NOTIFY) === 0;
  }

  /** Ask for interrupts. Look once more afterwards, behind a full barrier: a buffer may have come in between (§2.7.14). */
  enableInterrupts(): void {
    this.avail[0] = 0;
  }

  disableInterrupts(): void {
    this.avail[0] = AVAIL_F_NO_INTERRUPT;
  }

  /**
   * The next buffer that the device is done with; its length is in {@link usedLength}.
   * @returns its id, {@link NONE}, or {@link BROKEN} if the device broke the protocol: then only a reset helps.
   */
  take(): number {
    if (this.lastUsed === this.seenUsed) {
      const index = this.usedHeader[1]!;
      if (index === this.seenUsed) return NONE;
      const done = (index - this.seenUsed) & 0xffff;
      if (done > this.outstanding) {
        this.faults.index++;
        return BROKEN;
      }
      if (done > this.donePeak) this.donePeak = done;
      if (done === this.outstanding - ((this.availIndex - this.publishedIndex) & 0xffff)) this.dry++;
      this.seenUsed = index;
      // §2.7.14: entries may be read only after the index that covers them.
      this.host.barrier(1);
    }
    const at = 2 * (this.lastUsed & this.mask);
    const id = this.usedRing[at]!;
    const length = this.usedRing[at + 1]!;
    if (id >= this.size) {
      this.faults.id++;
      return BROKEN;
    }
    // One that was offered and not yet published cannot be done: the device gives an older use of it back twice.
    const since = (this.publishedIndex - this.offeredAt[id]!) & 0xffff;
    if (this.out[id] !== 1 || since === 0 || since > this.size) {
      this.faults.notOutstanding++;
      return BROKEN;
    }
    if (length > this.capacity[id]!) {
      this.faults.length++;
      return BROKEN;
    }
    this.lastUsed = (this.lastUsed + 1) & 0xffff;
    this.out[id] = 0;
    this.outstanding--;
    this.usedLength = length;
    return id;
  }

  /** Buffers that the device says it is done with, and that were not taken. */
  get done(): number {
    return Math.min((this.usedHeader[1]! - this.lastUsed) & 0xffff, this.outstanding);
  }

  /** For reports: who has its descriptors, and how the device broke the protocol. */
  account(name: string): string {
    const { size, freeCount: free, peak } = this;
    const { index, id, notOutstanding, length } = this.faults;
    let device = 0;
    for (const out of this.out) device += out;
    return (
      `queue ${name} size=${size} free=${free} driver=${size - free - device} device=${device} peak=${peak}` +
      ` bad_index=${index} bad_id=${id} bad_twice=${notOutstanding} bad_length=${length}`
    );
  }
}
