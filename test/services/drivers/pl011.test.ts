import { expect } from "chai";
import * as fc from "fast-check";
import { Pl011, RX_BUDGET, RX_RING_BYTES, TX_RING_BYTES } from "../../../services/drivers/pl011.ts";
import { deviceNode, FakeMachine, type Registers } from "./machine.ts";

const RX_INT = 0x10;
const TX_INT = 0x20;
const RT_INT = 0x40;

/**
 * The registers of a PL011 (DDI 0183). Its receive interrupt follows QEMU: asserted when the FIFO stops being empty, and
 * only then; a driver that clears it and leaves bytes behind hears nothing more.
 */
class FakeUart implements Registers {
  readonly rx: number[] = [];
  readonly tx: number[] = [];
  sent: number[] = [];
  raw = 0;
  mask = 0;
  control = 0;
  line = 0;
  /** Bytes that the transmit FIFO holds, and whether they leave at once, as QEMU's do. */
  instant = true;
  readonly depth: number;

  constructor(depth = 16) {
    this.depth = depth;
  }

  /** What a terminal can send now. */
  room(): number {
    return this.depth - this.rx.length;
  }

  put(word: number): void {
    if (this.room() === 0) throw new Error("fed a full FIFO");
    this.rx.push(word);
    if (this.rx.length === 1) this.raw |= RX_INT;
  }

  /** The line takes `count` bytes of the transmit FIFO. */
  shift(count: number): void {
    const before = this.tx.length;
    this.sent.push(...this.tx.splice(0, count));
    if (before > this.depth / 8 && this.tx.length <= this.depth / 8) this.raw |= TX_INT;
  }

  raised(): boolean {
    return (this.raw & this.mask) !== 0;
  }

  read(offset: number, width: number): number {
    expect(width).to.equal(4);
    if (offset === 0x00) {
      const word = this.rx.shift();
      if (word === undefined) throw new Error("read of an empty FIFO");
      if (this.rx.length === 0) this.raw &= ~(RX_INT | RT_INT);
      return word;
    }
    if (offset === 0x18) {
      return (
        (this.rx.length === 0 ? 0x10 : 0) |
        (this.tx.length === this.depth ? 0x20 : 0) |
        (this.rx.length === this.depth ? 0x40 : 0) |
        (this.tx.length === 0 ? 0x80 : 0)
      );
    }
    throw new Error(`read of 0x${offset.toString(16)}`);
  }

  write(offset: number, value: number, width: number): void {
    expect(width).to.equal(4);
    if (offset === 0x00) {
      if (this.tx.length === this.depth) throw new Error("write to a full FIFO");
      expect(value).to.be.within(0, 255);
      this.tx.push(value);
      if (this.instant) this.shift(1);
      if (this.instant) this.raw |= TX_INT;
      else if (this.tx.length > this.depth / 8) this.raw &= ~TX_INT;
    } else if (offset === 0x2c) this.line = value;
    else if (offset === 0x30) this.control = value;
    else if (offset === 0x38) this.mask = value;
    else if (offset === 0x44) this.raw &= ~value;
    else if (offset !== 0x34) throw new Error(`write of 0x${offset.toString(16)}`);
  }
}

/**
 * QEMU 7.2 with a byte that was typed before the driver came: the FIFO is off, so that byte fills it; turning the FIFO on
 * forgets the count but leaves RXFF set and RXFE clear, and reads of UARTDR give the old byte again and again.
 */
class EarlyUart extends FakeUart {
  readonly #byte: number;
  #flags = 0x40;

  constructor(byte: number) {
    super();
    this.#byte = byte;
  }

  override read(offset: number, width: number): number {
    if (offset === 0x00 && this.rx.length === 0) {
      this.#flags = 0x10;
      return this.#byte;
    }
    if (offset === 0x18 && this.rx.length === 0) return this.#flags | 0x80;
    return super.read(offset, width);
  }

  override write(offset: number, value: number, width: number): void {
    // A byte arrives in the moment in which the FIFO is turned on.
    if (offset === 0x2c) this.#flags = this.late ? 0x40 : this.#flags;
    super.write(offset, value, width);
  }

  late = false;
}

const NODE = deviceNode({
  name: "pl011@9000000",
  compatible: "arm,pl011",
  base: 0x9000000,
  size: 0x1000,
  irq: 33,
  trigger: "level",
});

function setUp(uart = new FakeUart()): { machine: FakeMachine; uart: FakeUart; port: Pl011 } {
  const machine = new FakeMachine();
  machine.place(0x9000000, uart);
  return { machine, uart, port: new Pl011(machine, NODE) };
}

function readAll(port: Pl011): number[] {
  const into = new Uint8Array(port.readable());
  expect(port.read(into, 0, into.length)).to.equal(into.length);
  return [...into];
}

function bytes(length: number, seed = 0): number[] {
  return Array.from({ length }, (_, i) => (i * 31 + (i >> 8) + seed) & 0xff);
}

describe("Pl011", () => {
  it("takes a byte that was typed before it came once, also one that comes while the FIFO is turned on", () => {
    expect(readAll(setUp(new EarlyUart(0x70)).port)).to.deep.equal([0x70]);
    const uart = new EarlyUart(0x70);
    uart.late = true;
    expect(readAll(setUp(uart).port)).to.deep.equal([0x70, 0x70]);
  });

  it("turns on FIFOs, both directions and the receive interrupts", () => {
    const { uart, machine } = setUp();
    expect(uart.line).to.equal(0x70);
    expect(uart.control).to.equal(0x301);
    expect(uart.mask).to.equal(RX_INT | RT_INT);
    expect(machine.bound.get(33)).to.equal("level");
  });

  it("refuses a node without interrupt", () => {
    const machine = new FakeMachine();
    machine.place(0x9000000, new FakeUart());
    expect(() => new Pl011(machine, { ...NODE, irq: -1 })).to.throw("pl011@9000000 has no interrupt");
  });

  it("finds bytes that came before it started, whose interrupt it cleared", () => {
    const uart = new FakeUart();
    for (const byte of [1, 2, 3]) uart.put(byte);
    const { port } = setUp(uart);
    expect(readAll(port)).to.deep.equal([1, 2, 3]);
    uart.put(4);
    expect(uart.raised()).to.equal(true);
  });

  it("receives by interrupt and acknowledges it", () => {
    const { machine, uart, port } = setUp();
    uart.put(0x41);
    expect(uart.raised()).to.equal(true);
    port.service();
    expect(uart.raised()).to.equal(false);
    expect(machine.acks.get(port.bit)).to.equal(1);
    expect(readAll(port)).to.deep.equal([0x41]);
    expect(port.read(new Uint8Array(4), 0, 4)).to.equal(0);
  });

  it("reads a full FIFO with one access a byte", () => {
    const { machine, uart, port } = setUp();
    for (const byte of bytes(16)) uart.put(byte);
    machine.reads = machine.writes = 0;
    port.service();
    expect(machine.reads).to.equal(18);
    expect(machine.writes).to.equal(0);
  });

  it("counts overruns and errors; a byte with an error is not delivered, one before an overrun is", () => {
    const { uart, port } = setUp();
    for (const word of [0x41, 0x100 | 0x42, 0x200 | 0x43, 0x400, 0x800 | 0x44]) uart.put(word);
    port.service();
    expect(readAll(port)).to.deep.equal([0x41, 0x44]);
    expect(port.counters).to.include({ received: 2, errors: 3, overruns: 1 });
  });

  it("does a bounded amount in a call and is called again by the level of the line", () => {
    const { uart, port, machine } = setUp();
    let fed = 0;
    // A sender that fills the FIFO again as fast as it is read.
    const refill = (): void => {
      while (uart.room() > 0) uart.put(fed++ & 0xff);
    };
    refill();
    const read = machine.mmioRead32.bind(machine);
    machine.mmioRead32 = (window, offset) => {
      const value = read(window, offset);
      refill();
      return value;
    };
    port.service();
    expect(port.readable()).to.equal(RX_BUDGET);
    expect(uart.raised()).to.equal(true);
    expect(port.stalls).to.equal(0);
  });

  it("holds the sender back when its ring is full, and loses nothing", () => {
    const { uart, port } = setUp();
    const text = bytes(3 * RX_RING_BYTES);
    let at = 0;
    const turn = (): void => {
      while (at < text.length && uart.room() > 0) uart.put(text[at++] ?? 0);
      if (uart.raised()) port.service();
    };
    for (let i = 0; i < 2000; i++) turn();
    expect(port.readable()).to.equal(RX_RING_BYTES);
    expect(uart.room(), "the device's FIFO is full too").to.equal(0);
    expect(uart.mask & (RX_INT | RT_INT)).to.equal(0);
    expect(uart.raised()).to.equal(false);
    expect(port.stalls).to.equal(1);
    const full = ["serial.rx", RX_RING_BYTES, RX_RING_BYTES, RX_RING_BYTES, RX_RING_BYTES, "held_back", 1];
    expect(port.pools()[0]).to.deep.equal(full);

    const got: number[] = [];
    const into = new Uint8Array(300);
    for (let i = 0; i < 5000 && got.length < text.length; i++) {
      const count = port.read(into, 0, 300);
      got.push(...into.subarray(0, count));
      turn();
    }
    expect(got).to.deep.equal(text);
    expect(port.counters).to.include({ received: text.length, overruns: 0, errors: 0 });
  });

  it("sends at once what the FIFO takes", () => {
    const { uart, port } = setUp();
    expect(port.write(Uint8Array.from(bytes(100)), 10, 80)).to.equal(80);
    expect(uart.sent).to.deep.equal(bytes(100).slice(10, 90));
    expect(uart.mask & TX_INT, "no interrupt wanted").to.equal(0);
    expect(port.writable()).to.equal(TX_RING_BYTES);
  });

  it("sends the rest by interrupt on a line that takes its time", () => {
    const uart = new FakeUart();
    uart.instant = false;
    const { port } = setUp(uart);
    const text = bytes(1000);
    port.write(Uint8Array.from(text), 0, 400);
    port.write(Uint8Array.from(text), 400, 600);
    expect(uart.tx.length).to.equal(16);
    expect(uart.mask & TX_INT).to.equal(TX_INT);
    for (let i = 0; i < 2000 && uart.sent.length < text.length; i++) {
      uart.shift(3);
      if (uart.raised()) port.service();
    }
    expect(uart.sent).to.deep.equal(text);
    expect(uart.mask & TX_INT).to.equal(0);
    expect(port.counters.sent).to.equal(1000);
  });

  it("spreads a long text over turns", () => {
    const { uart, port, machine } = setUp();
    machine.writes = 0;
    port.write(new Uint8Array(TX_RING_BYTES), 0, TX_RING_BYTES);
    expect(machine.writes).to.be.lessThan(600);
    for (let turns = 0; uart.raised(); turns++) {
      expect(turns).to.be.lessThan(100);
      port.service();
    }
    expect(uart.sent.length).to.equal(TX_RING_BYTES);
  });

  it("takes as much as there is room for and counts the refusal", () => {
    const uart = new FakeUart();
    uart.instant = false;
    const { port } = setUp(uart);
    const text = new Uint8Array(TX_RING_BYTES + 100);
    expect(port.write(text, 0, text.length)).to.equal(TX_RING_BYTES);
    expect(port.writable()).to.equal(16);
    expect(port.write(text, 0, 100)).to.equal(16);
    expect(port.write(text, 0, 100)).to.equal(0);
    expect(port.counters.refused).to.equal(3);
  });

  it("keeps order and loses nothing under any mix of calls", () => {
    const step = fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 1, max: 4000 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.constantFrom(16, 32), (steps, depth) => {
        const uart = new FakeUart(depth);
        uart.instant = false;
        const { port } = setUp(uart);
        const fed: number[] = [];
        const got: number[] = [];
        const written: number[] = [];
        for (const [kind, n] of steps) {
          if (kind === 0) {
            for (let i = 0; i < n; i++) {
              if (uart.room() === 0 && uart.raised()) port.service();
              if (uart.room() === 0) break;
              fed.push((fed.length * 13) & 0xff);
              uart.put(fed[fed.length - 1] ?? 0);
            }
          } else if (kind === 1) {
            const into = new Uint8Array(n);
            got.push(...into.subarray(0, port.read(into, 0, n)));
          } else if (kind === 2) {
            const out = Uint8Array.from(bytes(n, written.length));
            written.push(...out.subarray(0, port.write(out, 0, n)));
          } else if (kind === 3) uart.shift(n);
          else if (uart.raised()) port.service();
        }
        for (let i = 0; i < 3000; i++) {
          uart.shift(depth);
          if (uart.raised()) port.service();
          got.push(...readAll(port));
        }
        expect(got).to.deep.equal(fed);
        expect(uart.sent).to.deep.equal(written);
      }),
      { numRuns: 60 },
    );
  });
});
