import { expect } from "chai";
import { HeldTimer } from "../../../services/pump/held-timer.ts";
import { Timers } from "../../../services/pump/timers.ts";

describe("held timer", () => {
  it("keeps its place when it fires, is cleared or set again, though all others are taken", () => {
    const timers = new Timers(2);
    const fired: number[] = [];
    const held = HeldTimer.take(timers, (nowUs) => fired.push(nowUs))!;
    timers.schedule(1e9, () => undefined);
    expect(HeldTimer.take(timers, () => undefined)).to.equal(undefined);
    held.set(20);
    held.set(10);
    expect([held.deadlineUs, timers.nextUs()]).to.deep.equal([10, 10]);
    timers.fire(10, 16);
    expect([fired, held.deadlineUs, timers.size]).to.deep.equal([[10], Infinity, 2]);
    held.set(30);
    held.clear();
    timers.fire(40, 16);
    expect(fired).to.deep.equal([10]);
  });

  it("may be set again, or given back, by its own callback", () => {
    const timers = new Timers(1);
    let left = 3;
    const held = HeldTimer.take(timers, (nowUs) => (--left > 0 ? held.set(nowUs + 1) : held.release()))!;
    held.set(0);
    for (let us = 0; us < 10; us++) timers.fire(us, 16);
    expect([left, timers.size]).to.deep.equal([0, 0]);
    held.release();
    held.clear();
    expect(() => held.set(1)).to.throw("given back");
  });
});
