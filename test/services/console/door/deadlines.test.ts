import { expect } from "chai";
import { expectNoErrors } from "../../hive/support.ts";
import { DoorTest } from "./support.ts";
import { frame, linesOf } from "./wire.ts";

const PONG = ["OK PING reply=pong", "PONG"];

afterEach(expectNoErrors);

describe("console door: ends", () => {
  it("answers what came before its client closed its side, then closes", () => {
    const door = new DoorTest();
    const caller = door.attach();
    caller.send(frame("PING"), frame("ECHO /log/queen.log x"), frame("PI").subarray(0, 5)).leave();
    expect(caller.lines()).to.deep.equal([...PONG, "OK ECHO path=/log/queen.log bytes=2"]);
    expect(caller.over).to.equal("closed");
    expect(door.all.hive.sessions()).to.deep.equal([]);
    expect(door.ends).to.deep.equal({ left: 1 });
  });

  it("ends a stream without an end when its client closes its side", () => {
    const door = new DoorTest();
    const caller = door.attach();
    caller.say("TAIL -f /log/queen.log");
    caller.leave();
    expect(caller.lines()).to.deep.equal(["END"]);
    expect(caller.over).to.equal("closed");
  });

  it("frees everything when the connection breaks in the middle of a frame, and takes the client back at once", () => {
    const door = new DoorTest();
    const timers = door.all.timers.size;
    for (let i = 0; i < 100; i++) {
      const caller = door.attach();
      caller.say("TAIL -f /log/queen.log");
      caller.send(frame("ECHO /log/queen.log x").subarray(0, 9));
      door.settle();
      caller.reset();
    }
    expect(door.all.hive.sessions()).to.deep.equal([]);
    expect(door.server.connections).to.equal(0);
    expect(door.all.timers.size).to.equal(timers);
    expect(door.attach().say("PING")).to.deep.equal(PONG);
  });

  it("closes on half a frame after 10 s, be it that its bytes trickle in", () => {
    const door = new DoorTest();
    const caller = door.attach();
    const ping = frame("ECHO /log/queen.log slow");
    for (let i = 0; i < 5; i++) {
      caller.send(ping.subarray(i, i + 1));
      expect(caller.pass(1900)).to.deep.equal([]);
    }
    expect(caller.over).to.equal("");
    caller.send(ping.subarray(5, 6));
    door.pass(500);
    expect(caller.over).to.equal("shut");
    expect(door.ends).to.deep.equal({ half: 1 });
  });

  it("gives each frame its own 10 s", () => {
    const door = new DoorTest();
    const caller = door.attach();
    const ping = frame("PING");
    for (let i = 0; i < 5; i++) {
      door.settle();
      caller.send(ping.subarray(0, 3));
      expect(caller.pass(6000)).to.deep.equal([]);
      expect(caller.send(ping.subarray(3), ping.subarray(0, 3)).lines()).to.deep.equal(PONG);
      expect(caller.pass(6000)).to.deep.equal([]);
      expect(caller.send(ping.subarray(3)).lines()).to.deep.equal(PONG);
    }
  });

  it("tells who has said nothing for 300 s and closes; PING counts, lines that come do not", () => {
    const door = new DoorTest();
    const [quiet, alive] = [door.attach(), door.attach()];
    quiet.say("TAIL -f /log/queen.log");
    door.pass(200_000);
    expect(alive.say("PING")).to.deep.equal(PONG);
    quiet.lines();
    door.pass(99_999);
    door.all.hive.queenLog.line("test", "news");
    expect(quiet.lines().length).to.equal(1);
    expect(quiet.pass(1)).to.deep.equal(["ERR FRAME reason=cut detail=timed-out"]);
    expect([quiet.over, alive.over]).to.deep.equal(["shut", ""]);
    expect(alive.pass(199_999)).to.deep.equal([]);
    expect(alive.pass(1)).to.deep.equal(["ERR FRAME reason=cut detail=timed-out"]);
    expect(door.ends).to.deep.equal({ idle: 2 });
  });
});

describe("console door: clients that take nothing", () => {
  function full(): DoorTest {
    const door = new DoorTest();
    for (let i = 0; i < 2000; i++) door.all.hive.queenLog.line("test", `line ${i} `.padEnd(100, "."));
    return door;
  }

  it("keeps 64 KiB for it, reads it no more, and after 30 s tells and drops it", () => {
    const door = full();
    const caller = door.attach();
    caller.room = 0;
    caller.send(...new Array<Buffer>(40).fill(frame("CAT /log/queen.log")));
    door.settle();
    expect(caller.readable).to.be.greaterThan(0);
    const unsent = (): number => Number(/unsent=(\d+)/.exec(door.server.lines().at(-1)!)![1]);
    expect(unsent()).to.be.within(48_000, 65_536);
    door.pass(29_999);
    expect(caller.over).to.equal("");
    expect(door.all.hive.sessions().length).to.equal(1);
    door.pass(1);
    expect(door.all.hive.sessions()).to.deep.equal([]);
    expect(unsent()).to.be.at.most(65_536 + 256);
    caller.room = Infinity;
    expect(caller.lines().at(-1)).to.equal("ERR FRAME reason=quota detail=buffer-full");
    expect(caller.over).to.equal("shut");
    expect(door.ends).to.deep.equal({ slow: 1 });
  });

  it("aborts who does not even take that", () => {
    const door = full();
    const caller = door.attach();
    caller.room = 0;
    caller.send(frame("CAT /log/queen.log"));
    door.pass(35_000);
    expect(caller.over).to.equal("aborted");
    expect(door.server.connections).to.equal(0);
  });

  it("goes on with who takes it slowly, and loses nothing", () => {
    const door = full();
    const caller = door.attach();
    caller.room = 0;
    caller.send(frame("CAT /log/queen.log"), frame("PING"));
    const bytes: Buffer[] = [];
    for (let i = 0; i < 60; i++) {
      caller.room = 8000;
      door.pass(5000);
      caller.send(frame("PING"));
      bytes.push(caller.bytes());
    }
    caller.room = Infinity;
    bytes.push(caller.bytes());
    const lines = linesOf(Buffer.concat(bytes));
    expect(lines.filter((line) => line.includes("test: line ")).length).to.equal(2000);
    expect(lines.filter((line) => line === "PONG").length).to.equal(61);
    expect(door.ends).to.deep.equal({});
  });

  it("delays nobody else", () => {
    const door = full();
    const slow = door.attach();
    slow.room = 0;
    slow.send(...new Array<Buffer>(40).fill(frame("CAT /log/queen.log")));
    expect(door.attach().say("PING")).to.deep.equal(PONG);
  });
});
