/** The serial line with a hive behind it: logins, secrets on the terminal, and input while a command is under way. */
import { expect } from "chai";
import fc from "fast-check";
import { TestHive, TOKEN } from "../hive/support.ts";
import { text } from "../support/ports.ts";
import { Session } from "./session.ts";

const PROMPT = "cohesix> ";
const CTRL_C = "\x03";

/** A serial line to a hive with its own clock and timers. */
class Serial {
  readonly all = new TestHive();
  readonly line: Session;

  constructor() {
    this.line = new Session({ hive: this.all.hive });
    this.line.open();
  }

  type(input: string): string {
    return this.line.type(input);
  }

  /** Log in as the operator. */
  attach(): this {
    const answer = this.type(`attach queen ${TOKEN}\r`);
    if (!answer.includes("OK ATTACH role=queen\r\n")) throw new Error(answer);
    return this;
  }

  /** Something for a follower. */
  log(line: string): void {
    this.all.hive.queenLog.line("test", line);
  }

  /** What came out meanwhile. */
  come(): string {
    return this.type("");
  }
}

describe("serial console: logins", () => {
  it("takes the operator's token for a Queen, and shows stars for it", () => {
    const serial = new Serial();
    expect(serial.type(`attach queen ${TOKEN}\r`)).to.equal(`attach queen ***\r\nOK ATTACH role=queen\r\n${PROMPT}`);
    expect(serial.type("ls /\r")).to.equal(
      `ls /\r\nOK LS path=/ entries=4\r\nproc\r\nlog\r\nqueen\r\nworker\r\nEND\r\n${PROMPT}`,
    );
  });

  it("ends the login at QUIT, says how to leave, and goes on", () => {
    const serial = new Serial().attach();
    expect(serial.type("quit\r")).to.equal(`quit\r\nOK QUIT to leave this console press Ctrl-A, then x\r\n${PROMPT}`);
    expect(serial.all.hive.sessions()).to.deep.equal([]);
    expect(serial.type("ls /\r")).to.contain("ERR LS reason=policy detail=unauthenticated");
    expect(serial.attach().type("detach\r")).to.equal(`detach\r\nOK DETACH\r\n${PROMPT}`);
  });

  it("shows no prompt and takes no input while a wrong token waits for its answer", () => {
    const serial = new Serial();
    const pump = serial.line;
    expect(serial.type("attach queen bad\r")).to.contain("ERR ATTACH reason=policy detail=denied");
    expect(serial.type("attach queen bad\rping\r")).to.equal("attach queen ***\r\n");
    pump.clock.us += 249_999;
    expect(serial.come()).to.equal("");
    pump.clock.us += 1;
    expect(serial.come()).to.equal(
      `ERR ATTACH reason=policy detail=denied\r\n${PROMPT}ping\r\nOK PING reply=pong\r\nPONG\r\n${PROMPT}`,
    );
  });
});

describe("serial console: secrets", () => {
  const shows = (typed: string): string => new Serial().type(typed);

  for (const [typed, shown] of [
    ["attach queen x", "attach queen ***"],
    ["  LoGiN   queen   secret more", "  LoGiN   queen   ***"],
    ["attach queen", "attach queen"],
    ["attach queen ", "attach queen "],
    ["attach queen s\x7f", "attach queen ***\b \b\b \b\b \b"],
    ["attach queen se\x7f\x7fx", "attach queen ***\b \b\b \b\b \b***"],
    ["attach queen \xe9", "attach queen ***"],
    ["attach queen \xe9\x7fx", "attach queen ***\b \b\b \b\b \b***"],
    ["attach queen s\x15ping", `attach queen ***\r\x1b[K${PROMPT}ping`],
    ["attached queen secret", "attached queen secret"],
    ["echo attach queen secret", "echo attach queen secret"],
    ["xcohesix-ticket", "xcohesix-ticket"],
    ["xcohesix-ticket-", `xcohesix-ticket\r\x1b[K${PROMPT}x***`],
    ["x cohesix-ticket-00.00 y", `x cohesix-ticket\r\x1b[K${PROMPT}x ***`],
    ["cohesix-ticket-a\x7f\x7f\x7fb", `cohesix-ticket\r\x1b[K${PROMPT}***`],
    ["attach cohesix-ticket-0 x", `attach cohesix-ticket\r\x1b[K${PROMPT}attach ***`],
  ] as const) {
    it(`shows ${JSON.stringify(typed)} as ${JSON.stringify(shown)}`, () => {
      expect(shows(typed)).to.equal(shown);
    });
  }

  it("draws stars again after the log spoke", () => {
    const serial = new Serial();
    serial.type("attach queen secret");
    serial.line.log.line("pump", "tick");
    expect(serial.come()).to.equal(`\r\x1b[K[   0.000000] pump: tick\r\n${PROMPT}attach queen ***`);
  });

  it("parses what was typed, not what was shown", () => {
    const serial = new Serial();
    expect(serial.type(`attach queen ${TOKEN}x\x7f\r`)).to.contain("OK ATTACH role=queen");
    const ticket = serial.all.ticket("observer");
    expect(serial.type(`login observer ${ticket}\r`)).to.contain("OK ATTACH role=observer");
  });

  const secret = "S3CR3T";
  const key = fc.constantFrom(
    "a",
    " ",
    "-",
    "\x7f",
    "\x08",
    "\u00e9",
    "attach ",
    "queen ",
    "login",
    "\x15",
    "ö",
    "\x1b[A",
  );

  it("shows nothing of a credential, whatever keys come before it and in whatever pieces it comes", () => {
    fc.assert(
      fc.property(
        fc.array(key, { maxLength: 12 }),
        fc.constantFrom("attach queen ", "LOGIN x ", "cohesix-ticket-", "attach  cohesix-ticket-"),
        fc.integer({ min: 1, max: 30 }),
        (before, prefix, piece) => {
          const serial = new Serial();
          const input = `${before.join("")}\x15${prefix}${secret}`;
          let output = "";
          for (let at = 0; at < input.length; at += piece) output += serial.type(input.slice(at, at + piece));
          serial.line.log.line("pump", "tick");
          output += serial.come();
          expect(output).to.not.contain("S3");
          expect(output.endsWith("***")).to.equal(true);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("echoes the same however the keys were cut into reads", () => {
    const part = fc.constantFrom(
      "attach",
      "login",
      " ",
      "queen",
      "cohesix-ticket-",
      "x",
      "\x7f",
      "-",
      "é",
      "longer-words",
      "\xff",
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), fc.integer({ min: 1, max: 7 }), (parts, piece) => {
        const input = parts.join("");
        const whole = new Serial().type(input);
        const serial = new Serial();
        let output = "";
        const bytes = Buffer.from(input);
        for (let at = 0; at < bytes.length; at += piece) {
          serial.line.line.type(bytes.subarray(at, at + piece));
          serial.line.settle();
          output += text(serial.line.line.output());
        }
        expect(output).to.equal(whole);
      }),
      { numRuns: 100 },
    );
  });
});

describe("serial console: while lines come", () => {
  function following(): Serial {
    const serial = new Serial().attach();
    const answer = serial.type("tail -f /log/queen.log\r");
    expect(answer).to.match(/^tail -f \/log\/queen\.log\r\nOK TAIL path=\/log\/queen\.log\r\n\[.*\r\n$/);
    return serial;
  }

  it("shows what is appended, without prompt or echo between", () => {
    const serial = following();
    serial.log("one");
    expect(serial.come()).to.equal("[   0.000000] test: one\r\n");
    expect(serial.type("ls /\r")).to.equal("");
  });

  it("ends at Ctrl-C, and then does what was typed meanwhile", () => {
    const serial = following();
    expect(serial.type("ping me\r")).to.equal("");
    expect(serial.type(CTRL_C)).to.equal(
      `END\r\n${PROMPT}ping me\r\nERR PING reason=policy detail=invalid-payload\r\n${PROMPT}^C\r\n${PROMPT}`,
    );
    serial.log("more");
    expect(serial.come()).to.equal("");
  });

  it("ends at a STOP line, which is then answered in its place", () => {
    const serial = following();
    expect(serial.type("ls /worker\rSTIP\b\bOP\r")).to.equal(
      `END\r\n${PROMPT}ls /worker\r\nOK LS path=/worker entries=0\r\nEND\r\n${PROMPT}STIP\b \b\b \bOP\r\nOK STOP\r\n${PROMPT}`,
    );
  });

  it("answers a PING line at once", () => {
    const serial = following();
    for (const end of ["\r", "\r\n", "\n"]) {
      expect(serial.type(`ping${end}`)).to.equal("ping\r\nOK PING reply=pong\r\nPONG\r\n");
    }
    expect(serial.type("ping\r\nping\rx")).to.equal("ping\r\nOK PING reply=pong\r\nPONG\r\n".repeat(2));
    expect(serial.type(CTRL_C)).to.equal(`END\r\n${PROMPT}x^C\r\n${PROMPT}`);
  });

  it("ends each of several that were asked for at once by its own STOP", () => {
    const serial = new Serial().attach();
    const tail = "tail -f /worker/self\rstop\r";
    const answers = serial.type(tail.repeat(3).replaceAll("/worker/self", "/log/queen.log"));
    expect(answers.match(/^OK TAIL/gm)!.length).to.equal(3);
    expect(answers.match(/^OK STOP/gm)!.length).to.equal(3);
    expect(answers.match(/^END/gm)!.length).to.equal(3);
    expect(answers.endsWith(PROMPT)).to.equal(true);
  });

  it("shows the boot log between lines too, each on a row that was erased first, so that a program can tell them apart", () => {
    const serial = following();
    serial.line.log.line("pump", "tick");
    serial.line.log.line("pump", "tick");
    expect(serial.come()).to.equal("\r\x1b[K[   0.000000] pump: tick\r\n".repeat(2));
    expect(serial.type(CTRL_C)).to.equal(`END\r\n${PROMPT}^C\r\n${PROMPT}`);
  });

  for (const lineBytes of [80, 4096]) {
    it(`has room for lines of ${lineBytes} bytes, the least and most that the manifest allows`, () => {
      const all = new TestHive();
      const session = new Session({ hive: all.hive, lineBytes });
      session.open();
      session.type(`attach queen ${TOKEN}\r`);
      all.hive.namespace.addProc("noise", () => `${"\ufffd".repeat(16_000)}\n`);
      const rows = session.type("cat /proc/noise\r").split("\r\n");
      expect(rows.slice(2, -2).join("")).to.equal("\ufffd".repeat(16_000));
      const text = "x".repeat(Math.min(lineBytes - 30, 1000));
      expect(session.type(`echo /log/queen.log ${text}\r`)).to.contain(`bytes=${text.length + 1}\r\n`);
      expect(session.console.summary()).to.contain("cut=0");
    });
  }

  it("stops a long answer on a slow line", () => {
    const serial = new Serial().attach();
    for (let i = 0; i < 5000; i++) serial.log(`line ${i}`.padEnd(80));
    const { line } = serial.line;
    line.sendRoom = 1000;
    serial.type("cat /log/queen.log\r");
    serial.type(CTRL_C);
    line.sendRoom = Infinity;
    const output = serial.come();
    expect(output.length).to.be.lessThan(60_000);
    expect(output.endsWith(`END\r\n${PROMPT}^C\r\n${PROMPT}`)).to.equal(true);
    expect(serial.line.console.summary()).to.contain("cut=0");
  });

  it("loses nothing of a long answer on a slow line", () => {
    const serial = new Serial().attach();
    for (let i = 0; i < 2000; i++) serial.log(`line ${i}`);
    const { line } = serial.line;
    line.sendRoom = 0;
    line.type("cat /log/queen.log\rls /worker\r");
    const last = `${PROMPT}ls /worker\r\nOK LS path=/worker entries=0\r\nEND\r\n${PROMPT}`;
    let output = "";
    for (let i = 0; i < 10_000 && !output.endsWith(last); i++) {
      line.sendRoom = 333;
      output += serial.come();
    }
    const lines = output.split("\r\n");
    expect(
      lines.filter((row) => /^\[.*\] test: line /.test(row)).map((row) => Number(row.split(" ").at(-1))),
    ).to.deep.equal(Array.from({ length: 2000 }, (_, i) => i));
    expect(output.endsWith(`END\r\n${last}`)).to.equal(true);
    expect(serial.line.console.summary()).to.contain("cut=0");
  });

  it("rests while nothing comes", () => {
    const serial = following();
    serial.type("waits\rand waits");
    expect(serial.line.settle()).to.be.lessThan(3);
  });

  it("keeps answering after random keys", () => {
    const keys = fc.constantFrom(
      "tail -f /log/queen.log\r",
      "ls /\r",
      "stop\r",
      "ping\r",
      CTRL_C,
      "cat /proc/time\r",
      "x",
      "\r",
      "detach\r",
    );
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 20 }), (typed) => {
        const serial = new Serial().attach();
        for (const key of typed) {
          serial.type(key);
          serial.log("x");
        }
        const output = serial.type(`${CTRL_C}${CTRL_C}`.repeat(20)) + serial.type("\x15ping\r");
        expect(output.endsWith(`ping\r\nOK PING reply=pong\r\nPONG\r\n${PROMPT}`)).to.equal(true);
        expect(serial.line.failures).to.deep.equal([]);
      }),
      { numRuns: 100 },
    );
  });
});
