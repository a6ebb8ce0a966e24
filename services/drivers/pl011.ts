/**
 * ARM PL011 UART (DDI 0183) as {@link SerialPort}, by interrupt, through two bounded rings.
 * A full receive ring masks the receive interrupt: the device's FIFO then fills and holds the sender back, so nothing is
 * lost and memory stays bounded. Each call does a bounded amount of work, so a pasted book cannot make a turn late.
 */
import type { DeviceNode, Host } from "../../runtime-bindings.d.ts";
import type { Pool, SerialCounters, SerialPort } from "../ports/index.ts";

export type Pl011Host = Pick<Host, "mmioMap" | "mmioRead32" | "mmioWrite32" | "irqBind" | "irqAck" | "copy">;

/** Register offsets (§3.2). */
const UARTDR = 0x00;
const UARTFR = 0x18;
const UARTLCR_H = 0x2c;
const UARTCR = 0x30;
const UARTIFLS = 0x34;
const UARTIMSC = 0x38;
const UARTICR = 0x44;

/** UARTDR, upper half of a received word (§3.3.1). */
const DR_FRAMING = 1 << 8;
const DR_PARITY = 1 << 9;
const DR_BREAK = 1 << 10;
const DR_OVERRUN = 1 << 11;
const DR_ANY = DR_FRAMING | DR_PARITY | DR_BREAK | DR_OVERRUN;

/** UARTFR (§3.3.3). */
const FR_RXFE = 1 << 4;
const FR_TXFF = 1 << 5;
const FR_RXFF = 1 << 6;
const FR_TXFE = 1 << 7;

/** UARTLCR_H (§3.3.7): eight bits, FIFOs on. */
const LCR_FEN = 1 << 4;
const LCR_WLEN_8 = 3 << 5;

/** UARTCR (§3.3.8). */
const CR_ENABLE = 1 << 0;
const CR_TRANSMIT = 1 << 8;
const CR_RECEIVE = 1 << 9;

/** UARTIFLS (§3.3.9): interrupt when the receive FIFO is half full, when the transmit FIFO is down to an eighth. */
const IFLS_RX_HALF = 2 << 3;
const IFLS_TX_EIGHTH = 0;

/** Interrupt bits (§3.3.10 to §3.3.13). */
const INT_RECEIVE = 1 << 4;
const INT_TRANSMIT = 1 << 5;
const INT_RECEIVE_TIMEOUT = 1 << 6;
const INT_ALL = 0x7ff;

/** Depth of both FIFOs in every revision, 32 in the later ones: so much is there when one is full, and fits when one is empty. */
const FIFO_DEPTH = 16;

export const RX_RING_BYTES = 8192;
export const TX_RING_BYTES = 16384;
/** The most that one call moves between device and ring. */
export const RX_BUDGET = 128;
export const TX_BUDGET = 256;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class Pl011 implements SerialPort {
  /** Bit in `raised`; when it is up, call {@link service}. */
  readonly bit: number;
  readonly counters: Mutable<SerialCounters> = { received: 0, sent: 0, overruns: 0, errors: 0, refused: 0 };
  /** Times the full receive ring made the sender wait. */
  stalls = 0;

  private readonly host: Pl011Host;
  private readonly window: number;
  private mask = 0;

  /** Rings: the next byte is at `head`, `count` bytes are in use. */
  private readonly rxRing = new Uint8Array(RX_RING_BYTES);
  private rxHead = 0;
  private rxCount = 0;
  private rxPeak = 0;
  private readonly txRing = new Uint8Array(TX_RING_BYTES);
  private txHead = 0;
  private txCount = 0;
  private txPeak = 0;

  constructor(host: Pl011Host, node: DeviceNode) {
    if (node.irq < 0) throw new Error(`${node.name} has no interrupt in the device tree`);
    this.host = host;
    const window = host.mmioMap(node.base, node.size);
    this.window = window;
    // The baud rate is the firmware's; changing it without knowing the clock would only garble the line.
    host.mmioWrite32(window, UARTIMSC, 0);
    // Turning the FIFO on empties it: what was typed before is taken out first.
    this.takeEarly();
    host.mmioWrite32(window, UARTLCR_H, LCR_WLEN_8 | LCR_FEN);
    host.mmioWrite32(window, UARTIFLS, IFLS_RX_HALF | IFLS_TX_EIGHTH);
    host.mmioWrite32(window, UARTICR, INT_ALL);
    host.mmioWrite32(window, UARTCR, CR_ENABLE | CR_TRANSMIT | CR_RECEIVE);
    this.bit = host.irqBind(node.irq, node.trigger);
    this.setMask(INT_RECEIVE | INT_RECEIVE_TIMEOUT);
    // Bytes that came before the interrupts were cleared raise none any more.
    this.takeEarly();
  }

  /** Serve the interrupt: move bytes both ways. What is left raises the line again. */
  service(): void {
    this.drain();
    this.rxPeak = Math.max(this.rxPeak, this.rxCount);
    if (this.txCount > 0) this.pump();
    this.host.irqAck(this.bit);
  }

  readable(): number {
    return this.rxCount;
  }

  read(into: Uint8Array, at: number, max: number): number {
    const length = Math.min(max, this.rxCount);
    if (length === 0) return 0;
    const first = Math.min(length, RX_RING_BYTES - this.rxHead);
    this.host.copy(into, at, this.rxRing, this.rxHead, first);
    if (first < length) this.host.copy(into, at + first, this.rxRing, 0, length - first);
    this.rxHead = (this.rxHead + length) % RX_RING_BYTES;
    this.rxCount -= length;
    // Not at the first free byte: a sender that is let go and stopped again for each costs two accesses a byte.
    if ((this.mask & INT_RECEIVE) === 0 && this.rxCount <= RX_RING_BYTES / 2) {
      this.setMask(this.mask | INT_RECEIVE | INT_RECEIVE_TIMEOUT);
    }
    return length;
  }

  writable(): number {
    return TX_RING_BYTES - this.txCount;
  }

  write(from: Uint8Array, start: number, length: number): number {
    const taken = Math.min(length, TX_RING_BYTES - this.txCount);
    if (taken < length) this.counters.refused++;
    if (taken === 0) return 0;
    const tail = (this.txHead + this.txCount) % TX_RING_BYTES;
    const first = Math.min(taken, TX_RING_BYTES - tail);
    this.host.copy(this.txRing, tail, from, start, first);
    if (first < taken) this.host.copy(this.txRing, 0, from, start + first, taken - first);
    const idle = this.txCount === 0;
    this.txCount += taken;
    this.txPeak = Math.max(this.txPeak, this.txCount);
    // Otherwise the transmit interrupt is on and goes on.
    if (idle) this.pump();
    return taken;
  }

  /** For reports: it has none. */
  queues(): string[] {
    return [];
  }

  pools(): Pool[] {
    return [
      ["serial.rx", RX_RING_BYTES, this.rxCount, RX_RING_BYTES, this.rxPeak, "held_back", this.stalls],
      ["serial.tx", TX_RING_BYTES, this.txCount, TX_RING_BYTES, this.txPeak, "refused", this.counters.refused],
    ];
  }

  private setMask(mask: number): void {
    if (mask === this.mask) return;
    this.mask = mask;
    this.host.mmioWrite32(this.window, UARTIMSC, mask);
  }

  /**
   * What waits, asking before each byte: RXFF means one byte while the FIFO is off, and QEMU 7.2 leaves it set
   * when it is turned on.
   */
  private takeEarly(): void {
    for (let i = 0; i < FIFO_DEPTH && (this.host.mmioRead32(this.window, UARTFR) & FR_RXFE) === 0; i++) {
      this.accept(this.host.mmioRead32(this.window, UARTDR));
    }
  }

  /** From the device into the ring, as far as budget and ring go. */
  private drain(): void {
    const host = this.host;
    const window = this.window;
    let budget = Math.min(RX_BUDGET, RX_RING_BYTES - this.rxCount);
    while (budget > 0) {
      const flags = host.mmioRead32(window, UARTFR);
      if (flags & FR_RXFE) return;
      // A full FIFO needs no look at the flags between its bytes.
      let sure = Math.min(flags & FR_RXFF ? FIFO_DEPTH : 1, budget);
      budget -= sure;
      for (; sure > 0; sure--) this.accept(host.mmioRead32(window, UARTDR));
    }
    if (this.rxCount === RX_RING_BYTES && this.mask & INT_RECEIVE) {
      this.stalls++;
      this.setMask(this.mask & ~(INT_RECEIVE | INT_RECEIVE_TIMEOUT));
    }
  }

  private accept(word: number): void {
    if (word & DR_ANY) {
      // An overrun lost what came after this byte; the byte itself is sound (§3.3.1).
      if (word & DR_OVERRUN) this.counters.overruns++;
      if (word & (DR_FRAMING | DR_PARITY | DR_BREAK)) {
        this.counters.errors++;
        return;
      }
    }
    this.rxRing[(this.rxHead + this.rxCount) % RX_RING_BYTES] = word;
    this.rxCount++;
    this.counters.received++;
  }

  /** From the ring into the device, as far as budget and FIFO go; the interrupt asks for the rest. */
  private pump(): void {
    const host = this.host;
    const window = this.window;
    let budget = TX_BUDGET;
    while (budget > 0 && this.txCount > 0) {
      const flags = host.mmioRead32(window, UARTFR);
      if (flags & FR_TXFF) break;
      const sure = Math.min(flags & FR_TXFE ? FIFO_DEPTH : 1, this.txCount);
      for (let i = 0; i < sure; i++) {
        host.mmioWrite32(window, UARTDR, this.txRing[this.txHead]!);
        this.txHead = (this.txHead + 1) % TX_RING_BYTES;
      }
      this.txCount -= sure;
      this.counters.sent += sure;
      budget -= sure;
    }
    this.setMask(this.txCount > 0 ? this.mask | INT_TRANSMIT : this.mask & ~INT_TRANSMIT);
  }
}
