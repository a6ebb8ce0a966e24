/**
 * One processor for tests of the scheduler: components that run for a planned time, call, wait and go on. The processor goes to
 * the one component that may run, and it is an error if there is another.
 */
import type { Components } from "../../../services/ports/index.ts";
import { Timers } from "../../../services/pump/timers.ts";
import { type Band, Scheduler, type Task } from "../../../services/workers/scheduler.ts";
import { ManualClock } from "../support/ports.ts";

/** Microseconds that a step runs before it calls, Infinity for never, and that its call then waits. */
export type Plan = () => readonly [runUs: number, waitUs: number];

class Runner {
  readonly name: string;
  readonly id: number;
  readonly plan: Plan;
  leftUs: number;
  waitUs: number;
  suspended = false;
  calling = false;
  ranUs = 0;
  steps = 0;
  ticks = 0;
  isStuck = false;
  task: Task | undefined = undefined;

  constructor(name: string, id: number, plan: Plan) {
    this.name = name;
    this.id = id;
    this.plan = plan;
    [this.leftUs, this.waitUs] = plan();
  }
}

export class Machine {
  readonly clock = new ManualClock();
  readonly timers = new Timers(256);
  readonly runners = new Map<number, Runner>();
  /** What was done to components, e.g. `suspend a`. */
  readonly actions: string[] = [];
  /** Quanta of the clock in which each runner really ran. */
  readonly quanta = new Map<Runner, Set<number>>();
  readonly scheduler: Scheduler;
  /** How late timers come. */
  lateUs = 0;
  #ids = 0;
  #busyUs = 0;

  constructor(stuckQuanta = 100) {
    const get = (id: number): Runner => {
      const runner = this.runners.get(id);
      if (runner === undefined) throw new Error(`no component ${id}`);
      return runner;
    };
    const components: Components = {
      spawn: () => -1,
      next: () => undefined,
      reply: (id) => {
        const runner = get(id);
        if (!runner.calling) throw new Error("no call waits");
        runner.calling = false;
        [runner.leftUs, runner.waitUs] = runner.plan();
      },
      suspend: (id) => {
        const runner = get(id);
        if (runner.suspended) throw new Error(`${runner.name} is suspended already`);
        runner.suspended = true;
        this.actions.push(`suspend ${runner.name}`);
      },
      resume: (id) => {
        const runner = get(id);
        if (!runner.suspended) throw new Error(`${runner.name} is not suspended`);
        runner.suspended = false;
        this.actions.push(`resume ${runner.name}`);
      },
      destroy: (id) => void this.runners.delete(id),
      frame: () => new Uint8Array(0),
      info: () => {
        throw new Error("nobody asks");
      },
    };
    const { clock, timers } = this;
    const spare = { nowUs: () => clock.us - this.#busyUs };
    this.scheduler = new Scheduler({ components, clock, spare, timers, quantumUs: 10_000, stuckQuanta });
  }

  add(name: string, band: Band, plan: Plan): Runner {
    const runner = new Runner(name, this.#ids++, plan);
    this.runners.set(runner.id, runner);
    this.quanta.set(runner, new Set());
    runner.task = this.scheduler.add(runner.id, band, {
      ran: (ticks) => void (runner.ticks += ticks),
      stuck: () => void (runner.isStuck = true),
    });
    return runner;
  }

  remove(runner: Runner): void {
    this.scheduler.remove(runner.task!);
    this.runners.delete(runner.id);
  }

  /** The component that has the processor. */
  get running(): Runner | undefined {
    const can = [...this.runners.values()].filter(({ suspended, calling }) => !suspended && !calling);
    if (can.length > 1) throw new Error(`${can.map(({ name }) => name).join(" and ")} may run`);
    if (can[0]?.task !== this.scheduler.running) throw new Error("another one runs than the scheduler says");
    return can[0];
  }

  /** Let time pass. */
  pass(us: number): void {
    const until = this.clock.us + us;
    while (this.clock.us < until) {
      const timer = this.timers.nextUs() + this.lateUs;
      const { running } = this;
      const step = running === undefined ? Infinity : this.clock.us + running.leftUs;
      const next = Math.max(this.clock.us, Math.min(timer, step, until));
      this.#run(running, next - this.clock.us);
      this.clock.us = next;
      if (next === step && running !== undefined) this.#call(running);
      else if (next === timer) this.timers.fire(next, 16);
    }
  }

  /** The hive has the processor for that long, and serves its timers at the end. */
  turn(us: number): void {
    this.clock.us += us;
    this.#busyUs += us;
    this.timers.fire(this.clock.us, 16);
  }

  #run(runner: Runner | undefined, us: number): void {
    // Who had the processor for no time at all has not run in that quantum.
    if (runner === undefined || us === 0) return;
    runner.ranUs += us;
    runner.leftUs -= us;
    const from = this.clock.us;
    const ran = this.quanta.get(runner)!;
    for (let quantum = Math.floor(from / 10_000); quantum * 10_000 < from + us; quantum++) ran.add(quantum);
  }

  #call(runner: Runner): void {
    const { waitUs } = runner;
    runner.calling = true;
    runner.steps++;
    this.scheduler.called(runner.task!);
    if (waitUs === 0) return this.scheduler.reply(runner.task!, 0x202, 0);
    this.timers.schedule(this.clock.us + waitUs, () => {
      if (this.runners.get(runner.id) === runner) this.scheduler.reply(runner.task!, 0x202, 0);
    });
  }
}
