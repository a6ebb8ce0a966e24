import { expect } from "chai";
import { Bus } from "../../../engine/sim/bus.ts";
import type { MmioDevice, Width } from "../../../engine/sim/bus.ts";

class Recorder implements MmioDevice {
  readonly log: string[] = [];
  private readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
  read(offset: number, width: Width): number {
    this.log.push(`read${String(width)} ${offset.toString(16)}`);
    return this.value;
  }
  write(offset: number, width: Width, value: number): void {
    this.log.push(`write${String(width)} ${offset.toString(16)} ${value.toString(16)}`);
  }
}

describe("bus", () => {
  function bus(): { bus: Bus; first: Recorder; second: Recorder } {
    const it = new Bus();
    const first = new Recorder(1);
    const second = new Recorder(2);
    it.attach(0x2200, 0x200, second);
    it.attach(0x2000, 0x200, first);
    it.attach(0x9000, 0x1000, new Recorder(3));
    return { bus: it, first, second };
  }

  it("reaches one device with the access's own width and offset", () => {
    const { bus: it, first } = bus();
    const window = it.map(0x2010, 0x20);
    expect(window).to.equal(0);
    expect(it.read(0, 4, 4)).to.equal(1);
    it.write(0, 6, 2, 0xabc);
    it.write(0, 1, 1, 0xff);
    expect(first.log).to.deep.equal(["read4 14", "write2 16 abc", "write1 11 ff"]);
  });

  it("maps a range over devices that lie next to each other", () => {
    const { bus: it, first, second } = bus();
    expect(it.map(0x2000, 0x400)).to.equal(0);
    expect(it.read(0, 0x1fc, 4)).to.equal(1);
    expect(it.read(0, 0x200, 4)).to.equal(2);
    expect(first.log).to.deep.equal(["read4 1fc"]);
    expect(second.log).to.deep.equal(["read4 0"]);
  });

  it("gives the same window for the same range", () => {
    const { bus: it } = bus();
    expect(it.map(0x9000, 0x1000)).to.equal(0);
    expect(it.map(0x9000, 0x10)).to.equal(1);
    expect(it.map(0x9000, 0x1000)).to.equal(0);
    expect(it.windowCount).to.equal(2);
  });

  it("refuses a range with a hole, before, within or after devices", () => {
    const { bus: it } = bus();
    for (const [base, size] of [
      [0x1fff, 2],
      [0x2300, 0x101],
      [0x8fff, 2],
      [0x2000, 0x8000],
      [0, 1],
      [0xa000, 1],
    ] as const) {
      expect(it.map(base, size), `${base.toString(16)}+${size.toString(16)}`).to.equal("hole");
    }
  });

  it("has 64 windows", () => {
    const { bus: it } = bus();
    for (let i = 0; i < 64; i++) expect(it.map(0x9000, 4 + 4 * i)).to.equal(i);
    expect(it.map(0x9004, 4)).to.equal("full");
    expect(it.map(0x9000, 4)).to.equal(0);
  });
});
