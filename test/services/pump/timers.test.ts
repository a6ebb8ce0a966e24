import { expect } from "chai";
import fc from "fast-check";
import { Timers } from "../../../services/pump/timers.ts";

describe("pump timers", () => {
  it("fire in order of deadline, and in the order they were set if equal", () => {
    const timers = new Timers(8);
    const fired: string[] = [];
    timers.schedule(30, () => fired.push("c"));
    timers.schedule(10, () => fired.push("a"));
    timers.schedule(20, () => fired.push("b1"));
    timers.schedule(20, () => fired.push("b2"));
    expect(timers.nextUs()).to.equal(10);
    expect(timers.fire(25, 16)).to.equal(3);
    expect(fired).to.deep.equal(["a", "b1", "b2"]);
    expect(timers.nextUs()).to.equal(30);
  });

  it("leave the rest to the next turn when the budget is out", () => {
    const timers = new Timers(8);
    let fired = 0;
    for (let i = 0; i < 5; i++) timers.schedule(i, () => fired++);
    expect(timers.fire(100, 3)).to.equal(3);
    expect(fired).to.equal(3);
    expect(timers.fire(100, 3)).to.equal(2);
  });

  it("do not let a callback that sets itself again in the past hold the turn", () => {
    const timers = new Timers(8);
    let fired = 0;
    const again = (): void => {
      fired++;
      timers.schedule(0, again);
    };
    again();
    expect(timers.fire(100, 1000)).to.equal(1);
    expect(fired).to.equal(2);
  });

  it("refuse and count when all are in use, and take again after one fired", () => {
    const timers = new Timers(2);
    expect(timers.schedule(1, () => undefined)).to.not.equal(undefined);
    expect(timers.schedule(2, () => undefined)).to.not.equal(undefined);
    expect(timers.schedule(3, () => undefined)).to.equal(undefined);
    expect(timers.refused).to.equal(1);
    timers.fire(1, 16);
    expect(timers.schedule(3, () => undefined)).to.not.equal(undefined);
  });

  it("cancel nothing by an id whose timer has fired, though its slot is in use again", () => {
    const timers = new Timers(1);
    const old = timers.schedule(1, () => undefined)!;
    timers.fire(1, 1);
    const fresh = timers.schedule(2, () => undefined)!;
    expect(fresh).to.not.equal(old);
    expect(timers.cancel(old)).to.equal(false);
    expect(timers.cancel(fresh)).to.equal(true);
    expect(timers.cancel(fresh)).to.equal(false);
    expect(timers.nextUs()).to.equal(Infinity);
    expect(timers.cancel(-1)).to.equal(false);
  });

  it("let a callback cancel another that is due", () => {
    const timers = new Timers(4);
    const fired: string[] = [];
    timers.schedule(1, () => {
      fired.push("first");
      timers.cancel(second);
    });
    const second = timers.schedule(1, () => fired.push("second"))!;
    timers.fire(5, 16);
    expect(fired).to.deep.equal(["first"]);
  });

  it("agree with a sorted list under random use", () => {
    const command = fc.oneof(
      fc.record({ kind: fc.constant("set" as const), at: fc.integer({ min: 0, max: 50 }) }),
      fc.record({ kind: fc.constant("cancel" as const), at: fc.nat({ max: 40 }) }),
      fc.record({ kind: fc.constant("fire" as const), at: fc.integer({ min: 0, max: 60 }) }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
        const timers = new Timers(12);
        const ids: number[] = [];
        let model: { id: number; at: number; order: number }[] = [];
        let fired: number[] = [];
        let order = 0;
        for (const { kind, at } of commands) {
          if (kind === "set") {
            const mine = order++;
            const id = timers.schedule(at, () => fired.push(mine));
            expect(id === undefined).to.equal(model.length === 12);
            if (id !== undefined) {
              ids.push(id);
              model.push({ id, at, order: mine });
            }
          } else if (kind === "cancel") {
            const id = ids[at];
            if (id === undefined) continue;
            const known = model.some((timer) => timer.id === id);
            expect(timers.cancel(id)).to.equal(known);
            model = model.filter((timer) => timer.id !== id);
          } else {
            fired = [];
            timers.fire(at, 100);
            const due = model.filter((timer) => timer.at <= at).sort((a, b) => a.at - b.at || a.order - b.order);
            expect(fired).to.deep.equal(due.map((timer) => timer.order));
            model = model.filter((timer) => timer.at > at);
          }
          expect(timers.size).to.equal(model.length);
          expect(timers.nextUs()).to.equal(Math.min(Infinity, ...model.map((timer) => timer.at)));
        }
      }),
    );
  });
});
