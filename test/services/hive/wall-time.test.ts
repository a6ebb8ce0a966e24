import { expect } from "chai";
import fc from "fast-check";
import { WallTime } from "../../../services/hive/wall-time.ts";
import { ManualClock } from "../support/ports.ts";

/** A real time clock that shows whole seconds of a time that is `offsetMs` after each monotonic one. */
function setup(offsetMs: number): { clock: ManualClock; wall: WallTime; trueMs: () => number } {
  const clock = new ManualClock();
  const trueMs = (): number => offsetMs + clock.us / 1000;
  const wall = new WallTime(clock, { unixSeconds: () => Math.floor(trueMs() / 1000) });
  return { clock, wall, trueMs };
}

describe("wall time", () => {
  it("goes on with the monotonic clock within a second", () => {
    const { clock, wall } = setup(1_700_000_000_400);
    expect(wall.unixMs()).to.equal(1_700_000_000_000);
    clock.us = 250_999;
    expect(wall.unixMs()).to.equal(1_700_000_000_250);
    // The clock of the day has come to its next second, and this with it.
    clock.us = 600_000;
    expect(wall.unixMs()).to.equal(1_700_000_001_000);
    clock.us = 1_599_999;
    expect(wall.unixMs()).to.equal(1_700_000_001_999);
  });

  it("tells nothing where no clock does, and begins anew when one comes", () => {
    const clock = new ManualClock();
    let seconds: number | undefined = undefined;
    const wall = new WallTime(clock, { unixSeconds: () => seconds });
    expect(wall.unixMs()).to.equal(undefined);
    clock.us = 5_000_000;
    seconds = 100;
    expect(wall.unixMs()).to.equal(100_000);
  });

  it("is never ahead of the clock of the day, never a second behind it, and never goes back", () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.array(fc.nat(3_000_000), { maxLength: 50 }), (offset, steps) => {
        const { clock, wall, trueMs } = setup(offset);
        let before = 0;
        for (const step of steps) {
          clock.us += step;
          const now = wall.unixMs()!;
          expect(now).to.be.within(Math.max(before, trueMs() - 1000.01), trueMs());
          before = now;
        }
      }),
    );
  });
});
