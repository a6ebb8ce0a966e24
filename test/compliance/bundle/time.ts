/** Deadlines and promise jobs between turns. */
import { TIMER, between, equal, holds, steps } from "./harness.ts";
import type { Test } from "./harness.ts";

/** What a loaded machine may add to a deadline. */
const LATE_US = 2_000_000;
const JOBS_PER_TURN = 64;

export const timeTests: readonly Test[] = [
  steps("a deadline raises TIMER, never early", function* () {
    for (const wait of [1, 100, 5000, 33_333]) {
      const deadline = host.nowUs() + wait;
      const turn = yield deadline;
      holds((turn.raised & TIMER) !== 0, "TIMER is not raised");
      between(turn.nowUs, deadline, deadline + LATE_US, `now after ${wait} us`);
      holds(host.nowUs() >= turn.nowUs, "nowUs is behind the turn's time");
    }
  }),
  steps("a fraction of a microsecond is not cut to an earlier one", function* () {
    const deadline = host.nowUs() + 1000.5;
    const turn = yield deadline;
    between(turn.nowUs, deadline, deadline + LATE_US, "now");
  }),
  steps("a deadline in the past means at once, and again each time", function* () {
    const start = host.nowUs();
    for (const past of [0, -1, -Infinity, start - 1]) {
      const turn = yield past;
      holds((turn.raised & TIMER) !== 0, "TIMER is not raised");
    }
    holds(host.nowUs() - start < LATE_US, "it took long");
  }),
  steps("turns come in the order of their deadlines, each returned one replacing the last", function* () {
    const base = host.nowUs();
    let last = base;
    for (const after of [10_000, 12_000, 30_000]) {
      const turn = yield base + after;
      between(turn.nowUs, Math.max(base + after, last), base + after + LATE_US, "now");
      last = turn.nowUs;
    }
  }),
  steps("promise jobs run between two turns", function* () {
    const done: string[] = [];
    void Promise.resolve().then(() => done.push("first"));
    void Promise.resolve().then(() => done.push("second"));
    equal(done.length, 0, "jobs that ran within the turn");
    yield host.nowUs();
    equal(done.join(" "), "first second", "jobs");
  }),
  steps(
    "of many promise jobs a bounded number runs, the rest waits for the next turn, which comes at once",
    function* () {
      const before = host.memory().jobsDeferred;
      let done = 0;
      for (let i = 0; i < 3 * JOBS_PER_TURN; i++) void Promise.resolve().then(() => done++);
      const start = host.nowUs();
      yield Infinity;
      equal(done, JOBS_PER_TURN, "jobs after one turn");
      yield Infinity;
      equal(done, 2 * JOBS_PER_TURN, "jobs after two turns");
      yield host.nowUs();
      equal(done, 3 * JOBS_PER_TURN, "jobs after three turns");
      equal(host.memory().jobsDeferred - before, 2, "jobsDeferred");
      holds(host.nowUs() - start < LATE_US, "the turns did not come at once");
    },
  ),
];
