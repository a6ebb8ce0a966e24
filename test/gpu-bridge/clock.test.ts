import { expect } from "chai";
import { systemClock } from "../../gpu-bridge/clock.ts";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("the bridge's clock", () => {
  it("calls when the time is over, not before, and not what was left", async () => {
    const start = systemClock.nowMs();
    let left = false;
    const leave = systemClock.after(5, () => (left = true));
    leave();
    const atMs = await new Promise<number>((resolve) => systemClock.after(20, () => resolve(systemClock.nowMs())));
    expect(atMs - start).to.be.at.least(20);
    expect(left).to.equal(false);
  });

  it("waits for what is longer than a timer of Node", async () => {
    let called = false;
    // Node takes these for 1 ms.
    const leaves = [2 ** 31, 2 ** 32 * 1000].map((ms) => systemClock.after(ms, () => (called = true)));
    await pause(30);
    expect(called).to.equal(false);
    for (const leave of leaves) leave();
  });

  it("tells Unix time in whole milliseconds", () => {
    expect(Math.abs(systemClock.unixMs() - Date.now())).to.be.lessThan(1000);
    expect(Number.isInteger(systemClock.unixMs())).to.equal(true);
  });
});
