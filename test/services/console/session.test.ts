import { expect } from "chai";
import { INVALID_CHARACTER, TOO_LONG, type Verb, VERBS } from "../../../services/console/grammar.ts";
import { FakeBridge, GpuHive } from "../hive/gpu-hive.ts";
import { TestHive, TOKEN } from "../hive/support.ts";
import { MACHINE, operator, TCP, Terminal } from "./terminal.ts";

const UNAUTHENTICATED = "reason=policy detail=unauthenticated";

/** A line of each verb that needs a login. */
const NEEDS_LOGIN: Partial<Record<Verb, string>> = {
  DETACH: "detach",
  LS: "ls /",
  CAT: "cat /proc/time",
  TAIL: "tail /log/queen.log",
  STOP: "stop",
  LOG: "log",
  ECHO: "echo /log/queen.log hello",
  SPAWN: 'spawn {"spawn":"heartbeat"}',
  KILL: "kill worker-1",
  BIND: "bind /worker /shadow",
  MOUNT: "mount log /shadow",
};

describe("console session: who may", () => {
  it("does without a login what shows the machine, and nothing else", () => {
    const terminal = new Terminal();
    for (const verb of Object.keys(VERBS) as Verb[]) {
      if (verb === "ATTACH") continue;
      const { word, login } = VERBS[verb];
      const [answer] = terminal.say(NEEDS_LOGIN[verb] ?? verb);
      if (login) expect(answer, verb).to.equal(`ERR ${word} ${UNAUTHENTICATED}`);
      else expect(answer, verb).to.match(new RegExp(`^OK ${word}`));
    }
  });

  it("tells a stranger that before anything about arguments", () => {
    const terminal = new Terminal();
    expect(terminal.say("cat", "export x", "secure9p")).to.deep.equal([
      `ERR CAT ${UNAUTHENTICATED}`,
      `ERR EXPORT ${UNAUTHENTICATED}`,
      `ERR SECURE9P ${UNAUTHENTICATED}`,
    ]);
    expect(terminal.operator().say("cat", "export x", "secure9p")).to.deep.equal([
      "ERR CAT reason=policy detail=missing required argument: path",
      "ERR EXPORT reason=policy detail=unsupported",
      "ERR SECURE9P reason=policy detail=unsupported",
    ]);
  });

  for (const [input, answer] of [
    ["", "ERR PARSE reason=policy detail=empty command"],
    ["   ", "ERR PARSE reason=policy detail=empty command"],
    ["pi\0ng", "ERR PARSE reason=policy detail=invalid-character"],
    ["ping\nping", "ERR PARSE reason=policy detail=invalid-character"],
    [TOO_LONG, "ERR FRAME reason=policy detail=invalid-length"],
    [INVALID_CHARACTER, "ERR PARSE reason=policy detail=invalid-character"],
    ["frobnicate", "ERR PARSE reason=policy detail=unsupported console command"],
  ] as const) {
    it(`answers ${JSON.stringify(input)} with ${answer}, executes nothing and keeps the session`, () => {
      expect(operator().say(input, "detach")).to.deep.equal([answer, "OK DETACH"]);
      expect(new Terminal().say(input)).to.deep.equal([answer]);
    });
  }
});

describe("console session: logins", () => {
  it("admits by ticket, and on a local line by the operator's token", () => {
    const all = new TestHive();
    const tcp = new Terminal({ at: all, source: TCP });
    expect(tcp.say(`attach queen ${TOKEN}`)).to.deep.equal(["ERR ATTACH reason=policy detail=denied"]);
    expect(tcp.say(`ATTACH observer ${all.ticket("observer")}`)).to.deep.equal(["OK ATTACH role=observer"]);
    expect(tcp.session.role).to.equal("observer");
    expect(new Terminal({ at: all }).say(`login queen ${TOKEN}`)).to.deep.equal(["OK ATTACH role=queen"]);
  });

  it("answers a wrong ticket late, in order, and nothing else comes before it", () => {
    const terminal = new Terminal();
    expect(terminal.say("attach queen bad", "attach queen bad", "ping")).to.deep.equal([
      "ERR ATTACH reason=policy detail=denied",
    ]);
    expect(terminal.pass(249)).to.deep.equal([]);
    expect(terminal.pass(1)).to.deep.equal(["ERR ATTACH reason=policy detail=denied", "OK PING reply=pong", "PONG"]);
    expect(terminal.say("attach queen bad")).to.deep.equal([]);
    expect(terminal.pass(500)).to.deep.equal(["ERR ATTACH reason=policy detail=denied"]);
    expect(terminal.closed).to.equal(0);
    expect(terminal.say("attach queen bad")).to.deep.equal([
      "ERR ATTACH reason=quota detail=rate-limited delay_ms=89500 error=EAGAIN",
    ]);
    expect(terminal.closed).to.equal(1);
    expect(terminal.say(`attach queen ${TOKEN}`)).to.deep.equal(["OK ATTACH role=queen"]);
  });

  it("answers at once where there is no timer to wait by", () => {
    const all = new TestHive();
    const timers = { schedule: () => undefined, cancel: () => false };
    const terminal = new Terminal({ at: all, timers });
    expect(terminal.say("attach queen bad", "attach queen bad")).to.deep.equal([
      "ERR ATTACH reason=policy detail=denied",
      "ERR ATTACH reason=policy detail=denied",
    ]);
  });

  it("forgets an answer that waits when the client goes", () => {
    const terminal = new Terminal();
    terminal.say("attach queen bad", "attach queen bad", "ping");
    const before = terminal.all.timers.size;
    terminal.session.close();
    expect(terminal.all.timers.size).to.equal(before - 1);
    expect(terminal.pass(1000)).to.deep.equal([]);
    expect(terminal.session.counters).to.deep.equal({ lines: 3, ok: 0, err: 1, dropped: 2, heldBack: 0, timedOut: 0 });
    expect(terminal.session.line("ping")).to.equal(false);
  });

  it("says why a good ticket is not good any more", () => {
    const all = new TestHive();
    const ticket = all.ticket("observer", { ttlS: 1 });
    const terminal = new Terminal({ at: all });
    terminal.say(`attach observer ${ticket}`);
    terminal.pass(1000);
    expect(terminal.say("ls /", `attach observer ${ticket}`)).to.deep.equal([
      "ERR LS reason=cut detail=expired error=ESHUTDOWN",
      "ERR ATTACH reason=cut detail=expired error=ESHUTDOWN",
    ]);
  });

  it("replaces a login by the next, and keeps it if that is refused", () => {
    const terminal = operator();
    const { all } = terminal;
    const ticket = all.ticket("observer");
    expect(terminal.say("attach queen bad")).to.deep.equal(["ERR ATTACH reason=policy detail=denied"]);
    expect(terminal.session.role).to.equal("queen");
    terminal.say(`attach observer ${ticket}`);
    expect(terminal.session.role).to.equal("observer");
    expect(all.hive.sessions().length).to.equal(1);
    expect(terminal.say("echo /log/queen.log x")).to.deep.equal([
      "ERR ECHO reason=policy detail=denied path=/log/queen.log error=EPERM",
    ]);
  });

  it("ends a login with DETACH, QUIT and the client", () => {
    const terminal = operator({ farewell: "good bye" });
    const { all } = terminal;
    expect(terminal.say("detach", "detach")).to.deep.equal(["OK DETACH", `ERR DETACH ${UNAUTHENTICATED}`]);
    expect(terminal.operator().say("quit", "ls /")).to.deep.equal(["OK QUIT good bye", `ERR LS ${UNAUTHENTICATED}`]);
    expect(terminal.closed).to.equal(1);
    terminal.operator().session.close();
    terminal.session.close();
    expect(all.hive.sessions()).to.deep.equal([]);
  });

  it("takes nothing that came behind a QUIT if its transport closes it there", () => {
    const terminal = operator();
    terminal.close = () => terminal.session.close();
    expect(terminal.say("quit", "ping", "ping")).to.deep.equal(["OK QUIT"]);
    expect(terminal.session.counters).to.deep.equal({ lines: 4, ok: 2, err: 0, dropped: 2, heldBack: 0, timedOut: 0 });
  });

  it("says busy while there is no hive", () => {
    const terminal = new Terminal({ hive: () => undefined });
    expect(terminal.say(`attach queen ${TOKEN}`)).to.deep.equal(["ERR ATTACH reason=busy detail=busy error=EBUSY"]);
  });

  it("is full with sixteen logins, and says so", () => {
    const all = new TestHive();
    const terminals = Array.from({ length: 17 }, () => new Terminal({ at: all }));
    const answers = terminals.map((terminal) => terminal.say(`attach queen ${all.ticket("queen")}`)[0]);
    expect(answers.slice(0, 16)).to.deep.equal(new Array(16).fill("OK ATTACH role=queen"));
    expect(answers[16]).to.equal("ERR ATTACH reason=busy detail=busy error=EBUSY");
  });
});

describe("console session: revocation", () => {
  function revoked(): Terminal {
    const all = new TestHive();
    const terminal = new Terminal({ at: all });
    terminal.say(`attach observer ${all.ticket("observer", { ttlS: 5 })}`);
    return terminal;
  }

  it("is told once, to the next command that needs a login", () => {
    const terminal = revoked();
    terminal.pass(5000);
    expect(terminal.say("ping", "ls /", "ls /")).to.deep.equal([
      "OK PING reply=pong",
      "PONG",
      "ERR LS reason=cut detail=expired error=ESHUTDOWN",
      `ERR LS ${UNAUTHENTICATED}`,
    ]);
    expect(terminal.session.role).to.equal(undefined);
  });

  it("is known though the hive has not come round to it", () => {
    const terminal = revoked();
    terminal.all.clock.us += 5_000_000;
    expect(terminal.say("cat /proc/time", "detach")).to.deep.equal([
      "ERR CAT reason=cut detail=expired error=ESHUTDOWN",
      `ERR DETACH ${UNAUTHENTICATED}`,
    ]);
  });

  it("cuts a stream, says so there, and tells the next command", () => {
    const terminal = revoked();
    expect(terminal.say("tail -f /log/queen.log").at(0)).to.equal("OK TAIL path=/log/queen.log");
    expect(terminal.pass(5000).slice(-2)).to.deep.equal(["… cut: expired", "END"]);
    expect(terminal.say("ls /", "ls /")).to.deep.equal([
      "ERR LS reason=cut detail=expired error=ESHUTDOWN",
      `ERR LS ${UNAUTHENTICATED}`,
    ]);
  });

  it("cuts a stream that its client does not take, without losing what was to be said", () => {
    const terminal = operator();
    const { all } = terminal;
    for (let i = 0; i < 50; i++) all.hive.queenLog.line("test", `line ${i}`);
    terminal.say("detach", `attach observer ${all.ticket("observer", { ttlS: 5 })}`);
    terminal.free = 20_000;
    for (let i = 50; i < 400; i++) all.hive.queenLog.line("test", `line ${i}`.padEnd(100));
    const first = terminal.say("cat /log/queen.log");
    expect(first.length).to.be.within(50, 300);
    terminal.pass(5000);
    expect(terminal.session.busy).to.equal(true);
    terminal.free = Infinity;
    expect(terminal.come().slice(-2)).to.deep.equal(["… cut: expired", "END"]);
    expect(terminal.session.busy).to.equal(false);
  });

  it("comes with the request that uses up the budget, which is still answered", () => {
    const all = new TestHive();
    const terminal = new Terminal({ at: all });
    terminal.say(`attach queen ${all.ticket("queen", { ops: 3 })}`);
    // walk, open, write.
    expect(terminal.say("echo /log/queen.log x", "detach")).to.deep.equal([
      "OK ECHO path=/log/queen.log bytes=2",
      "ERR DETACH reason=cut detail=revoked error=ESHUTDOWN",
    ]);
  });

  it("is told instead of an answer that did not come before it", () => {
    const all = new TestHive();
    const terminal = new Terminal({ at: all });
    terminal.say(`attach queen ${all.ticket("queen", { ops: 2 })}`);
    expect(terminal.say("echo /log/queen.log x", "detach")).to.deep.equal([
      "ERR ECHO reason=cut detail=revoked error=ESHUTDOWN",
      `ERR DETACH ${UNAUTHENTICATED}`,
    ]);
  });

  it("is paid for by SPAWN and KILL as by a write", () => {
    const all = new TestHive();
    const terminal = new Terminal({ at: all });
    terminal.say(`attach queen ${all.ticket("queen", { ops: 2 })}`);
    expect(terminal.say("bind /worker /a", "bind /worker /b", "bind /worker /c")).to.deep.equal([
      "OK BIND from=/worker to=/a",
      "OK BIND from=/worker to=/b",
      "ERR BIND reason=cut detail=revoked error=ESHUTDOWN",
    ]);
  });
});

describe("console session: verbs that throw", () => {
  it("are answered once, reported, and leave the session as it was", () => {
    const verbs = {
      ...MACHINE,
      MEM: () => {
        throw new Error("out of luck");
      },
    };
    const terminal = operator({ verbs });
    expect(terminal.say("mem", "ping")).to.deep.equal([
      "ERR MEM reason=busy detail=busy",
      "OK PING reply=pong",
      "PONG",
    ]);
    expect(terminal.failures).to.deep.equal(["MEM: Error: out of luck"]);
    expect(terminal.session.role).to.equal("queen");
  });

  it("let running out of memory through", () => {
    const verbs = {
      ...MACHINE,
      MEM: () => {
        throw Object.assign(new Error("out of memory"), { name: "InternalError" });
      },
    };
    expect(() => new Terminal({ verbs }).say("mem")).to.throw("out of memory");
  });
});

describe("console session: a command that takes a while", () => {
  const SPAWN = 'spawn {"spawn":"gpu","lease":{"gpu_id":"GPU-0","mem_mb":1,"streams":1,"ttl_s":60}}';

  it("is answered when it is done, and what comes behind it waits its turn", async () => {
    const bridge = await FakeBridge.start();
    const at = await GpuHive.with(bridge);
    const terminal = operator({ at });
    at.cut = true;
    expect(terminal.say(SPAWN, "ping")).to.deep.equal([]);
    expect([terminal.session.ready, terminal.session.busy]).to.deep.equal([false, true]);
    at.cut = false;
    expect(terminal.pass(10)).to.deep.equal(["OK SPAWN id=worker-1", "OK PING reply=pong", "PONG"]);
    expect(bridge.leases()).to.deep.equal(["worker-1 60"]);
  });

  it("is refused when it cannot be done, or is not in time", async () => {
    const at = await GpuHive.with(await FakeBridge.start());
    const terminal = operator({ at });
    terminal.say(SPAWN.replace('"mem_mb":1', '"mem_mb":5000'));
    expect(terminal.pass(10)).to.deep.equal(["ERR SPAWN reason=policy detail=invalid-payload error=EINVAL"]);
    at.cut = true;
    terminal.say(SPAWN);
    expect(terminal.pass(5100)).to.deep.equal(["ERR SPAWN reason=busy detail=timed-out error=ETIMEDOUT"]);
  });

  it("is undone if the client goes before it is answered", async () => {
    const bridge = await FakeBridge.start();
    const at = await GpuHive.with(bridge);
    const terminal = operator({ at });
    at.cut = true;
    terminal.say(SPAWN);
    terminal.session.close();
    at.cut = false;
    at.pass(10);
    expect(bridge.leases()).to.deep.equal([]);
    expect([at.components.size, at.hive.workers.size]).to.deep.equal([0, 0]);
    expect(terminal.lines.filter((line) => line.includes("SPAWN"))).to.deep.equal([]);
  });
});
