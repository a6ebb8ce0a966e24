/**
 * virtio-console (virtio 1.2 §5.3) as a {@link SerialPort}: port 0 of a device whose MULTIPORT is left alone, so there is no
 * control queue and nobody to wait for. Both directions are bounded by the buffers that device and driver exchange: a reader
 * that stops holds the host back, and a host that stops makes `write` take nothing. A device that breaks the protocol is
 * counted, reset and started again a bounded number of times a minute, and received bytes that wait outlive that.
 */
import type { Host } from "../../../runtime-bindings.d.ts";
import type { Pool, SerialCounters, SerialPort } from "../../ports/index.ts";
import { INTERRUPT_CONFIG_CHANGE, type MmioHost, type VirtioMmio } from "./mmio.ts";
import { ResetBudget } from "./recovery.ts";
import { NONE, Virtqueue } from "./virtqueue.ts";

export type ConsoleHost = MmioHost & Pick<Host, "copy">;

/**
 * No feature is taken (§5.3.3): SIZE says nothing that a line needs, MULTIPORT would add queues for ports that nobody
 * uses, and EMERG_WRITE is for those without queues.
 */
const FEATURES = 0;

/** Queues of port 0 (§5.3.2). */
const RECEIVE_QUEUE = 0;
const TRANSMIT_QUEUE = 1;

/**
 * Receive buffers, of a byte each. The multiplexer of QEMU before 9.1 passes a terminal's bytes one at a time, each in a buffer of its
 * own, but reads as many from the terminal as all buffers have room for: where a buffer has room for more than one, it overwrites what
 * it read and passes its last 32 bytes again and again.
 */
export const RX_BYTES = 64;
const TX_BUFFERS = 16;
export const TX_BUFFER_BYTES = 1024;
/** The most that waits for the host. */
export const TX_BYTES = TX_BUFFERS * TX_BUFFER_BYTES;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface VirtioConsoleCounters extends SerialCounters {
  /** Completions that the device described impossibly. */
  readonly deviceErrors: number;
  readonly resets: number;
  /** Bytes that were on their way to the host when the device was reset. */
  readonly lost: number;
}

export class VirtioConsole implements SerialPort {
  /** Bit in `raised`; when it is up, call {@link service}. */
  readonly bit: number;
  readonly counters: Mutable<VirtioConsoleCounters> = {
    received: 0,
    sent: 0,
    overruns: 0,
    errors: 0,
    refused: 0,
    deviceErrors: 0,
    resets: 0,
    lost: 0,
  };
  /** Why the device is out of service, empty if it is not. */
  trouble = "";

  readonly #host: ConsoleHost;
  readonly #transport: VirtioMmio;
  readonly #restarted: (why: string) => void;
  readonly #receive: Virtqueue;
  readonly #transmit: Virtqueue;
  readonly #budget = new ResetBudget();
  readonly #rx: Uint8Array;
  readonly #tx: Uint8Array;
  /** Received buffers that wait for {@link read}, oldest first, a ring; and whether an id is among them. */
  readonly #ids = new Uint8Array(RX_BYTES);
  readonly #inHand = new Uint8Array(RX_BYTES);
  #head = 0;
  #count = 0;
  #peak = 0;
  /** Bytes in each buffer that the device has, and in all of them. */
  readonly #sending = new Uint16Array(TX_BUFFERS);
  #inFlight = 0;
  #broken = false;
  #quiet = false;

  /**
   * @param restarted called when the device was reset and works again; it must not call the driver
   * @throws Error, one sentence, if the device cannot be driven.
   */
  constructor(host: ConsoleHost, transport: VirtioMmio, restarted: (why: string) => void = () => undefined) {
    this.#host = host;
    this.#transport = transport;
    this.#restarted = restarted;
    transport.negotiate(FEATURES);
    this.#receive = new Virtqueue(host, RX_BYTES);
    this.#transmit = new Virtqueue(host, TX_BUFFERS);
    const rx = host.dmaAlloc(RX_BYTES);
    const tx = host.dmaAlloc(TX_BYTES);
    this.#rx = new Uint8Array(rx.buffer);
    this.#tx = new Uint8Array(tx.buffer);
    // §5.3.6.1: nothing readable in the receive queue, nothing writable in the transmit queue.
    for (let id = 0; id < RX_BYTES; id++) this.#receive.describe(id, rx.address + id, 1, true);
    for (let id = 0; id < TX_BUFFERS; id++) {
      this.#transmit.describe(id, tx.address + id * TX_BUFFER_BYTES, TX_BUFFER_BYTES, false);
    }
    this.bit = host.irqBind(transport.node.irq, transport.node.trigger);
    this.#launch();
  }

  /** Serve the interrupt: take what the device is done with. */
  service(): void {
    const causes = this.#transport.acknowledge();
    if (causes < 0) this.#fault("its interrupt does not go away");
    else if (causes & INTERRUPT_CONFIG_CHANGE && this.#transport.needsReset()) this.#fault("it asked for a reset");
    else if (!this.#broken) {
      this.#collect();
      if (!this.#broken) this.#listen();
    }
    this.#host.irqAck(this.bit);
  }

  readable(): number {
    return this.#count;
  }

  read(into: Uint8Array, at: number, max: number): number {
    if (this.#broken) this.#recover();
    const done = Math.min(max, this.#count);
    for (let i = 0; i < done; i++) {
      const id = this.#ids[this.#head]!;
      into[at + i] = this.#rx[id]!;
      this.#head = (this.#head + 1) % RX_BYTES;
      this.#inHand[id] = 0;
      // A device that is out of service gets all its buffers when it starts again.
      if (!this.#broken) this.#receive.offer(id, 1);
    }
    this.#count -= done;
    if (done > 0 && !this.#broken) this.#show(this.#receive, RECEIVE_QUEUE);
    return done;
  }

  writable(): number {
    return this.#broken ? 0 : this.#transmit.available() * TX_BUFFER_BYTES;
  }

  write(from: Uint8Array, start: number, length: number): number {
    let taken = 0;
    if (!this.#broken || this.#recover()) {
      while (taken < length) {
        const id = this.#transmit.allocate();
        if (id === NONE) break;
        const piece = Math.min(TX_BUFFER_BYTES, length - taken);
        this.#host.copy(this.#tx, id * TX_BUFFER_BYTES, from, start + taken, piece);
        this.#transmit.offer(id, piece);
        this.#sending[id] = piece;
        this.#inFlight += piece;
        taken += piece;
      }
    }
    if (taken < length) this.counters.refused++;
    if (taken === 0) return 0;
    this.counters.sent += taken;
    this.#show(this.#transmit, TRANSMIT_QUEUE);
    // Most devices are done before the notification returns; only what is still out is worth an interrupt.
    if (this.#reclaim()) this.#listen();
    return taken;
  }

  /** When a device that is out of service may be tried again, which `read` and `write` do; `Infinity` while it works. */
  retryAtUs(): number {
    return this.#broken ? this.#budget.nextUs() : Infinity;
  }

  /** For reports: descriptors of both queues. */
  queues(): string[] {
    return [this.#receive.account("virtio-console.rx"), this.#transmit.account("virtio-console.tx")];
  }

  pools(): Pool[] {
    const rx = this.#receive;
    const tx = this.#transmit;
    return [
      ["virtio-console.rx", RX_BYTES + rx.bytes, this.#count, RX_BYTES, this.#peak, "held_back", rx.dry],
      ["virtio-console.tx", TX_BYTES + tx.bytes, tx.outstanding, TX_BUFFERS, tx.peak, "refused", this.counters.refused],
    ];
  }

  /** Show the device what was offered and tell it. */
  #show(queue: Virtqueue, index: number): void {
    // §2.7.13.3.1: descriptors and ring entries before the index; §2.7.13.4.1: the index before the look at the flag.
    this.#host.barrier(2);
    queue.publish();
    this.#host.barrier(0);
    if (queue.wantsNotification()) this.#transport.notify(index);
  }

  /** Steps 7 and 8 of §3.1.1. Buffers that wait for the reader are not the device's. */
  #launch(): void {
    const receive = this.#receive;
    const transmit = this.#transmit;
    receive.clear();
    transmit.clear();
    transmit.disableInterrupts();
    this.counters.lost += this.#inFlight;
    this.#inFlight = 0;
    for (let id = receive.allocate(); id !== NONE; id = receive.allocate()) {
      if (this.#inHand[id] === 0) receive.offer(id, 1);
    }
    this.#host.barrier(2);
    receive.publish();
    this.#transport.enableQueue(RECEIVE_QUEUE, receive);
    this.#transport.enableQueue(TRANSMIT_QUEUE, transmit);
    this.#transport.start();
    // §3.1.1: no notification before DRIVER_OK.
    this.#transport.notify(RECEIVE_QUEUE);
  }

  #collect(): void {
    const queue = this.#receive;
    let id = queue.take();
    while (id >= 0 && queue.usedLength > 0) {
      this.#ids[(this.#head + this.#count) % RX_BYTES] = id;
      this.#inHand[id] = 1;
      if (++this.#count > this.#peak) this.#peak = this.#count;
      this.counters.received++;
      id = queue.take();
    }
    // Without a byte a buffer would come back at once, and so on for ever.
    if (id !== NONE) this.#fault(id < 0 ? "its receive queue is inconsistent" : "it gave back an empty buffer");
    else this.#reclaim();
  }

  /** Take sent buffers back. @returns false if the device broke the protocol. */
  #reclaim(): boolean {
    const queue = this.#transmit;
    let id = queue.take();
    while (id >= 0) {
      this.#inFlight -= this.#sending[id]!;
      queue.recycle(id);
      id = queue.take();
    }
    if (id === NONE) return true;
    this.#fault("its transmit queue is inconsistent");
    return false;
  }

  /** Have an interrupt for sent buffers as long as some are out. */
  #listen(): void {
    const queue = this.#transmit;
    if (queue.outstanding > 0) {
      queue.enableInterrupts();
      // §2.7.14: one that came before the device saw the flag raises no interrupt, so look again.
      this.#host.barrier(0);
      if (!this.#reclaim() || queue.outstanding > 0) return;
    }
    queue.disableInterrupts();
  }

  #fault(trouble: string): void {
    this.counters.deviceErrors++;
    this.trouble = trouble;
    this.#broken = true;
    this.#quiet = false;
    this.#recover();
  }

  #recover(): boolean {
    if (!this.#budget.take(this.#host.nowUs())) {
      if (!this.#quiet) {
        this.#quiet = true;
        // Out of service: let it at least not write into memory that it was given.
        this.#transport.reset();
      }
      return false;
    }
    this.counters.resets++;
    try {
      this.#transport.negotiate(FEATURES);
      this.#launch();
    } catch (error) {
      this.counters.deviceErrors++;
      this.trouble = error instanceof Error ? error.message : "it did not start again";
      return false;
    }
    const why = this.trouble;
    this.#broken = false;
    this.trouble = "";
    this.#restarted(why);
    return true;
  }
}
