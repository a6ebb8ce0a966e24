import { expect } from "chai";
import fc from "fast-check";
import { Timers } from "../../../services/pump/timers.ts";
import { Scheduler } from "../../../services/workers/scheduler.ts";
import { Machine, type Plan } from "./machine.ts";

const MS = 1000;
const SECOND = 1_000_000;
/** Runs for ever. */
const busy: Plan = () => [Infinity, 0];
const beats =
  (runUs: number, waitUs: number): Plan =>
  () => [runUs, waitUs];

describe("scheduler", () => {
  it("lets one run as long as nobody else is ready, and suspends nothing", () => {
    const machine = new Machine();
    const a = machine.add("a", "worker", beats(300, 5000));
    machine.pass(SECOND);
    expect(a.steps).to.be.within(187, 190);
    expect(machine.actions).to.deep.equal([]);
    expect(machine.timers.nextUs()).to.be.lessThan(Infinity);
    machine.remove(a);
    machine.pass(SECOND);
    expect(machine.timers.nextUs()).to.equal(Infinity);
  });

  it("gives each of a band 10 ms in turn", () => {
    const machine = new Machine(1e9);
    const all = ["a", "b", "c"].map((name) => machine.add(name, "worker", busy));
    machine.pass(60 * MS);
    expect(machine.actions.slice(2)).to.deep.equal([
      ...["suspend a", "resume b", "suspend b", "resume c", "suspend c", "resume a"],
      ...["suspend a", "resume b", "suspend b", "resume c", "suspend c", "resume a"],
    ]);
    machine.pass(3 * SECOND - 60 * MS);
    for (const { ranUs, ticks } of all) expect([ranUs, ticks]).to.deep.equal([SECOND, 100]);
    expect(machine.scheduler.counters).to.include({ expired: 300, preempted: 0, stuck: 0 });
  });

  it("runs the band control before the band worker, at once", () => {
    const machine = new Machine(1e9);
    const hog = machine.add("hog", "worker", busy);
    const first = machine.add("first", "control", beats(2 * MS, 7 * MS));
    machine.pass(900 * MS);
    // 9 ms a round: nothing that the hog does delays it.
    expect(first.steps).to.equal(100);
    expect(hog.ranUs).to.equal(700 * MS);
    expect(machine.scheduler.counters).to.include({ preempted: 101 });
    const greedy = machine.add("greedy", "control", busy);
    machine.pass(SECOND);
    expect(hog.ranUs).to.equal(700 * MS);
    expect(greedy.ranUs).to.be.greaterThan(700 * MS);
  });

  it("gives who was preempted the rest of its turn, and not another whole one", () => {
    const machine = new Machine(1e9);
    const [a, b] = ["a", "b"].map((name) => machine.add(name, "worker", busy));
    machine.add("often", "control", beats(500, 2500));
    machine.pass(3 * SECOND);
    const [ranA, ranB] = [a!.ranUs, b!.ranUs];
    expect(ranA + ranB).to.equal(2.5 * SECOND);
    expect(Math.abs(ranA - ranB)).to.be.at.most(10 * MS);
  });

  it("charges a quantum of the clock once, however often something ran in it, and each that it ran through", () => {
    const machine = new Machine();
    const short = machine.add("short", "worker", beats(100, 900));
    machine.pass(SECOND);
    expect([short.steps, short.ticks]).to.deep.equal([1000, 100]);
    machine.remove(short);
    machine.pass(5 * MS);
    const long = machine.add("long", "worker", beats(30 * MS, 970 * MS));
    machine.pass(10 * SECOND);
    // From 5 ms to 35 ms of the clock: four quanta.
    expect([long.steps, long.ticks]).to.deep.equal([10, 40]);
  });

  it("charges nothing for a quantum at whose very beginning it stopped", () => {
    const machine = new Machine();
    const exact = machine.add("exact", "worker", beats(10 * MS, 10 * MS));
    machine.pass(200 * MS);
    expect([exact.steps, exact.ticks]).to.deep.equal([10, 10]);
  });

  it("charges what was run though timers come late", () => {
    const machine = new Machine(1e9);
    machine.lateUs = 37 * MS;
    const [a, b] = ["a", "b"].map((name) => machine.add(name, "worker", busy));
    machine.pass(10 * SECOND);
    machine.scheduler.settle();
    for (const runner of [a!, b!]) {
      expect(runner.ticks).to.equal(machine.quanta.get(runner)!.size);
      expect(runner.ranUs).to.be.within(4.9 * SECOND, 5.1 * SECOND);
    }
  });

  it("calls one stuck that runs 100 quanta without a call, and lets the others go on", () => {
    const machine = new Machine();
    let planned = 0;
    const hung = machine.add("hung", "worker", () => (planned++ === 0 ? [10 * MS, 0] : [Infinity, 0]));
    const good = machine.add("good", "worker", beats(MS, 99 * MS));
    machine.pass(910 * MS);
    expect(hung.isStuck).to.equal(false);
    machine.pass(300 * MS);
    expect([hung.isStuck, hung.suspended, hung.ticks]).to.deep.equal([true, true, 101]);
    const { steps } = good;
    machine.pass(SECOND);
    expect(good.steps - steps).to.equal(10);
    expect(good.isStuck).to.equal(false);
    machine.remove(hung);
    expect(machine.scheduler.counters.stuck).to.equal(1);
  });

  it("gives one that loads its program ten times as long for its first call", () => {
    const machine = new Machine();
    const slow = machine.add("slow", "worker", beats(9 * SECOND, 0));
    const never = machine.add("never", "worker", busy);
    machine.pass(17 * SECOND);
    expect([slow.isStuck, never.isStuck]).to.deep.equal([false, false]);
    machine.pass(4 * SECOND);
    expect([slow.steps > 0, never.isStuck]).to.deep.equal([true, true]);
  });

  it("does not call one stuck that only waits long for its turn, or works long by many calls", () => {
    const machine = new Machine(10);
    const crowd = Array.from({ length: 20 }, (_, i) => machine.add(`w${i}`, "worker", beats(90 * MS, 0)));
    machine.pass(20 * SECOND);
    for (const { isStuck, steps } of crowd) expect([isStuck, steps > 5]).to.deep.equal([false, true]);
  });

  it("holds one that runs, is ready or waits, and lets go of it", () => {
    const machine = new Machine(1e9);
    const a = machine.add("a", "worker", busy);
    const b = machine.add("b", "worker", beats(MS, 10 * MS));
    const { scheduler } = machine;
    scheduler.hold(a.task!);
    scheduler.hold(a.task!);
    machine.pass(2 * MS);
    expect([a.ranUs, b.steps, b.calling]).to.deep.equal([0, 1, true]);
    scheduler.hold(b.task!);
    machine.pass(100 * MS);
    expect([a.ranUs, b.steps, b.calling, machine.running]).to.deep.equal([0, 1, false, undefined]);
    expect(machine.timers.nextUs()).to.equal(Infinity);
    scheduler.release(a.task!);
    machine.pass(25 * MS);
    expect([a.ranUs, b.steps]).to.deep.equal([25 * MS, 1]);
    scheduler.release(b.task!);
    scheduler.release(b.task!);
    machine.pass(50 * MS);
    expect(b.steps).to.be.greaterThan(1);
    scheduler.hold(a.task!);
    machine.remove(a);
    scheduler.release(a.task!);
    machine.pass(50 * MS);
    expect(machine.running === undefined || machine.running === b).to.equal(true);
  });

  it("takes a call that came when its turn was over for what it is", () => {
    const machine = new Machine();
    const a = machine.add("a", "worker", busy);
    const b = machine.add("b", "worker", busy);
    machine.pass(10 * MS);
    expect(machine.running).to.equal(b);
    // Its call had left before it was suspended.
    a.calling = true;
    machine.scheduler.called(a.task!);
    machine.pass(30 * MS);
    expect(b.ranUs).to.equal(30 * MS);
    machine.scheduler.reply(a.task!, 1, 0);
    machine.pass(20 * MS);
    expect(a.ranUs).to.be.at.least(20 * MS);
  });

  it("answers no call that was not made, and needs a timer", () => {
    const machine = new Machine();
    const a = machine.add("a", "worker", busy);
    expect(() => machine.scheduler.reply(a.task!, 1, 0)).to.throw("has no call to answer");
    const { clock } = machine;
    const options = {
      components: {} as never,
      clock,
      spare: clock,
      timers: new Timers(0),
      quantumUs: 1,
      stuckQuanta: 1,
    };
    expect(() => new Scheduler(options)).to.throw("no timer is left");
  });

  it("charges nobody for what the hive itself ran, however long that was, and calls nobody stuck for it", () => {
    const machine = new Machine();
    const good = machine.add("good", "worker", beats(30 * MS, 0));
    // A minute in which the hive leaves one per cent of the processor.
    for (let i = 0; i < 200; i++) {
      machine.turn(297 * MS);
      machine.pass(3 * MS);
    }
    expect(good.isStuck).to.equal(false);
    expect([good.ranUs, good.steps, good.ticks]).to.deep.equal([600 * MS, 20, 60]);
    // What does not call has the same time as ever, and not a moment more.
    const hung = machine.add("hung", "control", busy);
    for (let i = 0; i < 1100 && !hung.isStuck; i++) {
      machine.turn(100 * MS);
      machine.pass(10 * MS);
    }
    expect([hung.isStuck, Math.round(hung.ranUs / SECOND)]).to.deep.equal([true, 10]);
  });

  it("serves 64 that beat once a second, each as often as any other", () => {
    const machine = new Machine();
    const all = Array.from({ length: 64 }, (_, i) => machine.add(`w${i}`, "worker", beats(2 * MS, 998 * MS)));
    machine.pass(60 * SECOND);
    const steps = all.map((runner) => runner.steps);
    expect(Math.max(...steps) - Math.min(...steps)).to.be.at.most(1);
    expect(Math.min(...steps)).to.be.at.least(50);
  });

  it("starves nobody of a band, charges exactly, and never lets two run, whatever they do", () => {
    const plan = fc.record({
      control: fc.boolean(),
      runUs: fc.integer({ min: 20, max: 45_000 }),
      waitUs: fc.integer({ min: 0, max: 30_000 }),
    });
    fc.assert(
      fc.property(
        fc.array(plan, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 0, max: 25_000 }),
        fc.array(fc.nat(7), { maxLength: 20 }),
        (plans, lateUs, held) => {
          const machine = new Machine(1e9);
          machine.lateUs = lateUs;
          const all = plans.map(({ control, runUs, waitUs }, i) =>
            machine.add(`w${i}`, control ? "control" : "worker", beats(runUs, waitUs)),
          );
          for (const which of held) {
            const { task } = all[which % all.length]!;
            if (task!.held) machine.scheduler.release(task!);
            else machine.scheduler.hold(task!);
            machine.pass(17 * MS);
          }
          for (const { task } of all) machine.scheduler.release(task!);
          const before = all.map(({ ranUs }) => ranUs);
          machine.pass(SECOND);
          machine.scheduler.settle();
          for (const runner of all) expect(runner.ticks).to.equal(machine.quanta.get(runner)!.size);
          const anyControl = plans.some(({ control }) => control);
          all.forEach((runner, i) => {
            if (plans[i]!.control || !anyControl) expect(runner.ranUs).to.be.greaterThan(before[i]!);
          });
        },
      ),
      { numRuns: 60 },
    );
  });
});
