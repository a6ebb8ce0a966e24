import { expect } from "chai";
import fc from "fast-check";
import { Schedule, VirtualClock } from "../../../../engine/sim/clock.ts";
import { DATA_BE, DATA_FE, DATA_OE, DATA_PE, Pl011 } from "../../../../engine/sim/devices/pl011.ts";
import type { Pl011Host } from "../../../../engine/sim/devices/pl011.ts";

// ARM DDI 0183, table 3-1.
const DR = 0x00;
const RSR = 0x04;
const FR = 0x18;
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

const FEN = 0x10;
const ON = 0x301;
const [BUSY, RXFE, TXFF, RXFF, TXFE] = [0x08, 0x10, 0x20, 0x40, 0x80];
const [RX, TX, RT, FE, PE, BE, OE] = [0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400];

/** A UART, its host and its interrupt line. */
class Bench implements Pl011Host {
  readonly clock = new VirtualClock();
  readonly schedule = new Schedule();
  readonly uart = new Pl011(this, this.clock, this.schedule, (high) => {
    this.line = high;
  });
  line = false;
  readonly input: number[] = [];
  readonly printed: number[] = [];
  accepts = Infinity;

  nextInput(): number {
    return this.input.shift() ?? -1;
  }

  output(byte: number): boolean {
    if (this.printed.length >= this.accepts) return false;
    this.printed.push(byte);
    return true;
  }

  read(offset: number): number {
    return this.uart.read(offset);
  }

  write(offset: number, value: number): void {
    this.uart.write(offset, 4, value);
  }

  /** 115,200 baud, 8 bits, FIFOs on, triggers at half, receiver and transmitter on. */
  enable(fifo = true): this {
    this.write(IBRD, 13);
    this.write(FBRD, 1);
    this.write(LCR_H, fifo ? 0x70 : 0x60);
    this.write(CR, ON);
    return this;
  }

  type(count: number): void {
    for (let i = 0; i < count; i++) this.input.push(0x41 + i);
    this.uart.pull();
  }

  pass(us: number): void {
    this.clock.advanceTo(this.clock.nowUs() + us);
    this.schedule.run(this.clock.nowUs());
  }
}

describe("PL011", () => {
  describe("registers", () => {
    it("have the reset values of table 3-1", () => {
      const it = new Bench();
      const values = [RSR, FR, IBRD, FBRD, LCR_H, CR, IFLS, IMSC, RIS, MIS, DMACR].map((offset) => it.read(offset));
      expect(values).to.deep.equal([0, RXFE | TXFE, 0, 0, 0, 0x300, 0x12, 0, 0, 0, 0]);
    });

    it("identify the peripheral and the cell", () => {
      const it = new Bench();
      const ids = [0xfe0, 0xfe4, 0xfe8, 0xfec, 0xff0, 0xff4, 0xff8, 0xffc].map((offset) => it.read(offset));
      expect(ids.slice(0, 2)).to.deep.equal([0x11, 0x10]);
      expect((ids[2] ?? 0) & 0x0f).to.equal(4);
      expect(ids.slice(4)).to.deep.equal([0x0d, 0xf0, 0x05, 0xb1]);
    });

    it("keep the bits that they have and no others", () => {
      const it = new Bench();
      for (const [offset, mask] of [
        [IBRD, 0xffff],
        [FBRD, 0x3f],
        [LCR_H, 0xff],
        [IFLS, 0x3f],
        [IMSC, 0x7ff],
        [DMACR, 7],
      ] as const) {
        it.write(offset, 0xffffffff);
        expect(it.read(offset), offset.toString(16)).to.equal(mask);
      }
    });

    it("count accesses to what is no register, and read zero there", () => {
      const it = new Bench();
      expect(it.read(0x100)).to.equal(0);
      it.write(0x0c, 1);
      it.write(FR, 1);
      expect(it.uart.badAccesses).to.equal(3);
    });
  });

  describe("receiving", () => {
    it("waits with the host's bytes until UART and receiver are on", () => {
      const it = new Bench();
      it.type(3);
      expect(it.input.length).to.equal(3);
      it.write(CR, 0x300);
      it.uart.pull();
      expect(it.input.length).to.equal(3);
      it.enable();
      it.uart.pull();
      expect(it.input.length).to.equal(0);
      expect(it.read(FR) & RXFE).to.equal(0);
    });

    it("asks for no more than 16 bytes, and loses none of many", () => {
      const it = new Bench().enable();
      it.type(40);
      expect(it.input.length).to.equal(24);
      expect(it.read(FR) & RXFF).to.equal(RXFF);
      const got: number[] = [];
      while (got.length < 40) {
        while (!(it.read(FR) & RXFE)) got.push(it.read(DR));
        it.uart.pull();
      }
      expect(got).to.deep.equal(Array.from({ length: 40 }, (_, i) => 0x41 + i));
      expect(it.read(RSR)).to.equal(0);
    });

    it("has a depth of one without FIFOs", () => {
      const it = new Bench().enable(false);
      it.type(2);
      expect(it.input.length).to.equal(1);
      expect(it.read(FR) & RXFF).to.equal(RXFF);
      expect(it.read(RIS)).to.equal(RX);
      it.read(DR);
      expect(it.read(RIS)).to.equal(0);
    });

    it("raises RX at the trigger level of IFLS and lowers it below", () => {
      for (const [select, level] of [
        [0, 2],
        [1, 4],
        [2, 8],
        [3, 12],
        [4, 14],
      ] as const) {
        const it = new Bench().enable();
        it.write(IFLS, select << 3);
        it.type(level - 1);
        expect(it.read(RIS) & RX, `below ${String(level)}`).to.equal(0);
        it.type(1);
        expect(it.read(RIS) & RX, `at ${String(level)}`).to.equal(RX);
        it.read(DR);
        expect(it.read(RIS) & RX, `below ${String(level)} again`).to.equal(0);
      }
    });

    it("raises RT 32 bit periods after the last byte, and lowers it when the FIFO is empty", () => {
      const it = new Bench().enable();
      it.type(2);
      it.pass(270);
      expect(it.read(RIS) & RT).to.equal(0);
      it.type(1);
      it.pass(270);
      expect(it.read(RIS) & RT).to.equal(0);
      it.pass(10);
      expect(it.read(RIS) & RT).to.equal(RT);
      it.read(DR);
      it.read(DR);
      expect(it.read(RIS) & RT).to.equal(RT);
      it.read(DR);
      expect(it.read(RIS) & RT).to.equal(0);
      it.pass(1000);
      expect(it.read(RIS) & RT).to.equal(0);
    });

    it("raises RT again for bytes that were left in the FIFO", () => {
      const it = new Bench().enable();
      it.type(3);
      it.pass(300);
      it.read(DR);
      it.write(ICR, RT);
      expect(it.read(RIS) & RT).to.equal(0);
      it.pass(300);
      expect(it.read(RIS) & RT).to.equal(RT);
    });

    it("takes the bit period from the divisors", () => {
      const it = new Bench();
      it.enable();
      it.write(IBRD, 1250);
      it.write(FBRD, 0);
      it.type(1);
      it.pass(26_000);
      expect(it.read(RIS) & RT).to.equal(0);
      it.pass(700);
      expect(it.read(RIS) & RT).to.equal(RT);
    });

    it("hands over error bits with their byte and raises their interrupts", () => {
      for (const [data, status, interrupt] of [
        [DATA_FE, 1, FE],
        [DATA_PE, 2, PE],
        [DATA_BE, 4, BE],
      ] as const) {
        const it = new Bench().enable();
        it.uart.receive(data | 0x55);
        expect(it.read(RIS) & (FE | PE | BE)).to.equal(interrupt);
        expect(it.read(RSR)).to.equal(0);
        expect(it.read(DR)).to.equal(data | 0x55);
        expect(it.read(RSR)).to.equal(status);
        it.write(RSR, 0);
        expect(it.read(RSR)).to.equal(0);
      }
    });

    it("overruns when bytes come though the FIFO is full, and says so with the next byte", () => {
      const it = new Bench().enable();
      it.type(16);
      it.uart.receive(0x7a);
      expect(it.read(RIS) & OE).to.equal(OE);
      expect(it.read(RSR) & 8).to.equal(8);
      for (let i = 0; i < 16; i++) expect(it.read(DR)).to.equal(0x41 + i);
      it.uart.receive(0x79);
      expect(it.read(DR)).to.equal(DATA_OE | 0x79);
      it.write(RSR, 0);
      it.write(ICR, OE);
      expect([it.read(RSR), it.read(RIS)]).to.deep.equal([0, 0]);
    });

    it("loses what arrives while it is off, as a wire does", () => {
      const it = new Bench();
      it.uart.receive(0x41);
      it.enable();
      expect(it.read(FR) & RXFE).to.equal(RXFE);
    });
  });

  describe("sending", () => {
    it("prints and raises TX when the FIFO has drained to its trigger", () => {
      const it = new Bench().enable();
      expect(it.read(RIS)).to.equal(0);
      it.write(DR, 0x48);
      it.write(DR, 0x169);
      expect(it.printed).to.deep.equal([0x48, 0x69]);
      expect(it.read(RIS)).to.equal(TX);
      expect(it.read(FR)).to.equal(TXFE | RXFE);
    });

    it("fills up while the host takes nothing, drops beyond, and goes on from there", () => {
      const it = new Bench().enable();
      it.accepts = 0;
      for (let i = 0; i < 16; i++) it.write(DR, i);
      expect(it.read(FR)).to.equal(BUSY | TXFF | RXFE);
      it.write(DR, 99);
      expect(it.read(RIS)).to.equal(0);
      it.accepts = 7;
      it.uart.resumeOutput();
      expect(it.read(RIS)).to.equal(0);
      it.accepts = 8;
      it.uart.resumeOutput();
      expect(it.read(RIS)).to.equal(TX);
      expect(it.read(FR) & TXFF).to.equal(0);
      it.write(DR, 16);
      expect(it.read(RIS), "above the trigger again").to.equal(0);
      it.accepts = Infinity;
      it.uart.resumeOutput();
      expect(it.printed).to.deep.equal(Array.from({ length: 17 }, (_, i) => i));
    });

    it("keeps bytes while UART or transmitter are off", () => {
      const it = new Bench();
      it.write(LCR_H, 0x70);
      it.write(DR, 1);
      it.write(CR, 0x201);
      it.write(DR, 2);
      expect(it.printed).to.deep.equal([]);
      it.write(CR, ON);
      expect(it.printed).to.deep.equal([1, 2]);
    });

    it("hands its output back to its input in loopback, and neither to nor from the host", () => {
      const it = new Bench().enable();
      it.write(CR, ON | 0x80);
      it.write(DR, 0x5a);
      it.type(1);
      expect(it.printed).to.deep.equal([]);
      expect(it.input.length).to.equal(1);
      expect(it.read(DR)).to.equal(0x5a);
    });
  });

  it("drives its line by what is raised and not masked, as a level", () => {
    const it = new Bench().enable();
    it.write(DR, 1);
    expect([it.line, it.read(MIS)]).to.deep.equal([false, 0]);
    it.write(IMSC, TX | RX);
    expect([it.line, it.read(MIS)]).to.deep.equal([true, TX]);
    it.write(ICR, RX);
    expect(it.line).to.equal(true);
    it.write(ICR, TX);
    expect([it.line, it.read(RIS)]).to.deep.equal([false, 0]);
    it.type(8);
    expect(it.line).to.equal(true);
    it.write(IMSC, 0);
    expect([it.line, it.read(RIS)]).to.deep.equal([false, RX]);
  });

  it("empties its FIFOs when they are switched", () => {
    const it = new Bench().enable();
    it.accepts = 0;
    it.type(9);
    it.write(DR, 1);
    it.write(LCR_H, 0x60);
    expect(it.read(FR)).to.equal(RXFE | TXFE);
    expect(it.read(RIS) & (RX | RT)).to.equal(0);
    it.pass(1000);
    expect(it.read(RIS) & RT).to.equal(0);
    it.write(LCR_H, 0x60 | FEN);
    expect(it.read(FR)).to.equal(RXFE | TXFE);
  });

  it("keeps its flags and its line consistent whatever is done to it", () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant("read"), offset: fc.integer({ min: 0, max: 0x3ff }), value: fc.constant(0) }),
      fc.record({
        kind: fc.constant("write"),
        offset: fc.constantFrom(DR, RSR, LCR_H, CR, IFLS, IMSC, ICR),
        value: fc.nat(0xfff),
      }),
      fc.record({ kind: fc.constantFrom("type", "break", "pass"), offset: fc.constant(0), value: fc.nat(40) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200 }), fc.nat(50), (actions, accepts) => {
        const it = new Bench();
        it.accepts = accepts;
        for (const { kind, offset, value } of actions) {
          if (kind === "read") it.read(4 * offset);
          else if (kind === "write") it.write(offset, value);
          else if (kind === "type") it.type(value);
          else if (kind === "break") it.uart.receive(DATA_BE);
          else it.pass(value * 10);
          const flags = it.read(FR);
          expect((flags & RXFE) !== 0 && (flags & RXFF) !== 0).to.equal(false);
          expect((flags & TXFE) !== 0 && (flags & TXFF) !== 0).to.equal(false);
          expect((flags & BUSY) !== 0).to.equal((flags & TXFE) === 0);
          expect(it.read(MIS)).to.equal(it.read(RIS) & it.read(IMSC));
          expect(it.line).to.equal(it.read(MIS) !== 0);
        }
      }),
    );
  });
});
