import { expect } from "chai";
import { DEFAULT_BUDGETS } from "../../../services/roles/budget.ts";
import { O_WRONLY } from "../../../services/secure9p/constants.ts";
import type { WorkerPort } from "../../../services/workers/program.ts";
import { WORKER } from "../../../services/workers/protocol.ts";
import { type Doing, type Program, WORKER_PROGRAM } from "../../../cohsh/mock/components.ts";
import { utf8 } from "../support/ports.ts";
import { claimsOf } from "../../../services/roles/ticket.ts";
import { expectNoErrors, type Setup, TestHive } from "./support.ts";

afterEach(expectNoErrors);

/** A worker that starts like any other, and does what it shall do from its `after`-th step on. */
const spoilt =
  (after: number, misbehave: (port: WorkerPort) => Doing) =>
  (port: WorkerPort): Program => {
    const good = WORKER_PROGRAM["worker.elf"]!(port);
    let steps = 0;
    return { step: (label, word) => (steps++ < after ? good.step(label, word) : misbehave(port)) };
  };

const thrower = (message: string) => (): Doing => {
  const error = new TypeError(message);
  // As the engine words it for a bundle.
  error.stack = `TypeError: ${message}\n    at step (worker.ts:1)`;
  throw error;
};

interface Misbehaviour {
  readonly what: string;
  readonly after?: number;
  readonly misbehave: (port: WorkerPort) => Doing;
  /** The audit log's line behind the worker's name. */
  readonly line: string;
  readonly setup?: Setup;
}

const MISBEHAVIOURS: readonly Misbehaviour[] = [
  {
    what: "throws",
    misbehave: thrower("undefined is not a function"),
    line: "failed: TypeError: undefined is not a function; destroyed",
  },
  {
    what: "throws before it has said hello",
    after: 0,
    misbehave: thrower("early"),
    line: "failed: TypeError: early; destroyed",
  },
  {
    what: "throws something that would look like a line of the log",
    misbehave: thrower("\n[   9.000000] queen: session 1 (queen): all is well\u202e"),
    line: "failed: TypeError:; destroyed",
  },
  {
    what: "has no word for what it throws",
    misbehave: () => [WORKER.FAILED, 0],
    line: "failed: it did not say why; destroyed",
  },
  {
    what: "throws a whole page",
    misbehave: thrower("x".repeat(5000)),
    line: `failed: TypeError: ${"x".repeat(189)}…; destroyed`,
  },
  {
    what: "exhausts its arena",
    misbehave: () => {
      // What the engine has to say of a thrown null.
      throw "null" as unknown as Error;
    },
    line: "failed: null; destroyed",
  },
  {
    what: "runs for ever",
    misbehave: () => "hang",
    line: "revoked: stuck, it ran 100 quanta without a call; destroyed",
  },
  {
    what: "floods with calls",
    misbehave: ({ frame }) => {
      // A request that is answered at once: a version with a size that is none.
      frame.set([7, 0, 0, 0, 1, 0, 0]);
      return [WORKER.FRAMES, 7];
    },
    line: "revoked: flood: more than 2000 calls in one second; destroyed",
  },
  {
    what: "faults",
    misbehave: () => ({ kind: "fault", fault: "vm", ip: 0x400100, address: 0, detail: 0x92000046, access: "write" }),
    line:
      "revoked: fault: write to 0x0 (ip 0x400100, esr 0x92000046, translation fault, level 2); " +
      "null pointer; destroyed",
  },
  {
    what: "sends instead of calling",
    misbehave: () => ({ kind: "violation" }),
    line: "revoked: violation: sent a message that is no call, or one while its call was unanswered; destroyed",
  },
  {
    what: "says hello twice",
    misbehave: () => [WORKER.HELLO, 1],
    line: "revoked: violation: HELLO 1 out of turn; destroyed",
  },
  {
    what: "speaks another version",
    after: 0,
    misbehave: () => [WORKER.HELLO, 2],
    line: "revoked: violation: HELLO 2 out of turn; destroyed",
  },
  {
    what: "asks before it has said hello",
    after: 0,
    misbehave: () => [WORKER.FRAMES, 0],
    line: "revoked: violation: FRAMES of 0 bytes out of turn; destroyed",
  },
  {
    what: "claims more than its frame",
    misbehave: () => [WORKER.FRAMES, 16_385],
    line: "revoked: violation: FRAMES of 16385 bytes out of turn; destroyed",
  },
  {
    what: "claims more than a text of its failure may have",
    misbehave: () => [WORKER.FAILED, 2049],
    line: "revoked: violation: FAILED with 2049 bytes; destroyed",
  },
  {
    what: "makes a call that nobody knows",
    misbehave: () => [0x2ff, 0],
    line: "revoked: violation: call with label 0x2ff; destroyed",
  },
  {
    what: "sends what is no 9P",
    misbehave: ({ frame }) => {
      frame.fill(0);
      return [WORKER.FRAMES, 64];
    },
    line: "revoked: violation: its requests are no 9P; destroyed",
  },
  {
    what: "exits with a status",
    misbehave: () => [WORKER.EXIT, 3],
    line: "failed: exit status 3; destroyed",
  },
  {
    what: "faults where the policy is to keep it",
    misbehave: () => ({ kind: "violation" }),
    setup: { onFault: "keep" },
    line: "revoked: violation: sent a message that is no call, or one while its call was unanswered; suspended",
  },
];

describe("hive: a worker that", () => {
  for (const { what, after = 8, misbehave, line, setup } of MISBEHAVIOURS) {
    it(`${what} is named and ended, and the others beat on`, () => {
      let bad = true;
      const programs = {
        "worker.elf": (port: WorkerPort): Program => {
          if (!bad) return WORKER_PROGRAM["worker.elf"]!(port);
          bad = false;
          return spoilt(after, misbehave)(port);
        },
      };
      const all = new TestHive({ ...setup, programs });
      const queen = all.visit(all.operator());
      for (let i = 0; i < 3; i++) queen.echo('{"spawn":"heartbeat"}\n', "/queen/ctl");
      all.pass(5000);
      const ends = all.log().filter((text) => text.startsWith("worker: "));
      expect(ends).to.deep.equal([`worker: worker-1 ${line}`]);
      expect(queen.list("/worker")).to.deep.equal(["worker-2", "worker-3"]);
      for (const id of ["worker-2", "worker-3"]) {
        const beats = queen.cat(`/worker/${id}/telemetry`).split("\n").length - 1;
        expect(beats, id).to.be.within(4, 5);
      }
      const kept = setup?.onFault === "keep" ? 1 : 0;
      expect([all.components.size, all.hive.ledger.size, all.hive.workers.size]).to.deep.equal([2 + kept, 2, 2]);
      expect(queen.list("/worker")).to.have.length(2);
    });
  }

  it("throws leaves its stack in the boot log, and no line of it anywhere else", () => {
    const all = new TestHive({ programs: { "worker.elf": spoilt(3, thrower("no\u0007 luck")) } });
    const queen = all.visit(all.operator());
    queen.echo('{"spawn":"heartbeat"}\n', "/queen/ctl");
    all.pass(100);
    expect(all.bootLog.lines).to.deep.equal([
      "worker-1: failed: TypeError: no\u0007 luck; destroyed, 1280 KiB returned",
      "worker-1:     at step (worker.ts:1)",
    ]);
    expect(all.log().at(-1)).to.equal("worker: worker-1 failed: TypeError: no? luck; destroyed");
    expect(queen.cat("/proc/9p/workers")).to.include("ended worker-1 failed: TypeError: no? luck\n");
  });

  it("attaches with somebody else's ticket is refused", () => {
    const all = new TestHive({
      programs: {
        "worker.elf": (port) => {
          const good = WORKER_PROGRAM["worker.elf"]!(port);
          return {
            step(label, word) {
              if (label === WORKER.START) port.frame.set(utf8("cohesix-ticket-00"), word - 17);
              return good.step(label, word);
            },
          };
        },
      },
    });
    const queen = all.visit(all.operator());
    queen.echo('{"spawn":"heartbeat"}\n', "/queen/ctl");
    all.pass(100);
    expect(all.log().slice(2)).to.deep.equal([
      "worker: worker-1 attached with a ticket that is not its own: refused",
      "worker: worker-1 failed: Error: Worker: the hive refused to attach: EPERM.; destroyed",
    ]);
  });
});

describe("hive: a spawn", () => {
  const SPAWN = '{"spawn":"heartbeat"}\n';

  it("is done, and a Queen is admitted, whatever number of tickets without an end were used before", () => {
    const all = new TestHive();
    for (let i = 0; i < 300; i++) all.login("observer", all.ticket("observer", { subject: `o${i}` })).close();
    const queen = all.visit(all.login("queen", all.ticket("queen")));
    expect(queen.echo(SPAWN, "/queen/ctl")).to.not.contain("!");
  });

  for (const [what, setup, spoil, why] of [
    ["there is no image", { programs: {} }, undefined, "its component was not started"],
    ["all components are in use", { components: 0 }, undefined, "its component was not started"],
    ["no timer is left", { timers: 2 }, undefined, "no timer is left"],
    [
      "there are as many workers as there may be",
      { limits: { namespace: { workers: 0 } } },
      undefined,
      "there are as many workers as there may be",
    ],
    [
      "the ledger is full",
      {},
      (all: TestHive) => {
        const issued = (i: number): unknown =>
          all.hive.ledger.issue(
            { mac: `i${i}`, claims: claimsOf("worker-heartbeat", { subject: `i${i}` }) },
            DEFAULT_BUDGETS["worker-heartbeat"],
            0,
          );
        for (let i = 0; issued(i) !== undefined; i++);
      },
      "the ledger of tickets is full",
    ],
    [
      "nothing makes its ticket this boot's own",
      {},
      (all: TestHive) => {
        all.random = "none";
        all.wall = false;
      },
      "no ticket can be minted for it",
    ],
  ] as const) {
    it(`is refused whole when ${what}`, () => {
      const all = new TestHive(setup);
      const queen = all.visit(all.operator());
      spoil?.(all);
      const before = [all.timers.size, all.hive.ledger.size, all.components.size];
      const { appends } = all.hive.queenLog.ring;
      for (let i = 0; i < 3; i++) expect(queen.echo(SPAWN, "/queen/ctl")).to.equal("!EBUSY");
      expect(queen.list("/worker")).to.deep.equal([]);
      expect([all.timers.size, all.hive.ledger.size, all.components.size]).to.deep.equal(before);
      expect([all.hive.workers.size, all.hive.workers.counters.refused]).to.deep.equal([0, 3]);
      expect(all.hive.queenLog.ring.appends - appends).to.equal(6);
      expect(all.log().slice(-2)).to.deep.equal([
        `worker: not spawned: ${why}`,
        "queen: session 1 (queen): spawn heartbeat refused, Busy",
      ]);
      expect(all.hive.scheduler.running).to.equal(undefined);
    });
  }

  it("is undone when a driver throws in the middle of it", () => {
    const all = new TestHive();
    const queen = all.visit(all.operator());
    const before = [all.timers.size, all.hive.ledger.size, all.components.size];
    all.random = "broken";
    expect(queen.echo(SPAWN, "/queen/ctl")).to.equal("!EBUSY");
    expect(all.errors.splice(0).map(String)).to.deep.equal(["Error: the device is broken"]);
    expect([all.timers.size, all.hive.ledger.size, all.components.size]).to.deep.equal(before);
    expect(queen.list("/worker")).to.deep.equal([]);
    all.random = "drawn";
    expect(queen.echo(SPAWN, "/queen/ctl")).to.equal("22");
    expect(queen.list("/worker")).to.deep.equal(["worker-2"]);
  });

  it("has room for 64, says busy to the 65th, and has room again when one is killed", () => {
    const all = new TestHive();
    const queen = all.visit(all.operator());
    const ctl = queen.opened("/queen/ctl", O_WRONLY);
    for (let i = 0; i < 64; i++) expect(queen.write(ctl, SPAWN)).to.equal("22");
    expect(queen.write(ctl, SPAWN)).to.equal("!EBUSY");
    all.pass(10_000);
    expect(all.components.runnableHighWater).to.equal(1);
    for (let i = 1; i <= 64; i++) {
      expect(queen.cat(`/worker/worker-${i}/telemetry`).split("\n").length - 1, `worker-${i}`).to.be.within(9, 10);
    }
    queen.write(ctl, '{"kill":"worker-9"}\n');
    expect(queen.write(ctl, SPAWN)).to.equal("22");
    expect(queen.list("/worker")).to.have.length(64).and.include("worker-65");
    all.pass(300_000);
    expect([all.components.size, all.hive.ledger.size]).to.deep.equal([0, 0]);
  });
});
