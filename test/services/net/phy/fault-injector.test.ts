import { expect } from "chai";
import * as fc from "fast-check";
import { FaultInjector } from "../../../../services/net/phy/fault-injector.ts";
import type { Faults } from "../../../../services/net/phy/fault-queue.ts";
import { bytes, FakeClock } from "../fixture.ts";
import { patternFrame } from "./frame-port.acceptance.ts";
import { MemoryPort } from "./memory-port.ts";

const FRAMES = 4000;

class Line {
  readonly clock = new FakeClock();
  readonly below = new MemoryPort();
  readonly port: FaultInjector;

  constructor(faults: { receive?: Faults; transmit?: Faults }, seed = 42, slots = 64) {
    this.port = new FaultInjector({ port: this.below, clock: this.clock, bytes, seed, slots, ...faults });
  }

  /** What comes out now of what came in. */
  taken(): number[][] {
    const frames: number[][] = [];
    while (this.port.receive()) {
      const { rx, rxStart, rxLength } = this.port;
      frames.push([...rx.subarray(rxStart, rxStart + rxLength)]);
      this.port.release();
    }
    return frames;
  }

  send(frame: number[]): boolean {
    if (!this.port.reserve()) return false;
    this.port.tx.set(frame, this.port.txStart);
    this.port.commit(frame.length);
    return true;
  }

  sent(): number[][] {
    this.port.flush();
    return this.below.collect();
  }

  /** Frames through one direction, some µs apart, and then all that is late. */
  through(direction: "receive" | "transmit", frames: number[][], gapUs = 10): number[][] {
    const out: number[][] = [];
    for (const frame of frames) {
      if (direction === "receive") {
        expect(this.below.deliver(frame)).to.equal(true);
        out.push(...this.taken());
      } else {
        expect(this.send(frame)).to.equal(true);
        out.push(...this.sent());
      }
      this.clock.us += gapUs;
    }
    for (let next = this.port.nextUs(); next !== Infinity; next = this.port.nextUs()) {
      this.clock.us = Math.max(this.clock.us, next);
      const taken = this.taken();
      const sent = this.sent();
      out.push(...(direction === "receive" ? taken : sent));
    }
    return out;
  }
}

const numbered = (count: number): number[][] => Array.from({ length: count }, (_, i) => patternFrame(60 + (i % 40), i));
const key = (frame: number[]): string => frame.join();

for (const direction of ["receive", "transmit"] as const) {
  describe(`FaultInjector, frames that ${direction === "receive" ? "come in" : "go out"}`, () => {
    const faulty = (faults: Faults, seed?: number): Line => new Line({ [direction]: faults }, seed);
    const counts = (line: Line): FaultInjector["received"] =>
      direction === "receive" ? line.port.received : line.port.transmitted;

    it("pass a line without faults as they are", () => {
      const line = faulty({});
      expect(line.through(direction, numbered(200))).to.deep.equal(numbered(200));
      expect(line.port.nextUs()).to.equal(Infinity);
    });

    it("are lost at the given rate, and counted", () => {
      const line = faulty({ loss: 0.25 });
      const out = line.through(direction, numbered(FRAMES));
      expect(counts(line).frames).to.equal(FRAMES);
      expect(out.length).to.equal(FRAMES - counts(line).lost);
      expect(counts(line).lost / FRAMES).to.be.within(0.22, 0.28);
    });

    it("are damaged in one bit each", () => {
      const line = faulty({ corruption: 0.5 });
      const frames = numbered(1000);
      let damaged = 0;
      line.through(direction, frames).forEach((frame, i) => {
        const bits = frame.map((byte, at) => (byte ^ frames[i]![at]!).toString(2).replaceAll("0", "").length);
        const flipped = bits.reduce((sum, count) => sum + count, 0);
        expect(flipped).to.be.within(0, 1);
        damaged += flipped;
      });
      expect(damaged).to.equal(counts(line).corrupted);
      expect(damaged).to.be.within(430, 570);
    });

    it("end early, but never before the header that goes out", () => {
      const line = faulty({ truncation: 1 });
      const frames = numbered(500);
      const out = line.through(direction, frames);
      out.forEach((frame, i) => expect(frame).to.deep.equal(frames[i]!.slice(0, frame.length)));
      expect(Math.min(...out.map(({ length }) => length))).to.be.within(direction === "receive" ? 1 : 14, 20);
      expect(out.every(({ length }, i) => length < frames[i]!.length)).to.equal(true);
      expect(counts(line).truncated).to.equal(500);
    });

    it("come twice", () => {
      const line = faulty({ duplication: 0.3 });
      const out = line.through(direction, numbered(1000));
      expect(out.length).to.equal(1000 + counts(line).duplicated);
      expect(counts(line).duplicated).to.be.within(250, 350);
      expect(new Set(out.map(key)).size).to.equal(new Set(numbered(1000).map(key)).size);
    });

    it("let others pass, and none is lost by it", () => {
      const line = faulty({ reordering: 0.2, reorderUs: 200 });
      const frames = Array.from({ length: 1000 }, (_, i) => [...patternFrame(60, 0), i & 0xff, i >> 8]);
      const numbers = line.through(direction, frames).map((frame) => frame[60]! | (frame[61]! << 8));
      expect([...numbers].sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 1000 }, (_, i) => i));
      const passed = numbers.filter((n, i) => numbers.slice(0, i).some((before) => before > n)).length;
      expect(passed).to.be.within(100, 220);
      // Held for 200 µs at most, with a frame every 10 µs.
      numbers.forEach((n, i) => expect(Math.abs(n - i)).to.be.at.most(21));
    });

    it("are late, by a time that varies, in their order", () => {
      const line = faulty({ delayUs: 500, jitterUs: 300 });
      const times: number[] = [];
      const frames = numbered(50);
      for (const frame of frames) {
        if (direction === "receive") line.below.deliver(frame);
        else line.send(frame);
        expect(direction === "receive" ? line.taken() : line.sent()).to.deep.equal([]);
        const start = line.clock.us;
        line.clock.us = line.port.nextUs();
        times.push(line.clock.us - start);
        expect(direction === "receive" ? line.taken() : line.sent()).to.deep.equal([frame]);
      }
      expect(Math.min(...times)).to.be.within(500, 560);
      expect(Math.max(...times)).to.be.within(740, 800);
    });

    it("wait while the line stalls, and come when it goes on", () => {
      const line = faulty({ stall: 1, stallUs: 5000 });
      if (direction === "receive") line.below.deliver(patternFrame(60, 1));
      else line.send(patternFrame(60, 1));
      const now = (): number[][] => (direction === "receive" ? line.taken() : line.sent());
      expect(now()).to.deep.equal([]);
      expect(line.port.nextUs()).to.equal(line.clock.us + 5000);
      line.clock.us += 4999;
      expect(now()).to.deep.equal([]);
      line.clock.us += 1;
      expect(now()).to.deep.equal([patternFrame(60, 1)]);
      expect(counts(line).stalls).to.equal(1);
    });

    it("meet the same fate for the same seed, and another for another", () => {
      const all: Faults = {
        loss: 0.1,
        corruption: 0.1,
        truncation: 0.1,
        duplication: 0.1,
        reordering: 0.1,
        stall: 0.01,
      };
      const run = (seed: number): string => JSON.stringify(faulty(all, seed).through(direction, numbered(60), 5000));
      expect(run(7)).to.equal(run(7));
      expect(run(7)).to.not.equal(run(8));
    });

    it("keep to the ledger whatever happens: in + doubled = lost + out + waiting", () => {
      const chance = fc.double({ min: 0, max: 0.5, noNaN: true });
      const faults = fc.record({
        loss: chance,
        corruption: chance,
        truncation: chance,
        duplication: chance,
        reordering: chance,
        stall: fc.double({ min: 0, max: 0.05, noNaN: true }),
        delayUs: fc.integer({ min: 0, max: 500 }),
        jitterUs: fc.integer({ min: 0, max: 500 }),
      });
      fc.assert(
        fc.property(faults, fc.integer(), (given, seed) => {
          const line = faulty(given, seed);
          let out = 0;
          let entered = 0;
          for (let i = 0; i < 300; i++) {
            if (direction === "receive") {
              if (line.below.deliver(patternFrame(60, i))) entered++;
              out += line.taken().length;
            } else {
              if (line.send(patternFrame(60, i))) entered++;
              out += line.sent().length;
            }
            line.clock.us += 100;
          }
          line.clock.us += 10_000_000;
          // Each of those that still wait may stall the line once more.
          for (let i = 0; i < 600; i++) {
            out += (direction === "receive" ? line.taken() : line.sent()).length;
            line.clock.us += 10_000_000;
          }
          expect(counts(line).frames).to.equal(entered);
          expect(out).to.equal(entered + counts(line).duplicated - counts(line).lost);
          expect(line.port.nextUs()).to.equal(Infinity);
        }),
        { numRuns: 60, verbose: 1 },
      );
    });
  });
}

describe("FaultInjector", () => {
  it("leaves frames to the port below when its own buffers are full", () => {
    const line = new Line({ receive: { delayUs: 1000 } }, 1, 8);
    for (let i = 0; i < 20; i++) line.below.deliver(patternFrame(60, i));
    expect(line.taken()).to.deep.equal([]);
    expect(line.port.received.frames).to.equal(7);
    const out: number[][] = [];
    for (let next = line.port.nextUs(); next !== Infinity; next = line.port.nextUs()) {
      line.clock.us = next;
      out.push(...line.taken());
    }
    expect(out).to.deep.equal(Array.from({ length: 20 }, (_, i) => patternFrame(60, i)));
  });

  it("takes no frame to send while its buffers are full, counts that, and goes on", () => {
    const line = new Line({ transmit: { delayUs: 1000 } }, 1, 8);
    let sent = 0;
    while (line.send(patternFrame(60, sent))) sent++;
    expect(sent).to.equal(7);
    expect(line.port.counters.txFull).to.equal(1);
    line.clock.us += 1000;
    expect(line.sent().length).to.equal(7);
    expect(line.send(patternFrame(60, 9))).to.equal(true);
  });

  it("decides on one direction without regard to the other", () => {
    const fates = (others: number): number[][] => {
      const line = new Line({ receive: { loss: 0.5 }, transmit: { loss: 0.5 } }, 3);
      for (let i = 0; i < others; i++) line.send(patternFrame(60, i));
      return line.through("receive", numbered(30));
    };
    expect(fates(0)).to.deep.equal(fates(5));
  });

  it("counts what the port below counts of its device", () => {
    const line = new Line({});
    line.below.counters.resets = 3;
    line.below.counters.deviceErrors = 4;
    expect({ ...line.port.counters }).to.deep.equal({
      rxFrames: 0,
      rxBytes: 0,
      txFrames: 0,
      txBytes: 0,
      txFull: 0,
      deviceErrors: 4,
      resets: 3,
    });
  });

  it("refuses what is no probability or no time", () => {
    for (const faults of [
      { loss: 1.5 },
      { corruption: -0.1 },
      { stall: NaN },
      { delayUs: -1 },
      { stallUs: Infinity },
    ]) {
      expect(() => new Line({ receive: faults }), JSON.stringify(faults)).to.throw(RangeError, "Faults.");
    }
  });
});
