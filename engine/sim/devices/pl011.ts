/**
 * PL011 UART (ARM DDI 0183), 16 bytes deep, as the guest's registers show it, with an endless wire on the other side:
 * the host is asked for bytes only while the receive FIFO has room, and output stays in the transmit FIFO while the host
 * does not take it, so neither side can lose a byte.
 */
import type { MmioDevice } from "../bus.ts";
import type { DeviceTimer, Schedule, SimClock } from "../clock.ts";

const DR = 0x00;
const RSR = 0x04;
const FR = 0x18;
const ILPR = 0x20;
const IBRD = 0x24;
const FBRD = 0x28;
const LCR_H = 0x2c;
const CR = 0x30;
const IFLS = 0x34;
const IMSC = 0x38;
const RIS = 0x3c;
const MIS = 0x40;
const ICR = 0x44;
const DMACR = 0x48;
const ID_FIRST = 0xfe0;

const FR_BUSY = 1 << 3;
const FR_RXFE = 1 << 4;
const FR_TXFF = 1 << 5;
const FR_RXFF = 1 << 6;
const FR_TXFE = 1 << 7;

const LCR_FEN = 1 << 4;
const CR_UARTEN = 1 << 0;
const CR_LBE = 1 << 7;
const CR_TXE = 1 << 8;
const CR_RXE = 1 << 9;

const INT_RX = 1 << 4;
const INT_TX = 1 << 5;
const INT_RT = 1 << 6;
const INT_FE = 1 << 7;
const INT_OE = 1 << 10;
const INT_ALL = 0x7ff;

/** Error bits beside a received byte (§3.3.1): framing, parity, break, overrun. */
export const DATA_FE = 1 << 8;
export const DATA_PE = 1 << 9;
export const DATA_BE = 1 << 10;
export const DATA_OE = 1 << 11;

const DEPTH = 16;
/** IFLS: eighths of the FIFO. */
const TRIGGERS = [2, 4, 8, 12, 14] as const;
const ID = [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1] as const;
const UARTCLK = 24_000_000;
const BAUD_IF_UNSET = 115_200;

/** The host at the other end. */
export interface Pl011Host {
  /** The next byte for the guest, -1 if none waits. */
  nextInput(): number;
  /** Take a byte from the guest; false: not now, `Pl011.resumeOutput` will follow. */
  output(byte: number): boolean;
}

export class Pl011 implements MmioDevice {
  /** Accesses to no register. */
  badAccesses = 0;
  private readonly host: Pl011Host;
  private readonly irq: (high: boolean) => void;
  private readonly clock: SimClock;
  private readonly timeout: DeviceTimer;
  private readonly rx = new Uint16Array(DEPTH);
  private rxHead = 0;
  private rxCount = 0;
  private readonly tx = new Uint8Array(DEPTH);
  private txHead = 0;
  private txCount = 0;
  private overrun = false;
  private rsr = 0;
  private ilpr = 0;
  private ibrd = 0;
  private fbrd = 0;
  private lcr = 0;
  private cr = CR_TXE | CR_RXE;
  private ifls = 0x12;
  private imsc = 0;
  private ris = 0;
  private dmacr = 0;

  constructor(host: Pl011Host, clock: SimClock, schedule: Schedule, irq: (high: boolean) => void) {
    this.host = host;
    this.clock = clock;
    this.irq = irq;
    this.timeout = schedule.add(() => {
      this.raise(INT_RT);
    });
  }

  private get depth(): number {
    return this.lcr & LCR_FEN ? DEPTH : 1;
  }

  private get rxTrigger(): number {
    return this.lcr & LCR_FEN ? (TRIGGERS[(this.ifls >> 3) & 7] ?? DEPTH / 2) : 1;
  }

  private get txTrigger(): number {
    return this.lcr & LCR_FEN ? (TRIGGERS[this.ifls & 7] ?? DEPTH / 2) : 0;
  }

  private raise(bits: number): void {
    this.ris |= bits;
    this.irq((this.ris & this.imsc) !== 0);
  }

  private clear(bits: number): void {
    this.ris &= ~bits;
    this.irq((this.ris & this.imsc) !== 0);
  }

  // ---- receiving ----

  private get receiving(): boolean {
    const on = CR_UARTEN | CR_RXE;
    return (this.cr & on) === on && (this.cr & CR_LBE) === 0;
  }

  /** Bytes that the host may send now without loss. */
  get room(): number {
    return this.receiving ? this.depth - this.rxCount : 0;
  }

  /** Ask the host for as many bytes as there is room for. */
  pull(): void {
    while (this.room > 0) {
      const byte = this.host.nextInput();
      if (byte < 0) return;
      this.push(byte);
    }
  }

  /** A frame arrives whether there is room or not: a byte with error bits (`DATA_FE` …), as a bad line would. */
  receive(data: number): void {
    if (this.receiving) this.push(data);
  }

  private push(data: number): void {
    if (this.rxCount >= this.depth) {
      this.overrun = true;
      this.rsr |= 8;
      this.raise(INT_OE);
      return;
    }
    this.rx[(this.rxHead + this.rxCount) % DEPTH] = data | (this.overrun ? DATA_OE : 0);
    this.overrun = false;
    this.rxCount++;
    let bits = ((data >> 8) & 7) * INT_FE;
    if (this.rxCount >= this.rxTrigger) bits |= INT_RX;
    this.armTimeout();
    if (bits) this.raise(bits);
  }

  /** §2.8.4: bytes wait in the FIFO and for 32 bit periods none came and none was read. */
  private armTimeout(): void {
    const waits = this.lcr & LCR_FEN && this.rxCount > 0;
    this.timeout.deadline = waits ? this.clock.nowUs() + this.bitTimes(32) : Infinity;
  }

  private bitTimes(bits: number): number {
    const divisor = this.ibrd + this.fbrd / 64;
    const baud = divisor >= 1 ? UARTCLK / (16 * divisor) : BAUD_IF_UNSET;
    return Math.ceil((bits * 1e6) / baud);
  }

  private take(): number {
    if (this.rxCount === 0) return 0;
    const data = this.rx[this.rxHead] ?? 0;
    this.rxHead = (this.rxHead + 1) % DEPTH;
    this.rxCount--;
    this.rsr = (this.rsr & 8) | ((data >> 8) & 0xf);
    let cleared = 0;
    if (this.rxCount < this.rxTrigger) cleared |= INT_RX;
    if (this.rxCount === 0) cleared |= INT_RT;
    this.armTimeout();
    if (cleared) this.clear(cleared);
    return data;
  }

  // ---- sending ----

  private send(byte: number): void {
    if (this.txCount >= this.depth) return; // §3.3.1: a full FIFO takes nothing.
    this.tx[(this.txHead + this.txCount) % DEPTH] = byte;
    this.txCount++;
    if (this.txCount > this.txTrigger) this.clear(INT_TX);
    this.resumeOutput();
  }

  /** The host takes bytes again. */
  resumeOutput(): void {
    const on = CR_UARTEN | CR_TXE;
    if ((this.cr & on) !== on) return;
    while (this.txCount > 0) {
      const byte = this.tx[this.txHead] ?? 0;
      if (this.cr & CR_LBE) this.push(byte);
      else if (!this.host.output(byte)) return;
      this.txHead = (this.txHead + 1) % DEPTH;
      this.txCount--;
      if (this.txCount <= this.txTrigger) this.raise(INT_TX);
    }
  }

  // ---- registers ----

  private flags(): number {
    let flags = 0;
    if (this.txCount > 0) flags |= FR_BUSY;
    else flags |= FR_TXFE;
    if (this.txCount >= this.depth) flags |= FR_TXFF;
    if (this.rxCount === 0) flags |= FR_RXFE;
    if (this.rxCount >= this.depth) flags |= FR_RXFF;
    return flags;
  }

  read(offset: number): number {
    switch (offset) {
      case DR:
        return this.take();
      case RSR:
        return this.rsr;
      case FR:
        return this.flags();
      case ILPR:
        return this.ilpr;
      case IBRD:
        return this.ibrd;
      case FBRD:
        return this.fbrd;
      case LCR_H:
        return this.lcr;
      case CR:
        return this.cr;
      case IFLS:
        return this.ifls;
      case IMSC:
        return this.imsc;
      case RIS:
        return this.ris;
      case MIS:
        return this.ris & this.imsc;
      case DMACR:
        return this.dmacr;
      default:
        if (offset >= ID_FIRST && offset % 4 === 0) return ID[(offset - ID_FIRST) / 4] ?? 0;
        this.badAccesses++;
        return 0;
    }
  }

  write(offset: number, _width: number, value: number): void {
    switch (offset) {
      case DR:
        this.send(value & 0xff);
        return;
      case RSR: // UARTECR: any value clears the errors.
        this.rsr = 0;
        return;
      case ILPR:
        this.ilpr = value & 0xff;
        return;
      case IBRD:
        this.ibrd = value & 0xffff;
        return;
      case FBRD:
        this.fbrd = value & 0x3f;
        return;
      case LCR_H:
        // Switching the FIFOs on or off empties them.
        if ((this.lcr ^ value) & LCR_FEN) {
          this.rxCount = this.rxHead = this.txCount = this.txHead = 0;
          this.clear(INT_RX | INT_RT);
        }
        this.lcr = value & 0xff;
        this.armTimeout();
        return;
      case CR:
        this.cr = value & 0xffff;
        this.resumeOutput();
        return;
      case IFLS:
        this.ifls = value & 0x3f;
        return;
      case IMSC:
        this.imsc = value & INT_ALL;
        this.clear(0);
        return;
      case ICR:
        this.clear(value & INT_ALL);
        if (value & INT_RT) this.armTimeout();
        return;
      case DMACR:
        this.dmacr = value & 7;
        return;
      default:
        this.badAccesses++;
    }
  }
}
