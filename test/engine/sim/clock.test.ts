import { expect } from "chai";
import { RealClock, Schedule, VirtualClock } from "../../../engine/sim/clock.ts";

describe("clocks", () => {
  it("virtual time stands still until it is advanced, and never goes back", () => {
    const clock = new VirtualClock();
    for (let i = 0; i < 4096; i++) expect(clock.nowUs()).to.equal(0);
    clock.advanceTo(1000);
    clock.advanceTo(10);
    expect(clock.nowUs()).to.equal(1000);
  });

  it("virtual time moves for who waits in a loop for it", () => {
    const clock = new VirtualClock();
    let reads = 0;
    while (clock.nowUs() < 100) reads++;
    expect(reads).to.be.within(4096, 4300);
  });

  it("real time is an integer of microseconds that never goes back", () => {
    const clock = new RealClock();
    let last = 0;
    for (let i = 0; i < 1000; i++) {
      const now = clock.nowUs();
      expect(Number.isInteger(now) && now >= last).to.equal(true);
      last = now;
    }
  });
});

describe("schedule of device timers", () => {
  it("fires what is due, once, and tells the next moment", () => {
    const schedule = new Schedule();
    const fired: string[] = [];
    const a = schedule.add(() => fired.push("a"));
    const b = schedule.add(() => fired.push("b"));
    expect(schedule.next()).to.equal(Infinity);
    a.deadline = 20;
    b.deadline = 10;
    expect(schedule.next()).to.equal(10);
    schedule.run(9);
    expect(fired).to.deep.equal([]);
    schedule.run(10);
    expect(fired).to.deep.equal(["b"]);
    expect(schedule.next()).to.equal(20);
    schedule.run(100);
    schedule.run(100);
    expect(fired).to.deep.equal(["b", "a"]);
  });

  it("lets a timer set itself again while it fires", () => {
    const schedule = new Schedule();
    let count = 0;
    const timer = schedule.add(() => {
      count++;
      timer.deadline = 10 * (count + 1);
    });
    timer.deadline = 10;
    for (let now = 0; now <= 50; now++) schedule.run(now);
    expect(count).to.equal(5);
  });
});
