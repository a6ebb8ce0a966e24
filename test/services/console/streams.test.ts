import { expect } from "chai";
import fc from "fast-check";
import { ANSWER_BYTES } from "../../../services/console/output.ts";
import { QTFILE } from "../../../services/secure9p/constants.ts";
import { NOT_FOUND } from "../../../services/secure9p/refusal.ts";
import type { Request } from "../../../services/secure9p/tree.ts";
import { TestHive } from "../hive/support.ts";
import { randomLine } from "./lines.ts";
import { heartbeats, operator } from "./terminal.ts";

const FILE = "/worker/worker-1/telemetry";
const beats = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => `heartbeat ${from + i}`);

/** A service with one file, whose requests wait until the test answers them. */
class Slow {
  readonly waiting: Request[] = [];
  cancelled = 0;
  readonly root;

  constructor(all: TestHive) {
    const { qids } = all.hive.namespace.files;
    const file = {
      qid: qids.next(QTFILE),
      walk: (request: Request) => request.refuse(NOT_FOUND),
      open: (request: Request) => this.#park(request),
      getattr: (request: Request) => this.#park(request),
      setattr: (request: Request) => this.#park(request),
    };
    this.root = {
      ...file,
      qid: qids.next(0x80),
      walk: (request: Request) => request.found(file),
    };
    all.hive.namespace.services.add("slow", { home: ["slow"], root: this.root });
  }

  #park(request: Request): void {
    this.waiting.push(request);
    request.park({ cancelled: () => void this.cancelled++ });
  }
}

describe("console: TAIL", () => {
  it("gives the lines there are, from the oldest kept or from an offset since boot", () => {
    const { all } = heartbeats(3);
    const terminal = operator({ at: all });
    expect(terminal.say(`tail ${FILE}`)).to.deep.equal([`OK TAIL path=${FILE}`, ...beats(1, 3), "END"]);
    expect(terminal.say(`tail ${FILE} 12`)).to.deep.equal([`OK TAIL path=${FILE} offset=12`, ...beats(2, 3), "END"]);
    expect(terminal.say(`tail ${FILE} 0`)).to.deep.equal([`OK TAIL path=${FILE} offset=0`, ...beats(1, 3), "END"]);
    expect(terminal.say(`tail ${FILE} 36`)).to.deep.equal([`OK TAIL path=${FILE} offset=36`, "END"]);
    expect(terminal.say(`tail ${FILE} 9999`)).to.deep.equal([`OK TAIL path=${FILE} offset=36`, "END"]);
  });

  it("states what of it is gone", () => {
    const { all, append } = heartbeats(0);
    for (let i = 0; i < 1000; i++) append(`record ${i} ${"x".repeat(90)}`);
    const { telemetry } = all.hive.namespace.workers.find("worker-1")!;
    expect(telemetry.start).to.be.greaterThan(0);
    const terminal = operator({ at: all });
    const [first, gap, oldest] = terminal.say(`tail ${FILE} 7`);
    expect(first).to.equal(`OK TAIL path=${FILE} offset=${telemetry.start}`);
    expect(gap).to.equal(`… lost ${telemetry.start - 7} bytes`);
    expect(oldest).to.match(/^record \d+ x+$/);
    expect(terminal.say(`tail ${FILE}`)[1]).to.equal(oldest);
  });

  it("counts in a text from its beginning", () => {
    const all = new TestHive();
    all.hive.namespace.addProc("t", () => "one\ntwo\n");
    expect(operator({ at: all }).say("tail /proc/t 4")).to.deep.equal(["OK TAIL path=/proc/t offset=4", "two", "END"]);
  });
});

describe("console: TAIL -f", () => {
  it("goes on with what is appended until it is stopped", () => {
    const { all, append } = heartbeats(2);
    const terminal = operator({ at: all });
    expect(terminal.say(`tail -f ${FILE}`)).to.deep.equal([`OK TAIL path=${FILE}`, ...beats(1, 2)]);
    expect(terminal.session.ready).to.equal(false);
    for (let i = 3; i < 2000; i++) {
      append(`heartbeat ${i}`);
      expect(terminal.come()).to.deep.equal([`heartbeat ${i}`]);
    }
    append("one");
    append("two");
    expect(terminal.come()).to.deep.equal(["one", "two"]);
    expect(terminal.say("stop")).to.deep.equal(["END", "OK STOP"]);
    append("three");
    expect(terminal.come()).to.deep.equal([]);
    expect(terminal.all.hive.namespace.counters.waitersRefused).to.equal(0);
  });

  it("follows from an offset, and a path that names the followed file itself", () => {
    const { all, append } = heartbeats(2);
    const terminal = operator({ at: all });
    expect(terminal.say(`tail -f ${FILE}.follow 24`)).to.deep.equal([`OK TAIL path=${FILE}.follow offset=24`]);
    append("next");
    expect(terminal.come()).to.deep.equal(["next"]);
    expect(terminal.say("stop", `tail ${FILE}.follow 12`, `cat ${FILE}.follow`)).to.deep.equal([
      "END",
      "OK STOP",
      `OK TAIL path=${FILE}.follow offset=12`,
      "heartbeat 2",
      "next",
      "END",
      `OK CAT path=${FILE}.follow data=heartbeat 1|heartbeat 2|next`,
      "heartbeat 1",
      "heartbeat 2",
      "next",
      "END",
    ]);
  });

  it("states what it lost when the ring overtakes it, and goes on with whole lines", () => {
    const { all, append } = heartbeats(0);
    const terminal = operator({ at: all });
    const { telemetry } = all.hive.namespace.workers.find("worker-1")!;
    const record = (i: number): string => `record ${i} `.padEnd(80, "x");
    terminal.say(`tail -f ${FILE}`);
    terminal.free = 0;
    for (let i = 0; i < 3000; i++) {
      append(record(i));
      terminal.settle();
    }
    terminal.free = Infinity;
    const come = terminal.come();
    const gaps = come.filter((line) => line.startsWith("… lost "));
    expect(gaps.length).to.equal(1);
    const at = come.indexOf(gaps[0]!);
    const lost = Number(/\d+/.exec(gaps[0]!)![0]);
    // Every record has 81 bytes: what came and what was lost is all there was.
    expect((come.length - 1) * 81 + lost).to.equal(telemetry.end);
    const numbers = come.filter((line) => line !== gaps[0]).map((line) => Number(/^record (\d+) x+$/.exec(line)![1]));
    expect(numbers.slice(0, at)).to.deep.equal(Array.from({ length: at }, (_, i) => i));
    expect(numbers.slice(at)).to.deep.equal(numbers.slice(at).map((_, i) => 3000 - numbers.length + at + i));
  });

  it("ends with the file, after what was in it", () => {
    const { all, append, end } = heartbeats(1);
    const terminal = operator({ at: all });
    terminal.say(`tail -f ${FILE}`);
    append("last");
    end();
    expect(terminal.come()).to.deep.equal(["last", "… cut: revoked", "END"]);
    expect(terminal.say("ls /")[0]).to.match(/^OK LS/);
  });

  it("cannot be had of what is no ring, and says of what is not there that it is not", () => {
    const terminal = operator();
    expect(terminal.say("tail -f /proc/time", "tail -f /proc/x", "tail -f /log", "tail -f /")).to.deep.equal([
      "ERR TAIL reason=policy detail=unsupported path=/proc/time error=EOPNOTSUPP",
      "ERR TAIL reason=policy detail=not-found path=/proc/x error=ENOENT",
      "ERR TAIL reason=policy detail=invalid-path path=/log error=EINVAL",
      "ERR TAIL reason=policy detail=invalid-path path=/ error=EINVAL",
    ]);
  });

  it("does not begin to follow if STOP came with it", () => {
    const { all } = heartbeats(2);
    const terminal = operator({ at: all });
    expect(terminal.say("ping", `tail -f ${FILE}`, "stop", "ping")).to.deep.equal([
      "OK PING reply=pong",
      "PONG",
      `OK TAIL path=${FILE}`,
      ...beats(1, 2),
      "END",
      "OK STOP",
      "OK PING reply=pong",
      "PONG",
    ]);
  });

  it("is stopped by what ends or replaces the login, and by a queue through which no STOP would come", () => {
    const { all } = heartbeats(0);
    for (const line of ["detach", "quit", "attach observer x"]) {
      const terminal = operator({ at: all });
      terminal.say(`tail -f ${FILE}`);
      expect(terminal.say(line)[0], line).to.equal("END");
    }
    const terminal = operator({ at: all });
    terminal.say(`tail -f ${FILE}`);
    for (let i = 0; i < 16; i++) expect(terminal.session.line("ls /worker")).to.equal(true);
    expect(terminal.session.line("ls /worker")).to.equal(false);
    expect(terminal.come().filter((line) => line.startsWith("OK LS")).length).to.equal(16);
  });

  it("lets go of its place at the file when the client goes", () => {
    const { all, append } = heartbeats(0);
    const terminal = operator({ at: all });
    terminal.say(`tail -f ${FILE}`);
    terminal.session.close();
    append("x");
    expect(terminal.come()).to.deep.equal([]);
    expect(all.hive.sessions()).to.deep.equal([]);
  });
});

describe("console: streams", () => {
  it("answers PING in the middle of one, at once", () => {
    const { all } = heartbeats(3);
    const terminal = operator({ at: all });
    terminal.say(`tail -f ${FILE}`);
    expect(terminal.session.line("ping")).to.equal(true);
    expect(terminal.lines.slice(-2)).to.deep.equal(["OK PING reply=pong", "PONG"]);
    expect(terminal.session.streaming).to.equal(true);
  });

  it("leaves room for that where the client takes nothing", () => {
    const { all } = heartbeats(3000);
    const terminal = operator({ at: all });
    terminal.free = 20_000;
    terminal.say(`cat ${FILE}`);
    expect(terminal.say("ping")).to.deep.equal(["OK PING reply=pong", "PONG"]);
    for (let i = 0; i < 10; i++) terminal.session.line("ping");
    terminal.free = Infinity;
    const come = terminal.come();
    expect(come.filter((line) => line === "PONG").length).to.equal(10);
    expect(come.filter((line) => line.startsWith("heartbeat")).at(-1)).to.equal("heartbeat 3000");
  });

  it("does not answer PING before what came before it", () => {
    const { all } = heartbeats(1);
    const terminal = operator({ at: all });
    terminal.say(`tail -f ${FILE}`);
    expect(terminal.say("ls /worker", "ping")).to.deep.equal([]);
    expect(terminal.say("stop")).to.deep.equal([
      "END",
      "OK LS path=/worker entries=1",
      "worker-1",
      "END",
      "OK PING reply=pong",
      "PONG",
      "OK STOP",
    ]);
  });

  it("are ended by STOP, which is answered where there is none too", () => {
    const { all } = heartbeats(3000);
    const terminal = operator({ at: all });
    terminal.free = 20_000;
    const lines = terminal.say(`cat ${FILE}`);
    terminal.session.stop();
    terminal.free = Infinity;
    lines.push(...terminal.come());
    expect(lines.length).to.be.lessThan(1500);
    expect(lines.at(-1)).to.equal("END");
    expect(terminal.say("stop")).to.deep.equal(["OK STOP"]);
  });

  for (const take of [1, 40, 300, 5000]) {
    it(`lose nothing where ${take} bytes are taken at a time`, () => {
      const { all } = heartbeats(200);
      const terminal = operator({ at: all });
      const fast = terminal.say(`cat ${FILE}`, "ls /", "log", `tail ${FILE} 12`);
      terminal.free = ANSWER_BYTES;
      for (const line of [`cat ${FILE}`, "ls /", "log", `tail ${FILE} 12`]) terminal.session.line(line);
      const slow: string[] = [];
      let taken = terminal.lines.length;
      for (let i = 0; terminal.session.busy; i++) {
        slow.push(...terminal.come());
        const size = terminal.lines.slice(taken).reduce((sum, line) => sum + line.length + 4, 0);
        taken = terminal.lines.length;
        if (i > 1_000_000) throw new Error("it does not end");
        // What was said leaves in small pieces.
        terminal.free = Math.min(terminal.free + (size > 0 ? Math.min(size, take) : take), ANSWER_BYTES + 1000);
      }
      slow.push(...terminal.come());
      expect(slow).to.deep.equal(fast);
    });
  }

  it("produce no more than they are told to at a time", () => {
    const { all } = heartbeats(3000);
    const terminal = operator({ at: all });
    terminal.session.line(`cat ${FILE}`);
    for (let i = 0; i < 100 && terminal.session.busy; i++) expect(terminal.session.run(200)).to.be.at.most(400);
    expect(terminal.lines.length).to.be.within(500, 1500);
  });
});

describe("console: lines in a row", () => {
  it("are queued, sixteen of them, and the next is pushed back, not lost", () => {
    const terminal = operator();
    terminal.free = 0;
    for (let i = 0; i < 16; i++) expect(terminal.session.line(`echo /log/queen.log ${i}`)).to.equal(true);
    expect(terminal.session.accepts).to.equal(false);
    expect(terminal.session.line("echo /log/queen.log 16")).to.equal(false);
    expect(terminal.session.counters.heldBack).to.equal(1);
    terminal.free = Infinity;
    expect(terminal.come().length).to.equal(16);
    expect(terminal.say("echo /log/queen.log 16").length).to.equal(1);
    expect(terminal.all.log().slice(-17)).to.deep.equal(
      Array.from({ length: 17 }, (_, i) => `client session=1 role=queen: ${i}`),
    );
  });

  it("wait while a provider does, and are answered in their order", () => {
    const all = new TestHive();
    const slow = new Slow(all);
    const terminal = operator({ at: all });
    expect(terminal.say("mount slow /slow", "cat /slow/x", "ls /worker", "ping")).to.deep.equal([
      "OK MOUNT service=slow at=/slow",
    ]);
    expect(terminal.session.ready).to.equal(false);
    slow.waiting[0]!.refuse(NOT_FOUND);
    expect(terminal.come()).to.deep.equal([
      "ERR CAT reason=policy detail=not-found path=/slow/x error=ENOENT",
      "OK LS path=/worker entries=0",
      "END",
      "OK PING reply=pong",
      "PONG",
    ]);
  });

  it("are answered though a provider is not: after 5 s it has timed out", () => {
    const all = new TestHive();
    const slow = new Slow(all);
    const terminal = operator({ at: all });
    terminal.say("mount slow /slow");
    const timers = all.timers.size;
    expect(terminal.say("cat /slow/x", "ping")).to.deep.equal([]);
    expect(terminal.pass(4999)).to.deep.equal([]);
    expect(terminal.pass(1)).to.deep.equal([
      "ERR CAT reason=busy detail=timed-out path=/slow/x error=ETIMEDOUT",
      "OK PING reply=pong",
      "PONG",
    ]);
    expect(slow.cancelled).to.equal(1);
    expect(terminal.session.counters.timedOut).to.equal(1);
    expect(all.timers.size).to.equal(timers);
    for (let i = 0; i < 20; i++) expect(terminal.say("cat /slow/x").length + terminal.pass(5000).length).to.equal(1);
  });

  it("do not wait for a provider where there is no timer", () => {
    const all = new TestHive();
    new Slow(all);
    const terminal = operator({ at: all, timers: { schedule: () => undefined, cancel: () => false } });
    expect(terminal.say("mount slow /slow", "cat /slow/x")).to.deep.equal([
      "OK MOUNT service=slow at=/slow",
      "ERR CAT reason=busy detail=busy path=/slow/x error=EBUSY",
    ]);
  });

  it("forget a provider that is slow when the client goes", () => {
    const all = new TestHive();
    const slow = new Slow(all);
    const terminal = operator({ at: all });
    const timers = all.timers.size;
    terminal.say("mount slow /slow", "cat /slow/x");
    terminal.session.close();
    expect([slow.cancelled, all.timers.size]).to.deep.equal([1, timers]);
  });

  it("are all acknowledged once, in order, whatever they say and however slowly answers are taken", () => {
    const take = fc.integer({ min: 0, max: 3000 });
    fc.assert(
      fc.property(fc.array(fc.tuple(randomLine, take), { maxLength: 40 }), (steps) => {
        const { all, append } = heartbeats(20);
        const terminal = operator({ at: all });
        terminal.lines.length = 0;
        const before = { ...terminal.session.counters };
        let offered = 0;
        for (const [line, room] of steps) {
          terminal.free = room;
          terminal.settle();
          append("more");
          if (terminal.session.line(line)) offered++;
          else expect(terminal.session.accepts).to.equal(false);
          if (offered % 7 === 0) terminal.pass(300);
        }
        terminal.free = Infinity;
        for (let i = 0; i < 100 && terminal.session.busy; i++) {
          terminal.pass(10_000);
          if (terminal.session.accepts) offered += Number(terminal.session.line("stop"));
          terminal.settle();
        }
        expect(terminal.session.busy).to.equal(false);
        const { lines, ok, err, dropped } = terminal.session.counters;
        expect([lines - before.lines, ok + err - before.ok - before.err, dropped]).to.deep.equal([offered, offered, 0]);
        expect(terminal.lines.filter((line) => /^(OK|ERR) [A-Z0-9]+( |$)/.test(line)).length).to.be.at.least(offered);
        expect(terminal.failures).to.deep.equal([]);
      }),
      { numRuns: 300 },
    );
  });
});
