import { expect } from "chai";
import { TestHive } from "../hive/support.ts";
import { frame } from "./door/wire.ts";
import { heartbeats, operator, TCP, Terminal } from "./terminal.ts";

/** Log in as an observer. */
function observer(all = new TestHive()): Terminal {
  const terminal = new Terminal({ at: all, source: TCP });
  terminal.say(`attach observer ${all.ticket("observer")}`);
  return terminal;
}

describe("console: LS", () => {
  it("counts the names of a directory, then gives one a line", () => {
    const terminal = operator();
    expect(terminal.say("ls /", "ls /log", "ls /queen")).to.deep.equal([
      "OK LS path=/ entries=4",
      "proc",
      "log",
      "queen",
      "worker",
      "END",
      "OK LS path=/log entries=2",
      "queen.log",
      "queen.log.follow",
      "END",
      "OK LS path=/queen entries=1",
      "ctl",
      "END",
    ]);
  });

  it("gives an empty directory no names", () => {
    expect(operator().say("ls /worker")).to.deep.equal(["OK LS path=/worker entries=0", "END"]);
  });

  it("lists a directory that takes several replies", () => {
    const all = new TestHive({ limits: {} });
    for (let i = 0; i < 300; i++) all.hive.namespace.addProc(`many/a-file-with-a-long-name-${i}`, () => "");
    const [first, ...names] = operator({ at: all }).say("ls /proc/many");
    expect(first).to.equal("OK LS path=/proc/many entries=300");
    expect(names.pop()).to.equal("END");
    expect(names).to.deep.equal(Array.from({ length: 300 }, (_, i) => `a-file-with-a-long-name-${i}`));
  });

  it("refuses a directory with more names than it keeps, whole", () => {
    const all = new TestHive();
    for (let i = 0; i < 1025; i++) all.hive.namespace.addProc(`many/${i}`, () => "");
    const terminal = operator({ at: all });
    expect(terminal.say("ls /proc/many", "ping")).to.deep.equal([
      "ERR LS reason=quota detail=too-big path=/proc/many error=EMSGSIZE",
      "OK PING reply=pong",
      "PONG",
    ]);
  });

  it("refuses what is no directory, is not there or is not for it", () => {
    const terminal = observer();
    expect(terminal.say("ls /proc/time", "ls /proc/nowhere/at/all", "ls /queen", "ls /queen/ctl/x")).to.deep.equal([
      "ERR LS reason=policy detail=invalid-path path=/proc/time error=EINVAL",
      "ERR LS reason=policy detail=not-found path=/proc/nowhere/at/all error=ENOENT",
      "ERR LS reason=policy detail=denied path=/queen error=EPERM",
      "ERR LS reason=policy detail=denied path=/queen/ctl/x error=EPERM",
    ]);
    expect(terminal.all.log().filter((line) => line.startsWith("audit"))).to.deep.equal([
      "audit: denied walk path=/queen role=observer why=not-granted session=1",
      "audit: denied walk path=/queen role=observer why=not-granted session=1",
    ]);
  });
});

describe("console: CAT", () => {
  it("gives a text's lines, and in the acknowledgement the newest that fit", () => {
    const all = new TestHive();
    const text = Array.from({ length: 30 }, (_, i) => `line ${i} of a text`).join("\n");
    all.hive.namespace.addProc("text", () => `${text}\n`);
    const [first, ...rest] = operator({ at: all }).say("cat /proc/text");
    expect(first).to.equal(
      "OK CAT path=/proc/text data=line 24 of a text|line 25 of a text|line 26 of a text|line 27 of a text|line 28 of a text|line 29 of a text",
    );
    expect(first!.slice("OK CAT ".length).length).to.be.at.most(128);
    expect(rest).to.deep.equal([...text.split("\n"), "END"]);
  });

  for (const [what, text, data, lines] of [
    ["nothing", "", "", []],
    ["one line", "one\n", "one", ["one"]],
    ["a line without an end", "one\ntwo", "one|two", ["one", "two"]],
    ["empty lines", "\n\n", "|", ["", ""]],
    ["a line that fits no acknowledgement", `${"x".repeat(120)}\n`, "", ["x".repeat(120)]],
    ["text that would move a cursor", "a\tb\x1b[2Jc\u2028d\u202ee\u0085f\n", "a b?[2Jc?d?e?f", ["a b?[2Jc?d?e?f"]],
  ] as const) {
    it(`shows ${what} as it is, or so that it can be shown`, () => {
      const all = new TestHive();
      all.hive.namespace.addProc("t", () => text);
      expect(operator({ at: all }).say("cat /proc/t")).to.deep.equal([
        `OK CAT path=/proc/t data=${data}`,
        ...lines,
        "END",
      ]);
    });
  }

  it("gives a long text whole, a line that is too long for one piece in pieces of whole characters", () => {
    const all = new TestHive();
    const long = `${"x".repeat(8191)}${"\u20ac".repeat(3000)}`;
    all.hive.namespace.addProc("t", () => `short\n${long}\nlast\n`);
    const lines = operator({ at: all }).say("cat /proc/t").slice(1);
    expect(lines.length).to.equal(6);
    expect(lines[0]).to.equal("short");
    expect(lines.slice(1, 4).join("")).to.equal(long);
    expect(lines.slice(4)).to.deep.equal(["last", "END"]);
    // As a frame it is one that upstream's clients take.
    for (const line of lines) expect(frame(line).length).to.be.at.most(8192);
  });

  it("prefers in the queen's log what was written with ECHO, and acknowledges with what was said", () => {
    const terminal = operator();
    terminal.say("echo /log/queen.log batch-1", "echo batch-2 > /log/queen.log", "echo /log/queen.log a: b");
    for (let i = 0; i < 10; i++) terminal.all.hive.queenLog.line("audit", `line ${i}`);
    const [acknowledgement, ...lines] = terminal.say("cat /log/queen.log");
    expect(acknowledgement).to.equal("OK CAT path=/log/queen.log data=batch-1|batch-2|a: b");
    // Who said it, and when, is in the lines themselves.
    expect(lines).to.include("[   0.000000] client session=1 role=queen: batch-1");
  });

  it("knows what was written by whoever has a subject, and takes nothing for it that only looks like it", () => {
    const all = new TestHive();
    const named = new Terminal({ at: all, source: TCP });
    expect(named.say(`attach queen ${all.ticket("queen", { subject: "ann" })}`)).to.deep.equal([
      "OK ATTACH role=queen",
    ]);
    named.say("echo /log/queen.log [   0.000000] client session=1 role=queen: forged");
    all.hive.queenLog.line("login", "refused client session=1 role=queen: x");
    expect(named.say("cat /log/queen.log")[0]).to.equal(
      "OK CAT path=/log/queen.log data=[   0.000000] client session=1 role=queen: forged",
    );
    expect(all.log()).to.include(
      "client session=1 role=queen subject=ann: [   0.000000] client session=1 role=queen: forged",
    );
  });

  it("takes the newest lines of the queen's log if nobody wrote to it", () => {
    expect(operator().say("cat /log/queen.log")).to.deep.equal([
      "OK CAT path=/log/queen.log data=[   0.000000] login: admitted role=queen session=1 from=serial by=token",
      "[   0.000000] login: admitted role=queen session=1 from=serial by=token",
      "END",
    ]);
  });

  it("gives what the file held when it was asked for, though it grows meanwhile", () => {
    const { all, append } = heartbeats(500);
    const terminal = operator({ at: all });
    terminal.free = 1000 + 16384;
    const lines = terminal.say("cat /worker/worker-1/telemetry");
    append("later");
    terminal.free = Infinity;
    lines.push(...terminal.come());
    expect(lines.slice(1)).to.deep.equal([...Array.from({ length: 500 }, (_, i) => `heartbeat ${i + 1}`), "END"]);
  });

  it("refuses a directory, what is not there, what is not for it; a control file is empty", () => {
    const terminal = observer();
    expect(terminal.say("cat /proc", "cat /", "cat /proc/x", "cat /queen/ctl")).to.deep.equal([
      "ERR CAT reason=policy detail=invalid-path path=/proc error=EINVAL",
      "ERR CAT reason=policy detail=invalid-path path=/ error=EINVAL",
      "ERR CAT reason=policy detail=not-found path=/proc/x error=ENOENT",
      "ERR CAT reason=policy detail=denied path=/queen/ctl error=EPERM",
    ]);
    expect(operator().say("cat /queen/ctl")).to.deep.equal(["OK CAT path=/queen/ctl data=", "END"]);
  });

  it("leaves no fid behind, whatever came of it", () => {
    const terminal = operator();
    for (let i = 0; i < 200; i++) {
      terminal.say(
        "cat /proc/time",
        "cat /nowhere/x",
        "ls /",
        "tail /log/queen.log 9",
        "echo /queen/ctl x",
        "cat /proc",
      );
    }
    expect(terminal.say("cat /proc/time")[0]).to.match(/^OK CAT/);
  });
});

describe("console: ECHO", () => {
  it("appends a line and says how many bytes that were, in both forms", () => {
    const terminal = operator();
    expect(terminal.say("echo /log/queen.log h\u00e9llo", "echo  two  blanks > /log/queen.log")).to.deep.equal([
      "OK ECHO path=/log/queen.log bytes=7",
      "OK ECHO path=/log/queen.log bytes=12",
    ]);
    expect(terminal.all.log().slice(-2)).to.deep.equal([
      "client session=1 role=queen: h\u00e9llo",
      "client session=1 role=queen: two  blanks",
    ]);
  });

  it("is what commands the hive", () => {
    const terminal = operator();
    expect(terminal.say(`echo '{"bind":{"from":"/worker","to":"/shadow"}}' > /queen/ctl`, "ls /shadow")).to.deep.equal([
      "OK ECHO path=/queen/ctl bytes=43",
      "OK LS path=/shadow entries=0",
      "END",
    ]);
  });

  it("says why it was not taken", () => {
    const terminal = operator();
    expect(
      terminal.say("echo /queen/ctl nonsense", "echo /proc/time x", "echo /proc x", "echo /nowhere x"),
    ).to.deep.equal([
      "ERR ECHO reason=policy detail=invalid-payload path=/queen/ctl error=EINVAL",
      "ERR ECHO reason=policy detail=denied path=/proc/time error=EPERM",
      "ERR ECHO reason=policy detail=invalid-path path=/proc error=EINVAL",
      "ERR ECHO reason=policy detail=not-found path=/nowhere error=ENOENT",
    ]);
    expect(observer().say("echo /log/queen.log x")).to.deep.equal([
      "ERR ECHO reason=policy detail=denied path=/log/queen.log error=EPERM",
    ]);
  });

  it("says that a line is too long for its file", () => {
    const { limits } = new TestHive().hive.namespace;
    const terminal = operator();
    expect(terminal.say(`echo /log/queen.log ${"x".repeat(limits.lineBytes + 1)}`)).to.deep.equal([
      "ERR ECHO reason=quota detail=too-big path=/log/queen.log error=EMSGSIZE",
    ]);
  });
});

describe("console: LOG", () => {
  it("gives the Queen the last 64 lines of the audit log", () => {
    const terminal = operator();
    expect(terminal.say("log")).to.deep.equal([
      "OK LOG",
      "[   0.000000] login: admitted role=queen session=1 from=serial by=token",
      "END",
    ]);
    for (let i = 0; i < 63; i++) terminal.all.hive.queenLog.line("test", `line ${i}`);
    expect(terminal.say("log").length).to.equal(66);
    for (let i = 63; i < 300; i++) terminal.all.hive.queenLog.line("test", `line ${i}`.padEnd(i));
    const lines = terminal.say("log");
    expect(lines.length).to.equal(66);
    expect(lines.slice(1, -1).map((line) => line.trim())).to.deep.equal(
      Array.from({ length: 64 }, (_, i) => `[   0.000000] test: line ${236 + i}`),
    );
  });

  it("is for the Queen alone, and says who else wanted it", () => {
    const terminal = observer();
    expect(terminal.say("log")).to.deep.equal(["ERR LOG reason=policy detail=denied error=EPERM"]);
    expect(terminal.all.log().at(-1)).to.match(/^audit: denied .* role=observer /);
  });
});

describe("console: BIND and MOUNT", () => {
  it("show one session something elsewhere, and no other", () => {
    const all = new TestHive();
    const one = operator({ at: all });
    const other = operator({ at: all });
    expect(one.say("bind /log /l", "mount proc /p", "ls /l", "cat /p/time")).to.deep.include.members([
      "OK BIND from=/log to=/l",
      "OK MOUNT service=proc at=/p",
      "OK LS path=/l entries=2",
    ]);
    expect(other.say("mount worker /l", "ls /l", "ls /p")).to.deep.equal([
      "OK MOUNT service=worker at=/l",
      "OK LS path=/l entries=0",
      "END",
      "ERR LS reason=policy detail=not-found path=/p error=ENOENT",
    ]);
    expect(one.say("ls /l").length).to.equal(4);
  });

  it("say why not", () => {
    const terminal = operator();
    expect(terminal.say("bind /nowhere /x", "bind /proc /proc", "mount nothing /x")).to.deep.equal([
      "ERR BIND reason=policy detail=not-found error=ENOENT",
      "ERR BIND reason=policy detail=invalid-payload error=EINVAL",
      "ERR MOUNT reason=policy detail=not-found error=ENOENT",
    ]);
    expect(observer().say("bind /log /x", "mount log /x")).to.deep.equal([
      "ERR BIND reason=policy detail=denied error=EPERM",
      "ERR MOUNT reason=policy detail=denied error=EPERM",
    ]);
  });

  it("go with the login", () => {
    const terminal = operator();
    terminal.say("bind /log /l");
    terminal.operator();
    expect(terminal.say("ls /l")).to.deep.equal(["ERR LS reason=policy detail=not-found path=/l error=ENOENT"]);
  });
});

describe("console: SPAWN and KILL", () => {
  const queen = (): Terminal => operator();

  it("start and end a worker, with the audit lines of a write to /queen/ctl", () => {
    const terminal = queen();
    expect(
      terminal.say('spawn {"spawn":"heartbeat","ticks":5}', "ls /worker", "kill worker-1", "ls /worker"),
    ).to.deep.equal([
      "OK SPAWN id=worker-1",
      "OK LS path=/worker entries=1",
      "worker-1",
      "END",
      "OK KILL id=worker-1",
      "OK LS path=/worker entries=0",
      "END",
    ]);
    expect(terminal.all.log()).to.include.members([
      "queen: session 1 (queen): spawn heartbeat id=worker-1",
      "queen: session 1 (queen): kill id=worker-1",
    ]);
  });

  it("say what of a budget was cut down, and where a line is wrong", () => {
    const terminal = queen();
    expect(
      terminal.say(
        'spawn {"spawn":"heartbeat","budget":{"ttl_s":9999999}}',
        'spawn {"spawn":"heartbeat","ticks":0}',
        'spawn {"spawn":"heartbeat","budget":{"ttl_s":"x"}}',
        'spawn {"spawn":"heartbeat","a b path=/x":1}',
        'spawn {"kill":"worker-1"}',
        "spawn heartbeat",
        "kill worker-9",
      ),
    ).to.deep.equal([
      "OK SPAWN id=worker-1 clamped=ttl_s:86400",
      "ERR SPAWN reason=policy detail=invalid-payload pointer=/ticks error=EINVAL",
      "ERR SPAWN reason=policy detail=invalid-payload pointer=/budget/ttl_s error=EINVAL",
      "ERR SPAWN reason=policy detail=invalid-payload error=EINVAL",
      "ERR SPAWN reason=policy detail=invalid-payload error=EINVAL",
      "ERR SPAWN reason=policy detail=invalid-payload error=EINVAL",
      "ERR KILL reason=policy detail=not-found error=ENOENT",
    ]);
    expect(terminal.say("ls /worker")[0]).to.equal("OK LS path=/worker entries=1");
  });

  it("are the Queen's", () => {
    const terminal = observer();
    expect(terminal.say('spawn {"spawn":"heartbeat"}', "kill worker-1")).to.deep.equal([
      "ERR SPAWN reason=policy detail=denied error=EPERM",
      "ERR KILL reason=policy detail=denied error=EPERM",
    ]);
    expect(terminal.all.log().at(-1)).to.equal(
      "audit: denied append path=/queen/ctl role=observer why=not-granted session=1",
    );
  });
});
