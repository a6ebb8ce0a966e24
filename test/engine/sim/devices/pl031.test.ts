import { expect } from "chai";
import { Schedule, VirtualClock } from "../../../../engine/sim/clock.ts";
import { Pl031 } from "../../../../engine/sim/devices/pl031.ts";

// ARM DDI 0224, table 3-1.
const [DR, MR, LR, CR, IMSC, RIS, MIS, ICR] = [0x00, 0x04, 0x08, 0x0c, 0x10, 0x14, 0x18, 0x1c];
const START = 1_700_000_000;

class Bench {
  readonly clock = new VirtualClock();
  readonly schedule = new Schedule();
  line = false;
  readonly rtc: Pl031;

  constructor(start = START) {
    this.rtc = new Pl031(start, this.clock, this.schedule, (high) => {
      this.line = high;
    });
  }

  write(offset: number, value: number): void {
    this.rtc.write(offset, 4, value);
  }

  pass(seconds: number): void {
    this.clock.advanceTo(this.clock.nowUs() + seconds * 1e6);
    this.schedule.run(this.clock.nowUs());
  }
}

describe("PL031", () => {
  it("counts seconds of Unix time from the machine's start", () => {
    const it = new Bench();
    expect(it.rtc.read(DR)).to.equal(START);
    it.pass(0.999999);
    expect(it.rtc.read(DR)).to.equal(START);
    it.pass(0.000001);
    expect(it.rtc.read(DR)).to.equal(START + 1);
    it.pass(86_400);
    expect(it.rtc.read(DR)).to.equal(START + 86_401);
  });

  it("is always on and says what it is", () => {
    const it = new Bench();
    it.write(CR, 0);
    expect(it.rtc.read(CR)).to.equal(1);
    const ids = [0xfe0, 0xfe4, 0xfe8, 0xfec, 0xff0, 0xff4, 0xff8, 0xffc].map((offset) => it.rtc.read(offset));
    expect(ids).to.deep.equal([0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
  });

  it("can be set, and goes on from there", () => {
    const it = new Bench();
    it.pass(10.5);
    it.write(LR, 1000);
    expect([it.rtc.read(LR), it.rtc.read(DR)]).to.deep.equal([1000, 1000]);
    it.pass(5);
    expect(it.rtc.read(DR)).to.equal(1005);
  });

  it("wraps after 32 bits", () => {
    const it = new Bench(0xffffffff);
    it.pass(1);
    expect(it.rtc.read(DR)).to.equal(0);
  });

  it("raises its alarm when the counter reaches the match, behind its mask", () => {
    const it = new Bench();
    it.write(MR, START + 3);
    it.pass(2);
    expect([it.rtc.read(RIS), it.line]).to.deep.equal([0, false]);
    it.pass(1);
    expect([it.rtc.read(RIS), it.rtc.read(MIS), it.line]).to.deep.equal([1, 0, false]);
    it.write(IMSC, 1);
    expect([it.rtc.read(MIS), it.line]).to.deep.equal([1, true]);
    it.write(ICR, 0);
    expect(it.line).to.equal(true);
    it.write(ICR, 1);
    expect([it.rtc.read(RIS), it.line]).to.deep.equal([0, false]);
    it.pass(100);
    expect(it.rtc.read(RIS)).to.equal(0);
  });

  it("keeps its alarm on the counter when that is set", () => {
    const it = new Bench();
    it.write(IMSC, 1);
    it.write(MR, 1010);
    it.write(LR, 1000);
    it.pass(9);
    expect(it.line).to.equal(false);
    it.pass(1);
    expect(it.line).to.equal(true);
  });
});
