import { expect } from "chai";
import { Sweeper } from "../../../services/hive/sweeper.ts";
import { Timers } from "../../../services/pump/timers.ts";
import { ManualClock } from "../support/ports.ts";

class Due {
  deadlineUs = Infinity;
  readonly swept: number[] = [];
  sweep(nowUs: number): void {
    this.swept.push(nowUs);
    if (this.deadlineUs <= nowUs) this.deadlineUs = Infinity;
  }
  nextUs(): number {
    return this.deadlineUs;
  }
}

function setup(): { clock: ManualClock; timers: Timers; sweeper: Sweeper; a: Due; b: Due; at: (us: number) => void } {
  const clock = new ManualClock();
  const timers = new Timers(1);
  const sweeper = new Sweeper(clock, timers);
  const [a, b] = [new Due(), new Due()];
  sweeper.add(a);
  sweeper.add(b);
  const at = (us: number): void => {
    clock.us = us;
    timers.fire(us, 16);
  };
  return { clock, timers, sweeper, a, b, at };
}

describe("sweeper", () => {
  it("sweeps all when the first deadline comes, and has one timer for them", () => {
    const { timers, sweeper, a, b, at } = setup();
    a.deadlineUs = 50;
    b.deadlineUs = 30;
    sweeper.changed();
    expect([timers.size, timers.nextUs()]).to.deep.equal([1, 30]);
    at(29);
    at(30);
    expect([a.swept, b.swept, timers.nextUs()]).to.deep.equal([[30], [30], 50]);
    at(50);
    expect([a.swept, timers.nextUs()]).to.deep.equal([[30, 50], Infinity]);
  });

  it("sweeps in the next turn when somebody says so, whatever else changes meanwhile", () => {
    const { timers, sweeper, a, clock, at } = setup();
    clock.us = 10;
    sweeper.soon();
    sweeper.soon();
    a.deadlineUs = 100;
    sweeper.changed();
    expect(timers.nextUs()).to.equal(10);
    at(10);
    expect([a.swept, timers.nextUs()]).to.deep.equal([[10], 100]);
  });

  it("sweeps again if that is asked for while it does", () => {
    const { sweeper, a, b, at } = setup();
    let asked = false;
    const sweep = b.sweep.bind(b);
    b.sweep = (nowUs) => {
      sweep(nowUs);
      if (!asked) sweeper.soon();
      asked = true;
    };
    sweeper.soon();
    at(0);
    expect(a.swept).to.deep.equal([0]);
    at(1);
    at(2);
    expect(a.swept).to.deep.equal([0, 1]);
  });

  it("needs a timer", () => {
    expect(() => new Sweeper(new ManualClock(), new Timers(0))).to.throw("no timer is left");
  });
});
