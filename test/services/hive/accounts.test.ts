import { expect } from "chai";
import { O_WRONLY } from "../../../services/secure9p/constants.ts";
import type { HiveSession } from "../../../services/hive/session.ts";
import type { WorkerPort } from "../../../services/workers/program.ts";
import { type Visitor, WAITS } from "../ninedoor/support.ts";
import { type Program, WORKER_PROGRAM } from "../../../cohsh/mock/components.ts";
import { expectNoErrors, TestHive } from "./support.ts";

afterEach(expectNoErrors);

/** Numbers below `n` from a seed (mulberry32). */
function randomFrom(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % n;
  };
}

/** A worker that may throw, hang, fault, flood or exit at some step. */
function anyWorker(random: (n: number) => number): (port: WorkerPort) => Program {
  return (port) => {
    const good = WORKER_PROGRAM["worker.elf"]!(port);
    const last = random(4) === 0 ? random(12) : Infinity;
    const how = random(5);
    let steps = 0;
    return {
      step(label, word) {
        if (steps++ < last) return good.step(label, word);
        if (how === 0) throw new Error("by chance");
        if (how === 1) return "hang";
        if (how === 2) return { kind: "fault", fault: "other", ip: 1, detail: 2 };
        return how === 3 ? { kind: "violation" } : [0x204, 0];
      },
    };
  };
}

interface Login {
  readonly session: HiveSession;
  readonly visitor: Visitor;
}

/** Everything that a Queen, workers and other sessions do, at random. */
function live(seed: number, actions: number): void {
  const random = randomFrom(seed);
  const all = new TestHive({ programs: { "worker.elf": (port) => anyWorker(random)(port) } });
  const timers = all.timers.size;
  const queen = all.visit(all.operator());
  const ctl = queen.opened("/queen/ctl", O_WRONLY);
  const logins: Login[] = [];
  const ids = new Set<string>();
  const order = (command: object): string => queen.write(ctl, `${JSON.stringify(command)}\n`);
  const anyId = (): string => `worker-${1 + random(ids.size + 2)}`;
  for (let i = 0; i < actions; i++) {
    switch (random(10)) {
      case 0:
      case 1:
      case 2: {
        const budget = { ttl_s: 1 + random(20), ops: 1 + random(60), ticks: 1 + random(30) };
        const priority = random(4) === 0 ? "control" : "worker";
        const answer = order({
          spawn: "heartbeat",
          ...(random(2) === 0 ? { ticks: 1 + random(9) } : {}),
          budget,
          priority,
        });
        if (answer.startsWith("!")) break;
        for (const id of queen.list("/worker")) ids.add(id);
        break;
      }
      case 3:
        order({ kill: anyId() });
        break;
      case 4:
        order({ set_budget: { worker: anyId(), ops: 1 + random(90) } });
        break;
      case 5:
        queen.echo(random(2) === 0 ? "pause\n" : "resume\n", `/worker/${anyId()}/ctl`);
        break;
      case 6: {
        const subject = anyId();
        const login = all.attach("worker-heartbeat", all.ticket("worker-heartbeat", { subject, ops: 1 + random(9) }));
        if (login.kind === "refused") break;
        const visitor = all.visit(login.session);
        logins.push({ session: login.session, visitor });
        const fid = visitor.open("/worker/self/telemetry.follow");
        if (typeof fid === "number") visitor.readLater(fid, 1_000_000);
        visitor.echo("50\n", "/worker/self/yield");
        break;
      }
      case 7: {
        const [login] = logins.splice(random(logins.length + 1), 1);
        login?.session.close();
        break;
      }
      default:
        all.pass(random(1500));
    }
  }
  const { hive, components } = all;
  const busy = hive.workers.size;
  expect([hive.namespace.workers.size, components.size]).to.deep.equal([busy, busy]);
  // None lives for longer than 20 s.
  all.pass(21_000);
  for (const { visitor } of logins) {
    visitor.pump();
    const { requests, replies, dropped } = visitor.session.counters;
    expect(requests).to.equal(replies + dropped + visitor.session.inFlight);
    expect([visitor.session.inFlight, visitor.session.fids]).to.deep.equal([0, 0]);
  }
  const { spawned, finished, killed, budget, failed, stuck, component } = hive.workers.counters;
  expect([hive.workers.size, hive.namespace.workers.size, components.size]).to.deep.equal([0, 0, 0]);
  expect([components.spawned, components.destroyed]).to.deep.equal([spawned, spawned]);
  expect(spawned).to.equal(finished + killed + budget + failed + stuck + component);
  expect([all.timers.size, hive.ledger.size, hive.sessions().length]).to.deep.equal([timers, 0, 1]);
  expect(hive.scheduler.running).to.equal(undefined);
  expect(components.runnableHighWater).to.be.at.most(1);
  expect(queen.list("/worker")).to.deep.equal([]);
  expect(spawned).to.be.at.least(ids.size);
}

describe("hive: its accounts", () => {
  it("balance after anything that sessions and workers do, from a seed", function () {
    this.timeout(120_000);
    const first = (Date.now() % 1_000_000) * 1000;
    for (let seed = first; seed < first + 8; seed++) {
      try {
        live(seed, 300);
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
  });

  it("come back to their level after 1,000 workers have come and gone", function () {
    this.timeout(60_000);
    const all = new TestHive();
    const queen = all.visit(all.operator());
    const ctl = queen.opened("/queen/ctl", O_WRONLY);
    const before = [all.timers.size, all.hive.ledger.size, all.components.bytes];
    for (let i = 1; i <= 1000; i++) {
      expect(queen.write(ctl, '{"spawn":"heartbeat"}\n')).to.equal("22");
      if (i % 3 === 0) all.pass(10);
      expect(queen.write(ctl, `{"kill":"worker-${i}"}\n`)).to.match(/^2/);
    }
    expect([all.timers.size, all.hive.ledger.size, all.components.bytes]).to.deep.equal(before);
    expect(all.hive.workers.ended.length).to.equal(16);
    expect(all.hive.workers.counters.highWater).to.equal(1);
  });

  it("hold whatever is written to what may be written, a hundred thousand times", function () {
    this.timeout(120_000);
    const all = new TestHive();
    const queen = all.visit(all.operator());
    queen.echo('{"spawn":"heartbeat","budget":{"ops":10000000,"ttl_s":86400}}\n', "/queen/ctl");
    const budget = { ops: 10_000_000, ttlS: 86_400 };
    const ticket = all.ticket("worker-heartbeat", { subject: "worker-1", ...budget });
    const worker = all.visit(all.login("worker-heartbeat", ticket));
    const files: readonly (readonly [Visitor, number])[] = [
      [queen, queen.opened("/queen/ctl", O_WRONLY)],
      [queen, queen.opened("/log/queen.log", O_WRONLY)],
      [queen, queen.opened("/worker/worker-1/ctl", O_WRONLY)],
      [worker, worker.opened("/worker/self/telemetry", O_WRONLY)],
      [worker, worker.opened("/worker/self/yield", O_WRONLY)],
    ];
    const writes = ["x", "no\n", "\n", "pause\n", "resume\n", '{"kill":"worker-9"}\n', "1\n", '{"budget":{"ops":5}}\n'];
    for (let i = 0; i < 100_000; i++) {
      const [who, fid] = files[i % files.length]!;
      const result = who.write(fid, writes[(i >> 3) % writes.length]!);
      if (!/^\d+$|^!E/.test(result) && result !== WAITS) throw new Error(`no answer but ${result}`);
      if (i % 50 === 0) all.pass(2);
    }
    all.pass(10_000);
    const { queenLog, workers } = all.hive.namespace;
    for (const ring of [queenLog.ring, workers.find("worker-1")!.telemetry, workers.find("worker-1")!.trace]) {
      expect(ring.end - ring.start).to.be.within(1, ring.capacity);
      expect(ring.taken).to.be.at.most(ring.capacity);
    }
    expect(queen.cat("/proc/time")).to.match(/^uptime_ms /);
    expect(queen.cat("/worker/worker-1/status")).to.match(/^state /);
    expect(all.components.size).to.equal(1);
  });
});
