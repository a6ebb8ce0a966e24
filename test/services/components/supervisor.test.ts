import { expect } from "chai";
import { LAYOUT } from "../../../services/components/layout.ts";
import { PONG, PongProtocol } from "../../../services/components/pong.ts";
import { type ComponentEnd, type Rules, Supervisor } from "../../../services/components/supervisor.ts";
import { Timers } from "../../../services/pump/timers.ts";
import { LineLog, ManualClock } from "../support/ports.ts";
import { FakeComponents } from "./fake-components.ts";

const RULES: Rules = { priority: 100, arenaBytes: 65536, args: [0, 0, 0, 0], callsPerSecond: 100, settleUs: 5_000_000 };

function setup(policy: "destroy" | "keep" = "destroy") {
  const components = new FakeComponents();
  const log = new LineLog();
  const clock = new ManualClock();
  const timers = new Timers(4);
  const supervisor = new Supervisor({ components, log, clock, timers, layout: LAYOUT, policy });
  const start = (): number => supervisor.start("pong.elf", new PongProtocol(log), RULES);
  const serve = (): number => {
    supervisor.raise();
    return supervisor.serve(16, clock.us);
  };
  return { components, log, clock, timers, supervisor, start, serve };
}

/** Drive a pong to the end of its work. */
function settle({ components, serve }: ReturnType<typeof setup>, id: number): void {
  components.call(id, PONG.HELLO, 1);
  serve();
  components.call(id, PONG.PONG, 1);
  serve();
  components.call(id, PONG.WAIT);
  serve();
}

describe("component supervisor", () => {
  it("hears PING 1 and PONG 1 exactly once and leaves the component parked", () => {
    const all = setup();
    const id = all.start();
    settle(all, id);
    expect(all.log.lines).to.deep.equal(["pong: PING 1", "pong: PONG 1"]);
    expect(all.components.actions).to.deep.equal([
      "spawn pong.elf priority=100 args=0,0,0,0",
      "reply 0 0x101 1",
      "reply 0 0x104 1",
    ]);
    expect(all.supervisor.list()).to.deep.equal([
      { id, name: "pong", state: "calling", bytes: 131072, calls: 3, refused: 0 },
    ]);
    // Its patience timer finds nothing to complain about.
    all.clock.us = 5_000_000;
    all.timers.fire(all.clock.us, 16);
    expect(all.log.lines.length).to.equal(2);
  });

  it("ends one that greets twice, so that PING 1 comes once", () => {
    const all = setup();
    const id = all.start();
    all.components.call(id, PONG.HELLO, 1);
    all.components.call(id, PONG.HELLO, 1);
    all.serve();
    expect(all.log.lines).to.deep.equal([
      "pong: PING 1",
      "pong: violation: HELLO 1 out of turn; destroyed, 128 KiB returned",
    ]);
    expect(all.components.live.size).to.equal(0);
    expect(all.supervisor.violations).to.equal(1);
  });

  for (const [what, label, word, why] of [
    ["a label that nobody knows", 0x1ff, 0, "call with label 0x1ff"],
    ["another protocol version", PONG.HELLO, 2, "HELLO 2 out of turn"],
    ["an answer before the question", PONG.PONG, 1, "PONG 1 out of turn"],
    ["waiting before it has answered", PONG.WAIT, 0, "WAIT out of turn"],
    ["an echo before the greeting", PONG.ECHO, 4, "ECHO of 4 bytes out of turn"],
  ] as const) {
    it(`ends one that calls with ${what}`, () => {
      const all = setup();
      all.components.call(all.start(), label, word);
      all.serve();
      expect(all.log.lines).to.deep.equal([`pong: violation: ${why}; destroyed, 128 KiB returned`]);
    });
  }

  it("ends one that asks to echo more than its frame", () => {
    const all = setup();
    const id = all.start();
    all.components.call(id, PONG.HELLO, 1);
    all.components.call(id, PONG.ECHO, 16385);
    all.serve();
    expect(all.log.lines[1]).to.contain("ECHO of 16385 bytes");
  });

  it("inverts the frame for an echo, as far as was asked", () => {
    const all = setup();
    const id = all.start();
    all.components.call(id, PONG.HELLO, 1);
    all.serve();
    all.components.buffer.set([0, 1, 255, 7]);
    all.components.call(id, PONG.ECHO, 3);
    all.serve();
    expect([...all.components.buffer.subarray(0, 5)]).to.deep.equal([255, 254, 0, 7, 0]);
    all.components.call(id, PONG.ECHO_OK, 1);
    all.serve();
    expect(all.log.lines.at(-1)).to.equal("pong: ECHO 1");
  });

  it("names a fault, ends the component and goes on with the next one's events", () => {
    const all = setup();
    const bad = all.start();
    const good = all.start();
    all.components.push({
      id: bad,
      kind: "fault",
      fault: "vm",
      ip: 0x4005f0,
      address: 0xbad0000000,
      detail: 0x92000045,
      access: "write",
    });
    all.components.call(good, PONG.HELLO, 1);
    expect(all.serve()).to.equal(2);
    expect(all.log.lines).to.deep.equal([
      "pong: fault: write to unmapped address 0xbad0000000 (ip 0x4005f0, esr 0x92000045, translation fault, level 1); " +
        "stray pointer: nothing of the component is there; destroyed, 128 KiB returned",
      "pong: PING 1",
    ]);
    expect(all.components.actions.slice(2)).to.deep.equal(["suspend 0", "destroy 0", "reply 1 0x101 1"]);
    expect(all.supervisor.faults).to.equal(1);
    expect(all.supervisor.ended[0]!.why).to.contain("0xbad0000000");
  });

  it("keeps it suspended if the policy says so, and hears nothing more of it", () => {
    const all = setup("keep");
    const id = all.start();
    all.components.push({ id, kind: "fault", fault: "cap", ip: 0x400000, address: 9 });
    all.components.call(id, PONG.HELLO, 1);
    all.serve();
    expect(all.log.lines.length).to.equal(1);
    expect(all.log.lines[0]).to.match(/capability 0x9, which it does not hold .*; suspended$/);
    expect(all.supervisor.list()[0]!.state).to.equal("suspended");
    expect(all.components.live.size).to.equal(1);
  });

  it("ends one that sends instead of calling", () => {
    const all = setup();
    const id = all.start();
    all.components.push({ id, kind: "violation" });
    all.serve();
    expect(all.log.lines[0]).to.contain("violation: sent a message that is no call");
    expect(all.supervisor.violations).to.equal(1);
  });

  it("answers a flood up to its budget of the second, then ends it", () => {
    const all = setup();
    const id = all.start();
    all.components.call(id, PONG.HELLO, 1);
    all.serve();
    let calls = 1;
    while (all.components.live.has(id) && calls < 1000) {
      all.components.call(id, PONG.FLOOD);
      all.serve();
      calls++;
    }
    expect(calls).to.equal(RULES.callsPerSecond + 1);
    expect(all.log.lines.at(-1)).to.equal(
      "pong: flood: more than 100 calls in one second; destroyed, 128 KiB returned",
    );
    expect(all.supervisor.floods).to.equal(1);
  });

  it("lets one call for ever that stays within its budget", () => {
    const all = setup();
    const id = all.start();
    all.components.call(id, PONG.HELLO, 1);
    all.serve();
    for (let i = 0; i < 1000; i++) {
      all.clock.us += 10_100;
      all.components.call(id, PONG.FLOOD);
      all.serve();
    }
    expect(all.components.live.has(id)).to.equal(true);
  });

  it("serves at most its budget of events in one turn and says that more may wait", () => {
    const all = setup();
    const ids = [all.start(), all.start(), all.start()];
    for (const id of ids) all.components.call(id, PONG.HELLO, 1);
    all.supervisor.raise();
    expect(all.supervisor.serve(2, 0)).to.equal(2);
    expect(all.supervisor.ready()).to.equal(true);
    expect(all.supervisor.serve(2, 0)).to.equal(1);
    expect(all.supervisor.ready()).to.equal(false);
  });

  it("ends one that hangs when its time is out; others are untouched", () => {
    const all = setup();
    const hung = all.start();
    const good = all.start();
    all.components.call(hung, PONG.HELLO, 1);
    all.serve();
    settle(all, good);
    all.clock.us = 5_000_000;
    all.timers.fire(all.clock.us, 16);
    expect(all.log.lines.at(-1)).to.equal("pong: no answer within 5 s; destroyed, 128 KiB returned");
    expect([...all.components.live.keys()]).to.deep.equal([good]);
    expect(all.supervisor.timeouts).to.equal(1);
  });

  it("does not take a new component under an old id for the one it watched", () => {
    const all = setup();
    all.start();
    all.components.push({ id: 0, kind: "fault", fault: "other", ip: 0, detail: 1 });
    all.serve();
    expect(all.supervisor.list()).to.deep.equal([]);
    all.clock.us = 5_000_000;
    all.timers.fire(all.clock.us, 16);
    expect(all.supervisor.timeouts).to.equal(0);
  });

  it("remembers the last sixteen that ended", () => {
    const all = setup();
    for (let i = 0; i < 20; i++) {
      const id = all.start();
      all.components.call(id, 0x200 + i);
      all.serve();
      all.timers.fire(1e9, 16);
    }
    expect(all.supervisor.ended.length).to.equal(16);
    expect(all.supervisor.ended[0]!.why).to.contain("0x204");
  });

  it("lets the port's error through when an image is missing", () => {
    const all = setup();
    expect(() => all.supervisor.start("nobody.elf", new PongProtocol(all.log), RULES)).to.throw("no file nobody.elf");
    expect(all.supervisor.list()).to.deep.equal([]);
  });

  it("tells a protocol how its component ended", () => {
    for (const policy of ["destroy", "keep"] as const) {
      const all = setup(policy);
      const ends: ComponentEnd[] = [];
      const protocol = {
        name: "watched",
        settled: true,
        call: () => "no",
        ended: (end: ComponentEnd) => ends.push(end),
      };
      const id = all.supervisor.start("pong.elf", protocol, RULES);
      all.components.call(id, 1);
      all.serve();
      const destroyed = policy === "destroy";
      expect(ends).to.deep.equal([{ kind: "violation", why: "violation: no", destroyed }]);
      // One that is kept may still be ended.
      expect(all.supervisor.stop(id, "done with")).to.equal(!destroyed);
      if (!destroyed) expect(ends[1]).to.deep.equal({ kind: "stopped", why: "done with", destroyed: true });
      expect(all.components.live.size).to.equal(0);
      expect(all.supervisor.ended.length).to.equal(1);
    }
  });

  it("ends one for its owner whatever the policy, once, also while its call is served", () => {
    const all = setup("keep");
    const ends: string[] = [];
    const protocol = {
      name: "owned",
      settled: true,
      call: ({ id }: { id: number }) => {
        all.supervisor.stop(id, "it has finished");
        return undefined;
      },
      ended: ({ kind, why }: ComponentEnd) => ends.push(`${kind} ${why}`),
    };
    const id = all.supervisor.start("pong.elf", protocol, { ...RULES, settleUs: Infinity });
    expect(all.timers.size).to.equal(0);
    all.components.call(id, 1);
    all.components.call(id, 2);
    expect(all.serve()).to.equal(2);
    expect(ends).to.deep.equal(["stopped it has finished"]);
    expect(all.log.lines).to.deep.equal(["owned: it has finished; destroyed, 128 KiB returned"]);
    expect(all.supervisor.stop(id, "again")).to.equal(false);
    expect(all.supervisor.list()).to.deep.equal([]);
    const { faults, violations, floods, timeouts } = all.supervisor;
    expect([faults, violations, floods, timeouts]).to.deep.equal([0, 0, 0, 0]);
  });
});
