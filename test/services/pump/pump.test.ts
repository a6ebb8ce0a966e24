import { expect } from "chai";
import { DONE } from "../../../services/pump/jobs.ts";
import { Pump, type Source } from "../../../services/pump/pump.ts";
import { SCHEDULE, type StageName, stageIndex } from "../../../services/pump/schedule.ts";
import { LineLog, ManualClock } from "../support/ports.ts";

function setup() {
  const clock = new ManualClock();
  const log = new LineLog();
  const heap = { used: 0, collections: 0 };
  const pump = new Pump({
    clock,
    log,
    heap: {
      usedBytes: () => heap.used,
      collect: () => {
        heap.collections++;
        heap.used = 0;
        return 5;
      },
    },
    describe: (error) => (error instanceof Error ? `${error.name}: ${error.message}\n    at somewhere.ts:1` : "?"),
    tickUs: 10_000,
  });
  /** Turns at their deadlines until nothing is wanted before `untilUs`. */
  const run = (untilUs: number, limit = 10_000): number => {
    let turns = 0;
    let next = pump.turn(clock.us);
    while (next <= untilUs) {
      if (++turns > limit) throw new Error("the pump never rests");
      clock.us = Math.max(clock.us, next);
      next = pump.turn(clock.us);
    }
    return next;
  };
  return { clock, log, heap, pump, run };
}

/** A queue with bounded room between two stages. */
class Queue {
  length = 0;
  readonly capacity: number;
  constructor(capacity: number) {
    this.capacity = capacity;
  }
}

/** Moves units from `from` to `to` as far as room and budget go. */
function mover(from: Queue, to: Queue): Source & { refusals: number } {
  return {
    refusals: 0,
    serve(budget) {
      const done = Math.min(budget, from.length, to.capacity - to.length);
      if (done < Math.min(budget, from.length)) this.refusals++;
      from.length -= done;
      to.length += done;
      return done;
    },
    ready: () => from.length > 0 && to.length < to.capacity,
    backlog: () => from.length,
    refused() {
      return this.refusals;
    },
  };
}

const stage = (pump: Pump, name: StageName) => pump.stages()[stageIndex(name)]!;

describe("pump", () => {
  it("serves the stages in the documented order, in whichever order they were attached", () => {
    const { pump } = setup();
    const order: string[] = [];
    for (const { name } of [...SCHEDULE].reverse()) {
      pump.attach(name, name, {
        serve: () => {
          order.push(name);
          return 0;
        },
        ready: () => false,
      });
    }
    pump.turn(0);
    expect(order).to.deep.equal(["timer", "ipc", "serial-rx", "net-rx", "dispatch", "jobs", "net-tx", "serial-tx"]);
  });

  it("neither serves nor asks a source that is quiet, and does both from when it is not, in the same turn too", () => {
    const { pump } = setup();
    const calls: string[] = [];
    const source = {
      quiet: true,
      serve: () => calls.push("serve"),
      ready: () => (calls.push("ready"), true),
    };
    pump.attach("ipc", "waker", {
      serve: (_, nowUs) => (nowUs === 1 && (source.quiet = false), 0),
      ready: () => false,
    });
    pump.attach("dispatch", "quiet", source);
    expect([pump.turn(0), calls.length]).to.deep.equal([Infinity, 0]);
    expect(pump.turn(1)).to.equal(1);
    expect(calls).to.deep.equal(["serve", "ready"]);
  });

  it("goes on behind a source that throws, and counts what the others did before and after it", () => {
    const { pump } = setup();
    const one = { serve: () => 1, ready: () => false };
    pump.attach("ipc", "before", one);
    pump.attach("net-rx", "broken", {
      serve: () => {
        throw new Error("broken");
      },
      ready: () => false,
    });
    pump.attach("net-rx", "behind", one);
    pump.attach("serial-tx", "last", one);
    pump.turn(0);
    expect(["ipc", "net-rx", "serial-tx"].map((name) => stage(pump, name as StageName).done)).to.deep.equal([1, 1, 1]);
    expect(stage(pump, "net-rx").failed).to.equal(1);
  });

  it("wants no turn when there is nothing to do", () => {
    const { pump } = setup();
    expect(pump.turn(0)).to.equal(Infinity);
    expect(pump.turn(1e9)).to.equal(Infinity);
    expect(pump.tick.count).to.equal(0);
  });

  it("sleeps to the next timer or job", () => {
    const { pump } = setup();
    pump.timers.schedule(7_000, () => undefined);
    expect(pump.turn(0)).to.equal(7_000);
    pump.addJob({ name: "j", restarts: 0, start: () => () => 3_000 });
    pump.turn(1);
    expect(pump.turn(2)).to.equal(3_000);
  });

  it("starves no source: each gets its budget in every turn though all have endless work", () => {
    const { pump } = setup();
    for (const { name } of SCHEDULE) {
      pump.attach(name, name, { serve: (budget) => budget, ready: () => true });
    }
    let jobSteps = 0;
    pump.addJob({ name: "busy", restarts: 0, start: () => (nowUs) => (jobSteps++, nowUs) });
    let timers = 0;
    const again = (nowUs: number): void => {
      timers++;
      pump.timers.schedule(nowUs, again);
    };
    pump.timers.schedule(0, again);
    for (let turn = 0; turn < 100; turn++) expect(pump.turn(turn)).to.equal(turn);
    for (const counters of pump.stages()) {
      expect(counters.done, counters.name).to.be.at.least(100 * counters.budget);
      expect(counters.deferred, counters.name).to.be.at.least(100);
    }
    expect(jobSteps).to.equal(100);
    expect(timers).to.equal(100);
  });

  it("pushes back to the producer when a queue is full, and loses nothing", () => {
    const { pump, run } = setup();
    const device = new Queue(Infinity);
    const input = new Queue(100);
    const output = new Queue(10);
    const line = new Queue(Infinity);
    device.length = 5_000;
    const receive = mover(device, input);
    const dispatch = mover(input, output);
    let lineOpen = false;
    const transmit = mover(output, line);
    pump.attach("serial-rx", "receive", receive);
    pump.attach("dispatch", "dispatch", dispatch);
    pump.attach("serial-tx", "transmit", {
      ...transmit,
      serve: (budget) => (lineOpen ? transmit.serve(Math.min(budget, 7), 0) : 0),
      ready: (nowUs) => lineOpen && transmit.ready(nowUs),
    });

    run(1_000_000);
    // The line is blocked: both queues are full, everything else stays with the device, and the pump rests.
    expect([device.length, input.length, output.length, line.length]).to.deep.equal([4_890, 100, 10, 0]);
    expect(stage(pump, "serial-rx").refused).to.be.greaterThan(0);
    expect(stage(pump, "dispatch").refused).to.be.greaterThan(0);

    lineOpen = true;
    run(2_000_000);
    expect([device.length, input.length, output.length, line.length]).to.deep.equal([0, 0, 0, 5_000]);
  });

  it("comes again at once if a later stage made room for an earlier one", () => {
    const { pump } = setup();
    const device = new Queue(Infinity);
    const input = new Queue(4);
    device.length = 8;
    pump.attach("serial-rx", "receive", mover(device, input));
    pump.attach("dispatch", "dispatch", mover(input, new Queue(Infinity)));
    expect(pump.turn(0)).to.equal(0);
    expect(stage(pump, "serial-rx").deferred).to.equal(1);
    expect(pump.turn(0)).to.be.greaterThan(0);
    expect(device.length + input.length).to.equal(0);
  });

  it("runs its pulse while there is work, measures a late one, and stops it when quiet", () => {
    const { pump, clock, run } = setup();
    let work = 1;
    pump.attach("net-rx", "frames", {
      serve: () => {
        const done = work;
        work = 0;
        return done;
      },
      ready: () => work > 0,
    });
    expect(pump.turn(0)).to.equal(10_000);
    // A turn that lasted 14 ms: the pulse is seen late, by what the turn took too long.
    clock.us = 24_000;
    pump.turn(clock.us);
    expect(pump.tick.lateness.max).to.equal(14_000);
    expect(pump.tick.missed).to.equal(1);
    run(1_000_000);
    expect(pump.tick.nextUs).to.equal(Infinity);
    expect(pump.tick.count).to.be.within(5, 8);
  });

  it("is late for a timer by at most one turn", () => {
    const { pump, clock } = setup();
    const turnUs = 3_000;
    pump.attach("dispatch", "slow", {
      serve: () => {
        clock.us += turnUs;
        return 1;
      },
      ready: () => true,
    });
    const lateness: number[] = [];
    for (let due = 500; due < 200_000; due += 7_001) {
      pump.timers.schedule(due, (nowUs) => lateness.push(nowUs - due));
    }
    while (clock.us < 250_000) pump.turn(clock.us);
    expect(lateness.length).to.equal(29);
    expect(Math.max(...lateness)).to.be.at.most(turnUs);
    expect(pump.tick.lateness.max).to.be.at.most(turnUs);
    expect(pump.turnTime.max).to.equal(turnUs);
  });

  it("counts the time that turns leave to components", () => {
    const { clock, pump } = setup();
    const seen: number[] = [];
    pump.attach("jobs", "slow", {
      serve: () => {
        clock.us += 700;
        seen.push(pump.spare.nowUs());
        return 1;
      },
      ready: () => false,
    });
    for (let i = 0; i < 3; i++) {
      clock.us += 300;
      seen.push(pump.spare.nowUs());
      pump.turn(clock.us);
      seen.push(pump.spare.nowUs());
    }
    expect(seen).to.deep.equal([300, 300, 300, 600, 600, 600, 900, 900, 900]);
  });

  it("collects in the quiet after work if the heap grew, and not while there is work", () => {
    const { pump, heap, clock, run } = setup();
    let work = 0;
    pump.attach("dispatch", "work", {
      serve: () => (work > 0 ? (work--, 1) : 0),
      ready: () => work > 0,
    });
    work = 1;
    heap.used = 1_000_000;
    for (let i = 0; i < 20; i++) {
      work = 1;
      clock.us += 5_000;
      pump.turn(clock.us);
    }
    expect(heap.collections).to.equal(0);
    run(10_000_000);
    expect(heap.collections).to.equal(1);
    expect(pump.collection.longestUs).to.equal(5);
    // Nothing new: no second one, and no more turns.
    expect(run(1e12)).to.equal(Infinity);
    expect(heap.collections).to.equal(1);
  });

  it("logs a job that throws with its stack, and the others go on", () => {
    const { pump, log, clock } = setup();
    let good = 0;
    pump.addJob({
      name: "bad",
      restarts: 0,
      start: () => () => {
        throw new TypeError("no such thing");
      },
    });
    pump.addJob({ name: "good", restarts: 0, start: () => (nowUs) => (good++, nowUs) });
    for (; clock.us < 5; clock.us++) pump.turn(clock.us);
    expect(log.lines).to.deep.equal(["pump: job bad stopped: TypeError: no such thing", "pump:     at somewhere.ts:1"]);
    expect(pump.jobs().map(({ state }) => state)).to.deep.equal(["stopped", "runnable"]);
    expect(good).to.equal(5);
  });

  it("stops a source that keeps throwing, and serves the others", () => {
    const { pump, log } = setup();
    let served = 0;
    pump.attach("net-rx", "broken", {
      serve: () => {
        throw new Error("device on fire");
      },
      ready: () => true,
    });
    pump.attach("dispatch", "fine", { serve: () => (served++, 0), ready: () => false });
    for (let turn = 0; turn < 10; turn++) pump.turn(turn);
    expect(stage(pump, "net-rx").failed).to.equal(4);
    expect(log.lines.filter((line) => line.includes("source broken"))).to.deep.equal([
      ...new Array<string>(3).fill("pump: source broken failed: Error: device on fire"),
      "pump: source broken stopped: Error: device on fire",
    ]);
    expect(served).to.equal(10);
    expect(pump.turn(11)).to.not.equal(11);
  });

  it("brings up a subsystem with an audit line, and survives one that fails", () => {
    const { pump, log, clock } = setup();
    clock.us = 42;
    expect(pump.initialise("serial", () => 7)).to.equal(7);
    const failed = pump.initialise("net", () => {
      throw new Error("no cable");
    });
    expect(failed).to.equal(undefined);
    expect(log.lines.slice(0, 3)).to.deep.equal([
      "pump: init serial",
      "pump: init net",
      "pump: init net failed: Error: no cable",
    ]);
    expect(pump.subsystems).to.deep.equal([{ name: "serial", upUs: 42 }]);
  });

  describe("orderly shutdown", () => {
    it("takes in nothing new, lets out what is on its way, then says so once", () => {
      const { pump, clock } = setup();
      const device = new Queue(Infinity);
      const input = new Queue(100);
      const output = new Queue(Infinity);
      device.length = 50;
      input.length = 20;
      let steps = 0;
      pump.attach("serial-rx", "receive", mover(device, input));
      pump.attach("dispatch", "dispatch", mover(input, output));
      const sent = new Queue(Infinity);
      const transmit = mover(output, sent);
      pump.attach("serial-tx", "transmit", { ...transmit, serve: () => transmit.serve(8, 0) });
      const job = pump.addJob({ name: "j", restarts: 0, start: () => (nowUs) => (steps++, nowUs) })!;
      let stopped = 0;
      pump.shutdown(() => stopped++);
      expect(pump.state).to.equal("draining");
      for (let turns = 0; pump.turn(clock.us) === clock.us && turns < 100; turns++) clock.us += 10;
      expect(stopped).to.equal(1);
      expect(pump.state).to.equal("stopped");
      expect([device.length, input.length, output.length, sent.length]).to.deep.equal([50, 0, 0, 20]);
      expect(job.state).to.equal("stopped");
      expect(steps).to.equal(0);
      pump.shutdown(() => stopped++);
      expect(pump.turn(clock.us)).to.equal(Infinity);
      expect(stopped).to.equal(1);
    });

    it("gives up on a line that takes nothing when the time is out", () => {
      const { pump, clock } = setup();
      pump.attach("serial-tx", "stuck", { serve: () => 0, ready: () => false, backlog: () => 9 });
      let stopped = 0;
      pump.shutdown(() => stopped++, 5_000);
      expect(pump.turn(0)).to.equal(5_000);
      expect(stopped).to.equal(0);
      clock.us = 5_000;
      expect(pump.turn(5_000)).to.equal(Infinity);
      expect(stopped).to.equal(1);
    });
  });

  it("refuses a job when its table is full and counts it", () => {
    const { pump } = setup();
    for (let i = 0; i < 32; i++) {
      expect(pump.addJob({ name: `j${i}`, restarts: 0, start: () => () => Infinity })).to.not.equal(undefined);
    }
    expect(pump.addJob({ name: "one more", restarts: 0, start: () => () => DONE })).to.equal(undefined);
    expect(stage(pump, "jobs").refused).to.equal(1);
  });
});

describe("pump: components' share", () => {
  /** A pump with clients who ask without a pause, each turn's work taking that long. */
  function busy(workUs: number, pauseUs = 0) {
    const clock = new ManualClock();
    let wanted = true;
    const heap = { usedBytes: () => 0, collect: () => 0 };
    const describe = String;
    const pump = new Pump({ clock, log: new LineLog(), heap, describe, wanted: () => wanted, tickUs: 10_000 });
    let served = 0;
    pump.attach("dispatch", "clients", {
      serve: () => {
        served++;
        clock.us += workUs;
        return 1;
      },
      ready: () => pauseUs === 0,
    });
    /** Let that time pass. @returns how much of it no turn took */
    const run = (us: number): number => {
      const from = clock.us;
      const spare = pump.spare.nowUs();
      while (clock.us < from + us) {
        const next = pump.turn(clock.us, false);
        clock.us = Math.max(clock.us + pauseUs, Math.min(next, clock.us + 10_000));
      }
      return pump.spare.nowUs() - spare;
    };
    return { pump, clock, run, want: (does: boolean) => (wanted = does), served: () => served };
  }

  for (const workUs of [50, 900, 3000, 12_000]) {
    it(`is had however much there is to do, in turns of ${workUs} us, and the rest is the clients'`, () => {
      const { run, pump } = busy(workUs);
      const spare = run(2_000_000);
      // A turn that takes longer than a tick owes more than is paid for it at once.
      expect(spare / 2_000_000).to.be.within(workUs > 10_000 ? 0.12 : 0.14, 0.2);
      expect(pump.rests).to.be.greaterThan(100);
    });
  }

  it("is nothing while no component wants to run, nor where there is time between turns", () => {
    const { run, pump, want } = busy(900);
    want(false);
    expect([run(1_000_000), pump.rests]).to.deep.equal([0, 0]);
    const idler = busy(900, 300);
    idler.run(1_000_000);
    expect(idler.pump.rests).to.equal(0);
  });

  it("ends with a component's call, and what is raised before that waits no longer than two milliseconds", () => {
    const { pump, clock, served } = busy(6000);
    const until = pump.turn(clock.us, false);
    expect(until - clock.us).to.be.within(1000, 2000);
    const before = served();
    clock.us += 100;
    expect(pump.turn(clock.us, false)).to.equal(until);
    expect(served()).to.equal(before);
    pump.turn(clock.us, true);
    expect(served()).to.equal(before + 1);
  });
});
