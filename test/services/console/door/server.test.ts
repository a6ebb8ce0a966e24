import { expect } from "chai";
import { DoorServer } from "../../../../services/console/door/server.ts";
import { Pump } from "../../../../services/pump/pump.ts";
import { Timers } from "../../../../services/pump/timers.ts";
import { expectNoErrors, TestHive, TOKEN } from "../../hive/support.ts";
import { nodeBytes } from "../../support/ports.ts";
import { MACHINE } from "../terminal.ts";
import { DoorTest } from "./support.ts";
import { frame, linesOf } from "./wire.ts";

const PONG = ["OK PING reply=pong", "PONG"];

afterEach(expectNoErrors);

describe("console door: its connections", () => {
  it("keeps operators who have the token from nothing, though strangers fill the door", () => {
    const door = new DoorTest();
    const strangers = Array.from({ length: 8 }, () => door.call());
    const operator = door.attach();
    for (let i = 0; i < 100; i++) strangers.push(door.call());
    expect(operator.say("PING")).to.deep.equal(PONG);
    expect(door.server.connections).to.equal(9);
    expect(strangers.filter(({ over }) => over === "").length).to.equal(8);
    expect(strangers.slice(-8).every(({ over }) => over === "")).to.equal(true);
    expect(door.ends).to.deep.equal({ crowded: 100 });
    expect(door.enter().say("PING")).to.deep.equal(PONG);
  });

  it("pushes out who was refused before who may be an operator", () => {
    const door = new DoorTest();
    const early = door.call();
    for (let i = 0; i < 20; i++) door.call(i).say("AUTH wrong");
    expect(early.say(`AUTH ${TOKEN}`)).to.deep.equal(["OK AUTH"]);
    expect(door.ends).to.deep.equal({ denied: 20 });
  });

  it("pushes out nobody who is gone, or whose first bytes were not looked at", () => {
    const door = new DoorTest();
    const operator = door.queue().send(frame(`AUTH ${TOKEN}`));
    const rest = Array.from({ length: 30 }, () => door.queue());
    // All of them come before the door looks at what the first one said.
    door.server.receive.serve(64, 0);
    expect(operator.lines()).to.deep.equal(["OK AUTH"]);
    expect(door.ends).to.deep.equal({ crowded: 23 });
    // More and more bytes of one frame keep no place.
    const slow = [...rest.slice(23), door.call()].map((caller) => caller.send(Buffer.of(200, 0)));
    door.settle();
    for (const caller of slow) caller.send(Buffer.of(0, 0, 65));
    expect(
      door
        .queue()
        .send(frame(`AUTH ${TOKEN}`))
        .lines(),
    ).to.deep.equal(["OK AUTH"]);
    expect(door.ends).to.deep.equal({ crowded: 24 });
    expect(slow[0]!.over).to.equal("closed");
    // Who is gone makes room without being pushed.
    for (const caller of slow) caller.vanish();
    const eight = Array.from({ length: 8 }, () => door.queue().send(frame(`AUTH ${TOKEN}`)));
    const ninth = door.queue().send(frame(`AUTH ${TOKEN}`));
    // While all have something new to say, the next one waits.
    expect(door.server.receive.serve(64, 0)).to.equal(8);
    for (const caller of [...eight, ninth]) expect(caller.lines()).to.deep.equal(["OK AUTH"]);
    expect(door.ends).to.deep.equal({ crowded: 24, reset: 7 });
  });

  it("never has more connections than places, though sessions that end linger among the strangers", () => {
    const door = new DoorTest();
    const early = Array.from({ length: 16 }, () => door.attach());
    for (let i = 0; i < 8; i++) door.call();
    // None of them takes its goodbye, or closes.
    for (const caller of early) {
      caller.room = 0;
      caller.say("QUIT");
    }
    const late = Array.from({ length: 16 }, () => door.enter());
    expect(door.server.connections).to.equal(24);
    expect(door.server.counters.connectionsHighWater).to.equal(24);
    for (const caller of late) expect(caller.say("PING")).to.deep.equal(PONG);
    expect(door.ends).to.deep.equal({ quit: 16 });
  });

  it("has sixteen sessions at once, each with a login of its own, served in turn", () => {
    const door = new DoorTest();
    const callers = Array.from({ length: 16 }, (_, i) => door.attach(i === 0 ? "queen" : "observer"));
    for (const caller of callers)
      caller.send(...new Array<Buffer>(10).fill(frame("LS /proc")), frame("ECHO /log/queen.log x"));
    const answers = callers.map((caller) => caller.lines());
    for (const come of answers) expect(come.filter((line) => line.startsWith("OK LS")).length).to.equal(10);
    expect(answers.map((come) => come.at(-1)!.slice(0, 7))).to.deep.equal([
      "OK ECHO",
      ...new Array<string>(15).fill("ERR ECH"),
    ]);
    expect(door.server.counters).to.include({ authenticated: 16, connectionsHighWater: 16, sessionsHighWater: 16 });
  });

  it("lets nobody wait for somebody who says much", () => {
    const door = new DoorTest();
    const [loud, modest] = [door.attach(), door.attach()];
    loud.send(...new Array<Buffer>(500).fill(frame("LS /proc")));
    modest.send(frame("PING"));
    const { dispatch, transmit } = door.server;
    for (let turn = 0; turn < 2; turn++) {
      expect(dispatch.serve(320, 0)).to.be.at.most(320 + 64);
      transmit.serve(320, 0);
    }
    expect(loud.readable).to.be.greaterThan(0);
    expect(modest.readable).to.equal(0);
    expect(modest.lines()).to.deep.equal(PONG);
  });

  it("shows its counters and its connections", () => {
    const door = new DoorTest();
    const caller = door.attach("observer");
    caller.say("PING", "LS /nowhere");
    door.call().say("AUTH wrong");
    const lines = door.server.lines();
    for (const line of [
      "connections 2",
      "sessions 1",
      "most 16",
      "accepted 2",
      "authenticated 1",
      "frames 3",
      "ok 2",
      "err 1",
      "dropped 0",
      "end_denied 1",
      "end_slow 0",
      "connection 1 lines observer tcp 10.0.2.2:40000 unsent=0",
      "connection 2 closing - tcp 10.0.2.2:40000 unsent=0",
    ]) {
      expect(lines).to.include(line);
    }
    expect(door.server.summary()).to.equal("door connections=2 sessions=1 accepted=2 authenticated=1 ok=2 err=1");
    expect(JSON.stringify(lines)).to.not.contain(TOKEN);
    caller.say("QUIT");
    expect(door.server.lines()).to.include("frames 4").and.to.include("ok 3");
  });

  it("wants no turn while nobody says anything, and holds one timer", () => {
    const door = new DoorTest();
    const before = door.all.timers.size;
    for (let i = 0; i < 10; i++) door.attach("observer");
    const { receive, dispatch, transmit } = door.server;
    expect([receive, dispatch, transmit].some((stage) => stage.ready(0))).to.equal(false);
    expect(door.all.timers.size).to.equal(before);
  });

  it("is served by a pump, which rests until something is due", () => {
    const all = new TestHive();
    const pump = new Pump({
      clock: all.clock,
      log: all.bootLog,
      heap: { usedBytes: () => 0, collect: () => 0 },
      describe: String,
      tickUs: 10_000,
      timers: 8,
    });
    const door = new DoorTest({ all, timers: pump.timers });
    pump.attach("net-rx", "door", door.server.receive);
    pump.attach("dispatch", "door", door.server.dispatch);
    pump.attach("net-tx", "door", door.server.transmit);
    const caller = door.queue();
    // Once all is said only the pump's own pulse is left, and it ends.
    const rest = (): number => {
      for (let turns = 0; turns < 100; turns++) {
        const nextUs = pump.turn(all.clock.us);
        if (nextUs > all.clock.us + 10_000) return nextUs;
        all.clock.us = Math.max(all.clock.us, nextUs);
      }
      throw new Error("the pump never rests");
    };
    expect(rest()).to.equal(5_000_000);
    caller.send(frame(`AUTH ${TOKEN}`), frame("PING"));
    const heardUs = all.clock.us;
    rest();
    expect(linesOf(caller.take())).to.deep.equal(["OK AUTH", ...PONG]);
    all.clock.us = 5_000_000;
    expect(rest()).to.equal(heardUs + 300_000_000);
    all.clock.us = heardUs + 300_000_000;
    rest();
    expect(linesOf(caller.take())).to.deep.equal(["ERR FRAME reason=cut detail=timed-out"]);
    expect(pump.stages().find(({ name }) => name === "dispatch")!.failed).to.equal(0);
  });

  it("drops who is gone before it is accepted", () => {
    const door = new DoorTest();
    const caller = door.queue();
    caller.send(frame(`AUTH ${TOKEN}`)).reset();
    expect(door.ends).to.deep.equal({ reset: 1 });
    expect(door.server.connections).to.equal(0);
  });

  it("ends one connection for what is wrong with it, and serves the others", () => {
    const door = new DoorTest();
    const [bad, good] = [door.attach(), door.attach()];
    bad.skip = () => {
      throw new Error("a broken transport");
    };
    expect(bad.say("PING")).to.deep.equal([]);
    expect(good.say("PING")).to.deep.equal(PONG);
    expect(door.failures).to.deep.equal(["connection 1 of the door failed: Error: a broken transport"]);
    expect(door.ends).to.deep.equal({ failed: 1 });
  });

  it("lets running out of memory through", () => {
    const door = new DoorTest();
    const caller = door.attach();
    caller.skip = () => {
      throw Object.assign(new Error("out of memory"), { name: "InternalError" });
    };
    expect(() => caller.say("PING")).to.throw("out of memory");
  });

  it("reports a verb that throws, and answers it", () => {
    const MEM = (): never => {
      throw new Error("out of luck");
    };
    const door = new DoorTest({ verbs: { ...MACHINE, MEM } });
    expect(door.enter().say("MEM", "PING")).to.deep.equal(["ERR MEM reason=busy detail=busy", ...PONG]);
    expect(door.failures).to.deep.equal(["verb MEM failed: Error: out of luck"]);
  });

  it("frees all of them when it is closed", () => {
    const door = new DoorTest();
    const before = door.all.timers.size;
    const callers = [door.call(), door.enter(), door.attach()];
    door.server.close();
    door.server.close();
    expect(callers.map(({ over }) => over)).to.deep.equal(["closed", "closed", "closed"]);
    expect([door.server.connections, door.all.hive.sessions().length]).to.deep.equal([0, 0]);
    expect(door.all.timers.size).to.equal(before - 1);
  });

  it("is not made where it could not answer or keep time", () => {
    const all = new TestHive();
    const options = {
      listener: { pending: 0, accept: () => undefined },
      bytes: nodeBytes,
      clock: all.clock,
      timers: all.timers,
      hive: () => all.hive,
      verbs: MACHINE,
      failed: () => undefined,
    };
    expect(() => new DoorServer({ ...options, limits: { unsentBytes: 20_000 } })).to.throw("hold no answer");
    expect(() => new DoorServer({ ...options, timers: new Timers(0) })).to.throw("no timer is left");
  });
});

describe("console door: its pools", () => {
  const pool = (door: DoorTest, name: string): unknown[] => {
    const [, , used, of, peak, , times] = door.server.pools().find(([other]) => other === name)!;
    return [used, of, peak, times];
  };

  it("count sessions, strangers and who was pushed out", () => {
    const door = new DoorTest();
    for (let i = 0; i < 10; i++) door.call();
    door.attach();
    expect(pool(door, "door.sessions")).to.deep.equal([1, 16, 1, 0]);
    // Who authenticates was a stranger before.
    expect(pool(door, "door.strangers")).to.deep.equal([7, 8, 8, 3]);
  });

  it("count lines and answers that wait, and remember them when the connection is over", () => {
    const door = new DoorTest({ limits: { unsentBytes: 32_768 } });
    const caller = door.attach();
    caller.room = 0;
    caller.send(
      ...new Array<Buffer>(200).fill(frame("HELP")),
      ...new Array<Buffer>(20).fill(frame("CAT /log/queen.log")),
    );
    for (let i = 0; i < 5000; i++) caller.send(frame("LS /proc"));
    door.settle();
    const [used, of, peak, times] = pool(door, "door.unsent") as number[];
    expect(of).to.equal(32_768);
    expect(used).to.equal(peak).and.be.greaterThan(16_000);
    expect(times).to.be.at.least(1);
    expect(pool(door, "door.lines").slice(0, 3)).to.deep.equal([16, 16, 16]);
    caller.reset();
    expect(pool(door, "door.unsent")).to.deep.equal([0, of, peak, times]);
    expect(pool(door, "door.lines").slice(0, 3)).to.deep.equal([0, 16, 16]);
  });
});
