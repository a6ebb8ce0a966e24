import { expect } from "chai";
import { DONE, Jobs } from "../../../services/pump/jobs.ts";
import { ManualClock } from "../support/ports.ts";

/** What QuickJS throws then. */

interface Failure {
  name: string;
  error: unknown;
  outcome: string;
}

function setup(capacity = 4): { jobs: Jobs; clock: ManualClock; failures: Failure[] } {
  const clock = new ManualClock();
  const failures: Failure[] = [];
  const jobs = new Jobs({
    capacity,
    now: () => clock.us,
    failed: (name, error, outcome) => failures.push({ name, error, outcome }),
  });
  return { jobs, clock, failures };
}

describe("pump jobs", () => {
  it("take turns: none is stepped twice before each was stepped once", () => {
    const { jobs } = setup();
    const steps: string[] = [];
    for (const name of ["a", "b", "c"]) {
      jobs.add({
        name,
        restarts: 0,
        start: () => (nowUs) => {
          steps.push(name);
          return nowUs;
        },
      });
    }
    for (let i = 0; i < 3; i++) jobs.serve(2, 0);
    expect(steps.join("")).to.equal("abcabc");
    expect(jobs.ready(0)).to.equal(true);
  });

  it("sleep until the time that they asked for, and tell it", () => {
    const { jobs, clock } = setup();
    const job = jobs.add({ name: "sleeper", restarts: 0, start: () => (nowUs) => nowUs + 500 })!;
    expect(jobs.serve(8, 0)).to.equal(1);
    expect(jobs.nextUs()).to.equal(500);
    expect(job.state).to.equal("waiting");
    expect(jobs.serve(8, 499)).to.equal(0);
    clock.us = 500;
    expect(job.state).to.equal("runnable");
    expect(jobs.serve(8, 500)).to.equal(1);
  });

  it("are woken, also from inside their own step", () => {
    const { jobs } = setup();
    let woken = 0;
    jobs.add({
      name: "self",
      restarts: 0,
      start: () => () => {
        if (++woken === 1) jobs.wake("self");
        return Infinity;
      },
    });
    jobs.serve(8, 0);
    expect(jobs.ready(0)).to.equal(true);
    jobs.serve(8, 0);
    expect(jobs.ready(1e12)).to.equal(false);
    jobs.wake("self");
    jobs.serve(8, 0);
    expect(woken).to.equal(3);
  });

  it("that throw are reported and started anew by their rule, then stopped; others go on", () => {
    const { jobs, failures } = setup();
    let other = 0;
    let starts = 0;
    const bad = jobs.add({
      name: "bad",
      restarts: 2,
      start: () => {
        starts++;
        return () => {
          throw new Error(`life ${starts}`);
        };
      },
    })!;
    jobs.add({ name: "good", restarts: 0, start: () => (nowUs) => (other++, nowUs) });
    for (let turn = 0; turn < 10; turn++) jobs.serve(8, turn);
    expect(failures.map(({ outcome }) => outcome)).to.deep.equal(["restarted", "restarted", "stopped"]);
    expect(failures.map(({ error }) => (error as Error).message)).to.deep.equal(["life 1", "life 2", "life 3"]);
    expect(bad.state).to.equal("stopped");
    expect(bad.restarts).to.equal(2);
    expect(other).to.equal(10);
  });

  it("that throw rarely are started anew for ever", () => {
    const { jobs, failures } = setup();
    jobs.add({
      name: "rare",
      restarts: 1,
      start: () => () => {
        throw new Error("again");
      },
    });
    for (let minute = 0; minute < 20; minute++) jobs.serve(8, minute * 60_000_001);
    expect(failures.map(({ outcome }) => outcome)).to.deep.equal(new Array(20).fill("restarted"));
  });

  for (const [form, outOfMemory] of [
    ["null", null],
    ["QuickJS's InternalError", Object.assign(new Error("out of memory"), { name: "InternalError" })],
  ] as [string, unknown][]) {
    it(`leave running out of memory, thrown as ${form}, to the engine`, () => {
      const { jobs, failures } = setup();
      jobs.add({
        name: "hungry",
        restarts: 5,
        start: () => () => {
          throw outOfMemory;
        },
      });
      let thrown: unknown = "nothing";
      try {
        jobs.serve(8, 0);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).to.equal(outOfMemory);
      expect(failures).to.deep.equal([]);
    });
  }

  it("are refused and counted when the table is full; an ended one makes room", () => {
    const { jobs } = setup(2);
    const spec = (name: string, result: number) => ({ name, restarts: 0, start: () => () => result });
    expect(jobs.add(spec("ends", DONE))).to.not.equal(undefined);
    expect(jobs.add(spec("stays", Infinity))).to.not.equal(undefined);
    expect(jobs.add(spec("late", Infinity))).to.equal(undefined);
    expect(jobs.refused()).to.equal(1);
    jobs.serve(8, 0);
    expect(jobs.add(spec("late", Infinity))).to.not.equal(undefined);
    expect(jobs.list().map(({ name }) => name)).to.deep.equal(["late", "stays"]);
  });

  it("have their longest step measured", () => {
    const { jobs, clock } = setup();
    const lengths = [50, 700, 20];
    const job = jobs.add({
      name: "measured",
      restarts: 0,
      start: () => (nowUs) => {
        clock.us += lengths.shift()!;
        return nowUs;
      },
    })!;
    for (let i = 0; i < 3; i++) jobs.serve(1, 0);
    expect(job.longestUs).to.equal(700);
    expect(job.runs).to.equal(3);
  });
});
