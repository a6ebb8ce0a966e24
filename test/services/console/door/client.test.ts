import { expect } from "chai";
import fc from "fast-check";
import { expectNoErrors, TestHive, TOKEN } from "../../hive/support.ts";
import { printedSeed, randomLine } from "../lines.ts";
import { DoorTest } from "./support.ts";
import { frame, linesOf } from "./wire.ts";

const length = (size: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(size);
  return bytes;
};
const DENIED = "ERR AUTH reason=policy detail=denied";
const LENGTH = "ERR FRAME reason=policy detail=invalid-length";
const CHARACTER = "ERR PARSE reason=policy detail=invalid-character";
const PONG = ["OK PING reply=pong", "PONG"];

afterEach(expectNoErrors);

describe("console door: AUTH", () => {
  it("opens a connection to who has the token, in any case and with blanks, and says nothing else", () => {
    for (const line of [`AUTH ${TOKEN}`, `auth  ${TOKEN} `]) {
      const door = new DoorTest();
      const caller = door.call();
      expect(caller.lines()).to.deep.equal([]);
      expect(caller.say(line)).to.deep.equal(["OK AUTH"]);
      expect(door.server.sessions).to.equal(1);
      expect(door.all.log()).to.deep.equal(["login: authenticated from=tcp 10.0.2.2"]);
    }
  });

  for (const line of [
    "AUTH wrong",
    "AUTH",
    `AUTH ${TOKEN}x`,
    `AUTH ${TOKEN} x`,
    TOKEN,
    "PING",
    "QUIT",
    "nonsense",
    `ATTACH queen ${TOKEN}`,
    "SECURE9P",
  ]) {
    it(`answers ${JSON.stringify(line)} with a refusal, audits it without what was said, and closes`, () => {
      const door = new DoorTest();
      const caller = door.call();
      expect(caller.say(line, `AUTH ${TOKEN}`)).to.deep.equal([DENIED]);
      expect(caller.over).to.equal("shut");
      caller.leave();
      expect([caller.over, door.server.connections]).to.deep.equal(["closed", 0]);
      expect(door.all.log()).to.deep.equal(["login: refused AUTH why=wrong token from=tcp 10.0.2.2"]);
      expect(door.ends).to.deep.equal({ denied: 1 });
      expect(door.all.hive.throttle.counters.failed).to.equal(1);
    });
  }

  const closes: [what: string, bytes: Buffer][] = [
    ["a length below its own", length(3)],
    ["an empty line", frame("")],
    ["a blank line", frame("  ")],
    ["a line beyond the limit", frame(`AUTH ${"x".repeat(1020)}`)],
    ["a false length", length(65_537)],
    ["what is not UTF-8", frame(Buffer.from([0x41, 0xff]))],
    ["NUL", frame(`AUTH ${TOKEN}\0`)],
    ["a newline", frame(`AUTH ${TOKEN}\n`)],
    ["two lines", frame(`AUTH ${TOKEN}\nPING`)],
  ];
  for (const [what, bytes] of closes) {
    it(`closes without a word for ${what}`, () => {
      const door = new DoorTest();
      const caller = door.call();
      expect(caller.send(bytes, frame(`AUTH ${TOKEN}`)).lines()).to.deep.equal([]);
      expect(caller.over).to.equal("shut");
      expect(door.ends).to.deep.equal({ malformed: 1 });
      expect(door.all.hive.throttle.counters.failed).to.equal(0);
    });
  }

  it("waits 5 s for all of it", () => {
    const door = new DoorTest();
    const callers = [door.call(), door.call()];
    door.pass(4000);
    callers[1]!.send(frame(`AUTH ${TOKEN}`).subarray(0, 9));
    expect(callers.map((caller) => caller.pass(499))).to.deep.equal([[], []]);
    expect(callers.map(({ over }) => over)).to.deep.equal(["", ""]);
    door.pass(2);
    expect(callers.map(({ over }) => over)).to.deep.equal(["shut", "shut"]);
    expect(callers.map((caller) => caller.lines())).to.deep.equal([[], []]);
    expect(door.ends).to.deep.equal({ late: 2 });
    // They do not go by themselves.
    door.pass(5000);
    expect(callers.map(({ over }) => over)).to.deep.equal(["closed", "closed"]);
    expect(door.server.connections).to.equal(0);
  });

  it("slows down wrong ones by their address, and never a right one", () => {
    const door = new DoorTest();
    expect(door.call().say("AUTH 1")).to.deep.equal([DENIED]);
    const second = door.call();
    expect(second.say("AUTH 2")).to.deep.equal([]);
    expect(second.pass(249)).to.deep.equal([]);
    expect(door.call(1).say("AUTH 3")).to.deep.equal([DENIED]);
    expect(second.pass(1)).to.deep.equal([DENIED]);
    const third = door.call();
    expect(third.say("AUTH 3", "PING")).to.deep.equal([]);
    expect(third.pass(500)).to.deep.equal([DENIED]);
    expect(door.call().say("AUTH 4")).to.deep.equal([
      "ERR AUTH reason=quota detail=rate-limited delay_ms=89500 error=EAGAIN",
    ]);
    door.enter();
    expect(door.ends).to.deep.equal({ denied: 5 });
    expect(door.all.log().join()).to.not.contain(TOKEN);
  });

  it("frees who goes while its answer waits", () => {
    const door = new DoorTest();
    door.call().say("AUTH 1");
    const caller = door.call();
    caller.say("AUTH 2");
    caller.reset();
    expect(door.ends).to.deep.equal({ denied: 1, reset: 1 });
    expect(door.pass(1000)).to.equal(undefined);
  });

  it("says busy while there is no hive, and to the seventeenth", () => {
    const busy = "ERR AUTH reason=busy detail=busy error=EBUSY";
    expect(new DoorTest({ hive: () => undefined }).call().say(`AUTH ${TOKEN}`)).to.deep.equal([busy]);
    const door = new DoorTest();
    const callers = Array.from({ length: 16 }, () => door.attach("observer"));
    const late = door.call();
    expect(late.say(`AUTH ${TOKEN}`, "PING")).to.deep.equal([busy]);
    expect(late.over).to.equal("shut");
    // The machine's own line is not among them.
    door.all.operator();
    callers[3]!.say("QUIT");
    expect(door.attach("queen").say("PING")).to.deep.equal(PONG);
    expect(door.ends).to.deep.equal({ busy: 1, quit: 1 });
  });
});

describe("console door: frames", () => {
  const rows: [what: string, bytes: Buffer, answers: string[], end?: string][] = [
    ["a length below its own", Buffer.concat([length(3), frame("PING")]), [LENGTH], "length"],
    ["a length of nothing", Buffer.concat([length(0), frame("PING")]), [LENGTH], "length"],
    ["an empty line", frame(""), ["ERR PARSE reason=policy detail=empty command"]],
    ["a line of the limit", frame("x".repeat(1024)), ["ERR PARSE reason=policy detail=unsupported console command"]],
    ["one beyond the limit", frame("x".repeat(1025)), [LENGTH]],
    ["a frame of 8.4 kB", frame("x".repeat(8400)), [LENGTH]],
    ["the longest that is skipped", frame("x".repeat(65_532)), [LENGTH]],
    ["a false length", Buffer.concat([length(65_537), frame("PING")]), [LENGTH], "length"],
    ["the falsest length", Buffer.concat([length(0xffffffff), frame("PING")]), [LENGTH], "length"],
    ["what is not UTF-8", frame(Buffer.from([0x50, 0xc0, 0x80])), [CHARACTER]],
    ["half a surrogate", frame(Buffer.from([0xed, 0xa0, 0x80])), [CHARACTER]],
    ["NUL", frame("PI\0NG"), [CHARACTER]],
    ["a control character", frame("PING\x1b[2J"), [CHARACTER]],
    ["C1", frame("PING\u0085"), [CHARACTER]],
    ["a newline", frame("PING\n"), [CHARACTER]],
    ["two lines", frame("PING\nQUIT"), [CHARACTER]],
    ["an unknown verb", frame("frobnicate"), ["ERR PARSE reason=policy detail=unsupported console command"]],
    ["AUTH again", frame(`AUTH ${TOKEN}`), ["ERR PARSE reason=policy detail=unsupported console command"]],
    ["a verb for which nobody is logged in", frame("LS /"), ["ERR LS reason=policy detail=unauthenticated"]],
    ["9P for which nobody is logged in", frame("SECURE9P"), ["ERR SECURE9P reason=policy detail=unauthenticated"]],
  ];
  for (const [what, bytes, answers, end] of rows) {
    it(`answers ${what}${end === undefined ? " and goes on" : " and closes"}`, () => {
      const went = Buffer.concat([bytes, frame("PING")]);
      const ways: ((door: DoorTest) => string[])[] = [
        (door) => door.enter().send(went).lines(),
        (door) => {
          const caller = door.enter();
          return Array.from(went, (byte) => caller.send(Uint8Array.of(byte)).lines()).flat();
        },
        (door) => {
          const caller = door.enter();
          caller.row = 7;
          return caller.send(went).lines();
        },
        (door) => {
          door.budget = 1;
          return door
            .call()
            .send(frame(`AUTH ${TOKEN}`), went)
            .lines()
            .slice(1);
        },
      ];
      for (const way of ways) {
        const door = new DoorTest();
        expect(way(door)).to.deep.equal(end === undefined ? [...answers, ...PONG] : answers);
        expect(door.ends).to.deep.equal(end === undefined ? {} : { [end]: 1 });
      }
    });
  }

  it("executes nothing of a line with a character that no line may have", () => {
    const door = new DoorTest();
    const caller = door.attach();
    expect(caller.say("ECHO /log/queen.log a\nb", "ECHO /log/queen.log \u0000")).to.deep.equal([CHARACTER, CHARACTER]);
    expect(door.all.log().at(-1)).to.match(/admitted/);
  });

  it("answers eight pipelined frames in order, with all that came before them", () => {
    const door = new DoorTest();
    const ticket = door.all.ticket("queen");
    const said = [
      `AUTH ${TOKEN}`,
      `ATTACH queen ${ticket}`,
      "ECHO /log/queen.log one",
      "LS /nowhere",
      "",
      "SPAWN {}",
      "ECHO /log/queen.log two",
      "QUIT",
    ];
    const caller = door.call();
    expect(caller.say(...said).map((line) => line.split(" ").slice(0, 2).join(" "))).to.deep.equal([
      "OK AUTH",
      "OK ATTACH",
      "OK ECHO",
      "ERR LS",
      "ERR PARSE",
      "ERR SPAWN",
      "OK ECHO",
      "OK QUIT",
    ]);
    expect(caller.over).to.equal("shut");
    expect(door.all.hive.sessions()).to.deep.equal([]);
    expect(door.ends).to.deep.equal({ quit: 1 });
  });

  it("takes a hundred pipelined frames without losing one", () => {
    const door = new DoorTest();
    const caller = door.attach();
    const texts = Array.from({ length: 100 }, (_, i) => `ECHO /log/queen.log line ${i}`);
    expect(caller.say(...texts)).to.deep.equal(
      texts.map((_, i) => `OK ECHO path=/log/queen.log bytes=${i < 10 ? 7 : 8}`),
    );
    expect(
      door.all
        .log()
        .slice(-100)
        .map((line) => line.replace(/.*: /, "")),
    ).to.deep.equal(texts.map((_, i) => `line ${i}`));
  });

  it("answers PING at once in the middle of a stream, and ends it with STOP", () => {
    const door = new DoorTest();
    const caller = door.attach();
    expect(caller.say("TAIL -f /log/queen.log")[0]).to.equal("OK TAIL path=/log/queen.log");
    expect(caller.say("PING")).to.deep.equal(PONG);
    door.all.hive.queenLog.line("test", "news");
    expect(caller.lines()[0]).to.match(/test: news$/);
    expect(caller.say("STOP", "PING")).to.deep.equal(["END", "OK STOP", ...PONG]);
  });

  it("ends a stream without an end for lines that would never be answered behind it", () => {
    const door = new DoorTest();
    const caller = door.attach();
    const come = caller.say("TAIL -f /log/queen.log", ...new Array<string>(40).fill("LS /nowhere"));
    expect(come.filter((line) => line.startsWith("ERR LS")).length).to.equal(40);
    expect(door.server.counters.ends.slow).to.equal(0);
  });

  it("cools down who guesses tickets, tells it and closes", () => {
    const door = new DoorTest();
    const caller = door.enter();
    const bad = `ATTACH queen cohesix-ticket-00.00`;
    expect(caller.say(bad, bad, bad, bad, "PING")).to.deep.equal(["ERR ATTACH reason=policy detail=denied"]);
    expect(caller.pass(1000)).to.deep.equal([
      "ERR ATTACH reason=policy detail=denied",
      "ERR ATTACH reason=policy detail=denied",
      "ERR ATTACH reason=quota detail=rate-limited delay_ms=89500 error=EAGAIN",
    ]);
    expect(caller.over).to.equal("shut");
    expect(door.ends).to.deep.equal({ limited: 1 });
    expect(door.server.counters).to.include({ frames: 5, err: 4, dropped: 1 });
  });

  it("does not take the token for a Queen's ticket", () => {
    expect(new DoorTest().enter().say(`ATTACH queen ${TOKEN}`)).to.deep.equal([
      "ERR ATTACH reason=policy detail=denied",
    ]);
  });
});

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

describe("console door: books", () => {
  it("opens to no bytes but the token's, and forgets whoever sent them", () => {
    const seed = printedSeed();
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((any) => Buffer.from(any)),
      fc.uint8Array({ maxLength: 60 }).map(frame),
      fc.string({ maxLength: 30 }).map((text) => frame(`AUTH ${text}`)),
      fc.nat(100_000).map(length),
    );
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 1, maxLength: 5 }), (parts) => {
        const door = new DoorTest();
        const caller = door.call();
        for (const part of parts) {
          caller.send(part);
          door.settle();
        }
        door.pass(15_000);
        expect(caller.lines().filter((line) => line !== DENIED)).to.deep.equal([]);
        expect(door.server.counters).to.include({ authenticated: 0, frames: 0 });
        expect([door.server.connections, door.failures.length]).to.deep.equal([0, 0]);
      }),
      { seed, numRuns: 300 },
    );
  });

  it("acknowledges or drops each line, whatever is said and whenever the client goes", () => {
    const seed = printedSeed();
    const bytes = fc.oneof(
      { weight: 6, arbitrary: randomLine.map(frame) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map(frame) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(frame("x".repeat(2000)), frame("PING"), frame("TAIL -f /log/queen.log")),
      },
    );
    fc.assert(
      fc.property(
        fc.array(bytes, { maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 20 }),
        fc.constantFrom("leave", "reset", "quit", "cut"),
        fc.integer({ min: 0, max: 70_000 }),
        (parts, cuts, end, room) => {
          const all = new TestHive();
          const door = new DoorTest({ all });
          const caller = door.attach();
          caller.bytes();
          const stream = Buffer.concat(parts);
          let at = 0;
          for (const size of cuts) {
            caller.room = room;
            caller.send(stream.subarray(at, at + size));
            door.pass(1);
            at += size;
          }
          caller.send(stream.subarray(at, end === "cut" ? at + 100 : undefined));
          door.settle();
          if (end === "quit") caller.send(frame("QUIT"));
          if (end === "reset" || end === "cut") caller.reset();
          else caller.leave();
          caller.room = Infinity;
          door.pass(60_000);
          const { frames, ok, err, dropped } = door.server.counters;
          expect(frames).to.equal(ok + err + dropped);
          expect(door.server.connections).to.equal(0);
          expect(all.hive.sessions()).to.deep.equal([]);
          expect(door.failures).to.deep.equal([]);
        },
      ),
      { seed, numRuns: 150 },
    );
  });
});
