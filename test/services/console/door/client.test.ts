import { expect } from "chai";
import { expectNoErrors, TOKEN } from "../../hive/support.ts";
import { Terminal } from "../terminal.ts";
import { BAD_INPUT, CHARACTER, DENIED, PONG } from "../bad-input.ts";
import { DoorTest } from "./support.ts";
import { frame } from "./wire.ts";

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

  for (const { what, sent, early } of BAD_INPUT) {
    it(`closes ${early === "malformed" ? "without a word" : "with a refusal"} for ${what}`, () => {
      const door = new DoorTest();
      const caller = door.call();
      expect(caller.send(sent, frame(`AUTH ${TOKEN}`)).lines()).to.deep.equal(early === "denied" ? [DENIED] : []);
      expect(caller.over).to.equal("shut");
      expect(door.ends).to.deep.equal({ [early]: 1 });
      expect(door.all.hive.throttle.counters.failed).to.equal(early === "denied" ? 1 : 0);
    });
  }

  // The token itself is what nobody else may hear of.
  const spoiled: [what: string, bytes: Buffer][] = [
    ["a line beyond the limit", frame(`AUTH ${"x".repeat(1020)}`)],
    ["NUL behind the token", frame(`AUTH ${TOKEN}\0`)],
    ["a newline behind the token", frame(`AUTH ${TOKEN}\n`)],
    ["two lines", frame(`AUTH ${TOKEN}\nPING`)],
  ];
  for (const [what, bytes] of spoiled) {
    it(`closes without a word for ${what}`, () => {
      const door = new DoorTest();
      const caller = door.call();
      expect(caller.send(bytes, frame(`AUTH ${TOKEN}`)).lines()).to.deep.equal([]);
      expect(caller.over).to.equal("shut");
      expect(door.ends).to.deep.equal({ malformed: 1 });
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
    const callers = Array.from({ length: 16 }, (_, i) => door.attach(i === 0 ? "queen" : "observer"));
    const late = door.call();
    expect(late.say(`AUTH ${TOKEN}`, "PING")).to.deep.equal([busy]);
    expect(late.over).to.equal("shut");
    // The machine's own line is not among them.
    door.all.operator();
    callers[3]!.say("QUIT");
    expect(door.attach("queen").say("PING")).to.deep.equal(PONG);
    expect(door.ends).to.deep.equal({ busy: 1, quit: 1 });
  });

  it("keeps a place for a Queen, whoever has a lesser ticket, or the token alone", () => {
    const door = new DoorTest();
    const observers = Array.from({ length: 15 }, () => door.attach("observer"));
    const sixteenth = door.enter();
    expect(sixteenth.say(`ATTACH observer ${door.all.ticket("observer")}`, "PING")).to.deep.equal([
      "ERR ATTACH reason=busy detail=busy error=EBUSY",
      ...PONG,
    ]);
    // Who sits there without a login makes room for whoever comes.
    const queen = door.attach("queen");
    expect(sixteenth.over).to.equal("closed");
    expect(queen.say("PING")).to.deep.equal(PONG);
    for (const observer of observers) expect(observer.say("PING")).to.deep.equal(PONG);
    expect(door.ends).to.deep.equal({ crowded: 1 });
    expect(door.call().say(`AUTH ${TOKEN}`)[0]).to.match(/^ERR AUTH reason=busy/);
  });
});

describe("console door: what it audits", () => {
  const audited = (door: DoorTest): string[] => door.all.log().filter((line) => line.startsWith("audit: "));

  it("is each verb that needs a login and comes without one, and each that there is not", () => {
    const door = new DoorTest();
    const caller = door.enter();
    caller.say("LS /", "SECURE9P", "EXPORT x", "frobnicate now", "PING", "CAT", "HELP x");
    expect(audited(door)).to.deep.equal(
      [
        "LS why=unauthenticated",
        "SECURE9P why=unauthenticated",
        "EXPORT why=unauthenticated",
        "PARSE why=unsupported console command",
        "CAT why=unauthenticated",
      ].map((what) => `audit: refused ${what} from=tcp 10.0.2.2`),
    );
  });

  it("is a first line that is none, which no log could hold", () => {
    const door = new DoorTest();
    door
      .call()
      .send(frame(Uint8Array.of(0xff, 0xfe)))
      .bytes();
    door.call().say("");
    expect(audited(door)).to.deep.equal(new Array(2).fill("audit: refused AUTH why=malformed from=tcp 10.0.2.2"));
    expect(door.ends).to.deep.equal({ malformed: 2 });
  });
});

describe("console door: frames", () => {
  for (const { what, sent, answers, end } of BAD_INPUT) {
    it(`answers ${what}${end === undefined ? " and goes on" : " and closes"}`, () => {
      const went = Buffer.concat([sent, frame("PING")]);
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

  it("answers as a serial line does, to the last byte", () => {
    const said = [
      ...[
        "help",
        "ping",
        "ls /",
        "ls /proc",
        "ls /nowhere",
        "cat /proc/time",
        "cat /log",
        "tail /proc/time 3",
        "log now",
      ],
      ...["echo /log/queen.log a  b", "echo x > /proc/time", "echo /queen/ctl {}", 'spawn {"spawn":"heartbeat","x":1}'],
      ...["kill worker-9", "bind /log /proc/l", "bind /nowhere /x", "mount log /l", "mount nothing /n", "stop"],
      ...[
        "secure9p now",
        "export x y",
        "frobnicate",
        "",
        "  ",
        "p\tq",
        "x".repeat(1024),
        "attach queen",
        "detach",
        "ls /",
      ],
    ];
    for (const line of said) {
      const serial = new Terminal().operator().say(line);
      expect(new DoorTest().attach().say(line), line).to.deep.equal(serial);
    }
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
