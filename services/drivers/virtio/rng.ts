/**
 * virtio-rng (virtio 1.2 §5.4) as {@link Random}: a small pool that the device refills on its own time, so that taking
 * bytes never waits. Bytes are handed out once and wiped; nothing but the device ever feeds the pool.
 */
import type { Host } from "../../../runtime-bindings.d.ts";
import type { Pool, Random } from "../../ports/index.ts";
import { INTERRUPT_CONFIG_CHANGE, type MmioHost, type VirtioMmio } from "./mmio.ts";
import { ResetBudget } from "./recovery.ts";
import { NONE, Virtqueue } from "./virtqueue.ts";

export type RngHost = MmioHost & Pick<Host, "copy">;

const REQUEST_QUEUE = 0;
const QUEUE_SIZE = 1;
/** Bytes asked for at a time, and the most that the pool holds. */
export const REQUEST_BYTES = 256;
export const POOL_BYTES = 512;

export interface RngCounters {
  /** Bytes that came from the device, and that were given out. */
  received: number;
  given: number;
  /** Times `fill` had too few. */
  refused: number;
  /** Completions that the device described impossibly. */
  deviceErrors: number;
  resets: number;
}

export class VirtioRng implements Random {
  /** Bit in `raised`; when it is up, call {@link service}. */
  readonly bit: number;
  readonly counters: RngCounters = { received: 0, given: 0, refused: 0, deviceErrors: 0, resets: 0 };
  ready = false;

  private readonly host: RngHost;
  private readonly transport: VirtioMmio;
  private readonly queue: Virtqueue;
  private readonly budget = new ResetBudget();
  private readonly buffer: Uint8Array;
  private readonly pool = new Uint8Array(POOL_BYTES);
  private pooled = 0;
  private peak = 0;
  private asked = false;
  private broken = false;

  /** @throws Error, one sentence, if the device cannot be driven. */
  constructor(host: RngHost, transport: VirtioMmio) {
    this.host = host;
    this.transport = transport;
    transport.negotiate(0);
    this.queue = new Virtqueue(host, QUEUE_SIZE);
    const memory = host.dmaAlloc(REQUEST_BYTES);
    this.buffer = new Uint8Array(memory.buffer, 0, REQUEST_BYTES);
    this.queue.describe(0, memory.address, REQUEST_BYTES, true);
    this.bit = host.irqBind(transport.node.irq, transport.node.trigger);
    this.launch();
  }

  /** Bytes that `fill` could give now. */
  available(): number {
    return this.pooled;
  }

  /** @throws RangeError if it asks for more than the pool can ever hold. */
  fill(into: Uint8Array): boolean {
    const length = into.length;
    if (length > POOL_BYTES) throw new RangeError(`VirtioRng.fill: ${length} bytes, at most ${POOL_BYTES} at a time`);
    if (length > this.pooled) {
      this.counters.refused++;
      this.request();
      return false;
    }
    const start = this.pooled - length;
    this.host.copy(into, 0, this.pool, start, length);
    this.pool.fill(0, start, this.pooled);
    this.pooled = start;
    this.counters.given += length;
    this.request();
    return true;
  }

  /** Serve the interrupt: take what came, ask for more if there is room. */
  service(): void {
    const causes = this.transport.acknowledge();
    if (causes < 0 || (causes & INTERRUPT_CONFIG_CHANGE && this.transport.needsReset())) this.fault();
    else this.collect();
    this.host.irqAck(this.bit);
  }

  /** For reports: its descriptor. */
  queues(): string[] {
    return [this.queue.account("rng")];
  }

  pools(): Pool[] {
    const bytes = POOL_BYTES + REQUEST_BYTES + this.queue.bytes;
    return [["rng.pool", bytes, this.pooled, POOL_BYTES, this.peak, "refused", this.counters.refused]];
  }

  private launch(): void {
    this.queue.clear();
    this.transport.enableQueue(REQUEST_QUEUE, this.queue);
    this.transport.start();
    this.asked = false;
    this.broken = false;
    this.request();
  }

  private collect(): void {
    if (this.broken) return;
    const id = this.queue.take();
    if (id === NONE) return;
    // §5.4.6.1: one byte at least.
    if (id < 0 || this.queue.usedLength === 0) {
      this.fault();
      return;
    }
    this.queue.recycle(id);
    this.asked = false;
    const length = Math.min(this.queue.usedLength, POOL_BYTES - this.pooled);
    this.host.copy(this.pool, this.pooled, this.buffer, 0, length);
    this.buffer.fill(0);
    this.pooled += length;
    this.peak = Math.max(this.peak, this.pooled);
    this.counters.received += length;
    this.ready = true;
    this.request();
  }

  /** Keep one request with the device as long as its whole answer has room. */
  private request(): void {
    if (this.broken) {
      this.recover();
      return;
    }
    if (this.asked || POOL_BYTES - this.pooled < REQUEST_BYTES) return;
    const id = this.queue.allocate();
    if (id === NONE) return;
    this.asked = true;
    this.queue.offer(id, REQUEST_BYTES);
    this.host.barrier(2);
    this.queue.publish();
    this.host.barrier(0);
    if (this.queue.wantsNotification()) this.transport.notify(REQUEST_QUEUE);
  }

  private fault(): void {
    this.counters.deviceErrors++;
    this.broken = true;
    this.recover();
  }

  /** Out of resets the pool runs dry and `fill` says so; each `fill` tries again. */
  private recover(): void {
    if (!this.budget.take(this.host.nowUs())) return;
    this.counters.resets++;
    try {
      this.transport.negotiate(0);
      this.launch();
    } catch {
      this.counters.deviceErrors++;
    }
  }
}
