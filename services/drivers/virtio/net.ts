/**
 * virtio-net (virtio 1.2 §5.1) as a {@link FramePort}: one receive and one transmit queue, frames handed out where the
 * device put them. Whatever the device claims, no frame reaches outside its buffer, and a device that breaks the protocol
 * is counted, reset and started again, a bounded number of times a minute.
 * In a turn it costs one interrupt status write and read and at most one notification per queue.
 */
import type { FrameCounters, FramePort, Pool } from "../../ports/index.ts";
import { INTERRUPT_CONFIG_CHANGE, type MmioHost, type VirtioMmio } from "./mmio.ts";
import { ResetBudget } from "./recovery.ts";
import { BROKEN, noFaults, NONE, Virtqueue } from "./virtqueue.ts";

/** Feature bits (§5.1.3). Why none of the offloads is among them: README.md, with figures. */
const VIRTIO_NET_F_MTU = 1 << 3;
const VIRTIO_NET_F_MAC = 1 << 5;
const VIRTIO_NET_F_STATUS = 1 << 16;

/** Queues (§5.1.2). */
const RECEIVE_QUEUE = 0;
const TRANSMIT_QUEUE = 1;

/** struct virtio_net_config (§5.1.4). */
const CONFIG_MAC = 0;
const CONFIG_STATUS = 6;
const CONFIG_MTU = 10;
const STATUS_LINK_UP = 1;

/**
 * struct virtio_net_hdr with num_buffers (§5.1.6). No offload is negotiated: what we send is all zero, as the memory is
 * from the start, and what we receive says nothing.
 */
const HEADER_BYTES = 12;
const ETHERNET_HEADER_BYTES = 14;
const MTU_MAX = 1500;
/** RFC 791: every link takes 68 bytes; §5.1.4.1 asks the same of the device. */
const MTU_MIN = 68;
/** §5.1.6.3.1 asks for at least 1526; this is rounded up to cache lines. */
const BUFFER_BYTES = 1536;
const QUEUE_SIZE = 128;
/** Sent buffers are taken back when fewer than this are left, many at a time. */
const RECLAIM_BELOW = QUEUE_SIZE / 4;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What the driver tells whoever composed it, e.g. for the audit log. They are called in the driver's own work and must not call it. */
export interface VirtioNetEvents {
  /** The link went up or down after the start. */
  linkChanged?(up: boolean): void;
  /** The device was reset and works again; frames that were in flight are lost. */
  restarted?(why: string): void;
}

export class VirtioNet implements FramePort {
  /** Bit in `raised`. When it is up: call {@link service}, then {@link receive} until it returns false. */
  readonly bit: number;
  readonly mac = new Uint8Array(6);
  readonly mtu: number;
  readonly counters: Mutable<FrameCounters> = {
    rxFrames: 0,
    rxBytes: 0,
    txFrames: 0,
    txBytes: 0,
    deviceErrors: 0,
    resets: 0,
    txFull: 0,
  };
  /** What of its queues' protocol the device broke. */
  readonly faults = noFaults();
  linkUp = false;
  /** How often the link went up or down. */
  linkChanges = 0;
  /** Why the device is out of service, empty if it is not. */
  trouble = "";

  readonly rx: Uint8Array;
  rxStart = 0;
  rxLength = 0;
  readonly tx: Uint8Array;
  txStart = 0;

  private readonly host: MmioHost;
  private readonly transport: VirtioMmio;
  private readonly events: VirtioNetEvents;
  /** Features to accept if they are offered. */
  private wanted = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MTU;
  private readonly receiveQueue: Virtqueue;
  private readonly transmitQueue: Virtqueue;
  private readonly budget = new ResetBudget();
  private readonly frameMax: number;
  private hasStatus = false;
  private started = false;
  /** Descriptor of the frame that the core is looking at, and of the one it is building. */
  private held = NONE;
  private reserved = NONE;
  private broken = false;
  private quiet = false;
  /** Whether the device interrupts for received frames, and for sent ones. */
  private rxListening = true;
  private txListening = false;

  /** @throws Error, one sentence, if the device cannot be driven. */
  constructor(host: MmioHost, transport: VirtioMmio, events: VirtioNetEvents = {}) {
    this.host = host;
    this.transport = transport;
    this.events = events;
    const features = this.negotiate();
    if ((features & VIRTIO_NET_F_MAC) === 0) {
      transport.fail();
      throw new Error(`${transport.node.name} offers no MAC address (VIRTIO_NET_F_MAC)`);
    }
    let mtu = MTU_MAX;
    const stable = transport.readConfig((device) => {
      for (let i = 0; i < 6; i++) this.mac[i] = device.configRead8(CONFIG_MAC + i);
      if (features & VIRTIO_NET_F_MTU) mtu = device.configRead16(CONFIG_MTU);
    });
    if (!stable) {
      transport.fail();
      throw new Error(`${transport.node.name} changes its configuration without end`);
    }
    if ((this.mac[0]! & 1) !== 0) {
      transport.fail();
      throw new Error(`${transport.node.name} offers a group address as its MAC address`);
    }
    if (mtu < MTU_MIN) {
      transport.fail();
      throw new Error(`${transport.node.name} offers an MTU of ${mtu}, the least is ${MTU_MIN}`);
    }
    if (mtu > MTU_MAX) {
      // §5.1.4.2: who takes the feature must have buffers for a whole packet of that size. Ours are for Ethernet's.
      this.wanted &= ~VIRTIO_NET_F_MTU;
      this.negotiate();
    }
    this.mtu = Math.min(mtu, MTU_MAX);
    this.frameMax = this.mtu + ETHERNET_HEADER_BYTES;

    this.receiveQueue = new Virtqueue(host, QUEUE_SIZE, this.faults);
    this.transmitQueue = new Virtqueue(host, QUEUE_SIZE, this.faults);
    const rxMemory = host.dmaAlloc(QUEUE_SIZE * BUFFER_BYTES);
    const txMemory = host.dmaAlloc(QUEUE_SIZE * BUFFER_BYTES);
    this.rx = new Uint8Array(rxMemory.buffer);
    this.tx = new Uint8Array(txMemory.buffer);
    for (let id = 0; id < QUEUE_SIZE; id++) {
      this.receiveQueue.describe(id, rxMemory.address + id * BUFFER_BYTES, BUFFER_BYTES, true);
      this.transmitQueue.describe(id, txMemory.address + id * BUFFER_BYTES, BUFFER_BYTES, false);
    }
    this.bit = host.irqBind(transport.node.irq, transport.node.trigger);
    this.launch();
    this.started = true;
  }

  /** Serve the interrupt: acknowledge it, follow the link. Frames wait for {@link receive}. */
  service(): void {
    this.receiveQueue.disableInterrupts();
    this.rxListening = false;
    const causes = this.transport.acknowledge();
    if (causes < 0) {
      this.fault("its interrupt does not go away");
    } else if (causes & INTERRUPT_CONFIG_CHANGE) {
      if (this.transport.needsReset()) this.fault("it asked for a reset");
      else this.readLink();
    }
    if (this.broken && this.held === NONE) this.recover();
    this.host.irqAck(this.bit);
  }

  receive(): boolean {
    if (this.held !== NONE) return true;
    if (this.broken && !this.recover()) return false;
    const queue = this.receiveQueue;
    let id = queue.take();
    if (id === NONE) {
      if (this.rxListening) return false;
      queue.enableInterrupts();
      this.rxListening = true;
      // §2.7.14: a frame that came before the device saw the flag raises no interrupt, so look again.
      this.host.barrier(0);
      id = queue.take();
      if (id === NONE) return false;
    }
    const short = id !== BROKEN && queue.usedLength < HEADER_BYTES;
    if (short) this.faults.length++;
    if (id === BROKEN || short) {
      this.fault("its receive queue is inconsistent");
      this.recover();
      return false;
    }
    this.held = id;
    this.rxStart = id * BUFFER_BYTES + HEADER_BYTES;
    this.rxLength = queue.usedLength - HEADER_BYTES;
    this.counters.rxFrames++;
    this.counters.rxBytes += this.rxLength;
    return true;
  }

  release(): void {
    if (this.held === NONE) return;
    this.receiveQueue.offer(this.held, BUFFER_BYTES);
    this.held = NONE;
  }

  reserve(): boolean {
    if (this.reserved !== NONE) return true;
    if (this.broken) return false;
    const queue = this.transmitQueue;
    if (queue.available() < RECLAIM_BELOW && !this.reclaim()) return false;
    if (this.txListening && queue.available() >= RECLAIM_BELOW) {
      queue.disableInterrupts();
      this.txListening = false;
    }
    let id = queue.allocate();
    if (id === NONE) {
      // Whoever waits for a buffer is woken by the interrupt of the first that comes back (§2.7.14 again).
      queue.enableInterrupts();
      this.txListening = true;
      this.host.barrier(0);
      if (!this.reclaim()) return false;
      id = queue.allocate();
      if (id === NONE) {
        this.counters.txFull++;
        return false;
      }
    }
    this.reserved = id;
    this.txStart = id * BUFFER_BYTES + HEADER_BYTES;
    return true;
  }

  /** @throws RangeError if the length is none that `reserve` allowed. */
  commit(length: number): void {
    if (length < ETHERNET_HEADER_BYTES || length > this.frameMax) {
      throw new RangeError(
        `VirtioNet.commit: ${length} bytes, allowed are ${ETHERNET_HEADER_BYTES} to ${this.frameMax}`,
      );
    }
    // A reset in between has taken the buffer back: the frame is lost, as on a wire.
    if (this.reserved === NONE) return;
    this.transmitQueue.offer(this.reserved, HEADER_BYTES + length);
    this.reserved = NONE;
    this.counters.txFrames++;
    this.counters.txBytes += length;
  }

  flush(): void {
    if (this.broken) {
      if (this.held === NONE) this.recover();
      return;
    }
    const receive = this.receiveQueue;
    const transmit = this.transmitQueue;
    const released = receive.unpublished();
    const committed = transmit.unpublished();
    if (!released && !committed) return;
    const host = this.host;
    // §2.7.13.3.1: descriptors and ring entries before the index.
    host.barrier(2);
    if (released) receive.publish();
    if (committed) transmit.publish();
    // §2.7.13.4.1: the index before the look at the device's notification flag.
    host.barrier(0);
    if (committed && transmit.wantsNotification()) this.transport.notify(TRANSMIT_QUEUE);
    if (released && receive.wantsNotification()) this.transport.notify(RECEIVE_QUEUE);
  }

  /**
   * Reset the device and start it again; frames in flight are lost.
   * @returns false if it did not come back or was reset too often; it is tried again by {@link receive} from {@link retryAtUs} on.
   */
  reset(): boolean {
    this.held = NONE;
    this.broken = true;
    this.quiet = false;
    this.trouble = "a reset was asked for";
    return this.recover();
  }

  /** When a device that is out of service may be tried again; `Infinity` while it works. */
  retryAtUs(): number {
    return this.broken ? this.budget.nextUs() : Infinity;
  }

  /** For reports: descriptors of both queues. */
  queues(): string[] {
    return [this.receiveQueue.account("net.rx"), this.transmitQueue.account("net.tx")];
  }

  /** For reports: a device that finds no receive buffer leaves the frame with its host, or drops it. */
  pools(): Pool[] {
    const { receiveQueue: rx, transmitQueue: tx } = this;
    const bytes = QUEUE_SIZE * BUFFER_BYTES + rx.bytes;
    return [
      ["net.rx", bytes, rx.done, QUEUE_SIZE, rx.donePeak, "dry", rx.dry],
      ["net.tx", bytes, tx.outstanding, QUEUE_SIZE, tx.peak, "refused", this.counters.txFull],
    ];
  }

  private negotiate(): number {
    const features = this.transport.negotiate(this.wanted);
    this.hasStatus = (features & VIRTIO_NET_F_STATUS) !== 0;
    return features;
  }

  /** Steps 7 and 8 of §3.1.1: from agreed features to a live device with all its receive buffers. */
  private launch(): void {
    const receive = this.receiveQueue;
    const transmit = this.transmitQueue;
    receive.clear();
    transmit.clear();
    transmit.disableInterrupts();
    this.rxListening = true;
    this.txListening = false;
    this.held = NONE;
    this.reserved = NONE;
    for (let id = receive.allocate(); id !== NONE; id = receive.allocate()) receive.offer(id, BUFFER_BYTES);
    this.host.barrier(2);
    receive.publish();
    this.transport.enableQueue(RECEIVE_QUEUE, receive);
    this.transport.enableQueue(TRANSMIT_QUEUE, transmit);
    this.transport.start();
    // §3.1.1: no notification before DRIVER_OK.
    this.transport.notify(RECEIVE_QUEUE);
    this.readLink();
  }

  private readLink(): void {
    // §5.1.4.2: without the feature the link counts as up.
    const up = !this.hasStatus || (this.transport.configRead16(CONFIG_STATUS) & STATUS_LINK_UP) !== 0;
    this.setLink(up);
  }

  private setLink(up: boolean): void {
    if (up === this.linkUp) return;
    this.linkUp = up;
    this.linkChanges++;
    if (this.started) this.events.linkChanged?.(up);
  }

  /** Take sent buffers back. @returns false if the device broke the protocol. */
  private reclaim(): boolean {
    const queue = this.transmitQueue;
    let id = queue.take();
    while (id >= 0) {
      queue.recycle(id);
      id = queue.take();
    }
    if (id === NONE) return true;
    this.fault("its transmit queue is inconsistent");
    return false;
  }

  /** From here on the device is not listened to until {@link recover}, which waits until the core holds no frame. */
  private fault(trouble: string): void {
    this.counters.deviceErrors++;
    this.trouble = trouble;
    this.broken = true;
    this.quiet = false;
  }

  private recover(): boolean {
    if (!this.budget.take(this.host.nowUs())) {
      if (!this.quiet) {
        this.quiet = true;
        // Out of service: let it at least not write into memory that it was given.
        this.transport.reset();
        this.setLink(false);
      }
      return false;
    }
    this.counters.resets++;
    try {
      this.negotiate();
      this.launch();
    } catch (error) {
      this.counters.deviceErrors++;
      this.trouble = error instanceof Error ? error.message : "it did not start again";
      this.setLink(false);
      return false;
    }
    const why = this.trouble;
    this.broken = false;
    this.trouble = "";
    this.events.restarted?.(why);
    return true;
  }
}
