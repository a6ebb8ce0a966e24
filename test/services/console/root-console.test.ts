import { expect } from "chai";
import fc from "fast-check";
import { type Verb, VERBS } from "../../../services/console/grammar.ts";
import { text, utf8 } from "../support/ports.ts";
import { Session, type SessionOptions } from "./session.ts";

const PROMPT = "cohesix> ";

function opened(options?: SessionOptions): Session {
  const session = new Session(options);
  session.open();
  return session;
}

/** What a terminal shows in the end: rows, with carriage return, backspace and erase applied. */
function terminal(output: string): string[] {
  const rows: string[] = [];
  let row = "";
  let column = 0;
  for (let at = 0; at < output.length; at++) {
    const character = output[at]!;
    if (character === "\r") column = 0;
    else if (character === "\n") {
      rows.push(row);
      row = "";
      column = 0;
    } else if (character === "\b") column = Math.max(0, column - 1);
    else if (output.startsWith("\x1b[K", at)) {
      row = row.slice(0, column);
      at += 2;
    } else {
      row = row.slice(0, column) + character + row.slice(column + 1);
      column++;
    }
  }
  rows.push(row);
  return rows;
}

describe("root console", () => {
  it("shows its prompt when it is opened, after the log so far", () => {
    const session = new Session();
    session.log.print("banner");
    session.clock.us = 1_234_567;
    session.log.line("pump", "init serial");
    session.settle();
    session.console.open();
    session.settle();
    expect(text(session.line.output())).to.equal(`banner\r\n[   1.234567] pump: init serial\r\n${PROMPT}`);
  });

  it("takes nothing in before it is opened and loses none of it", () => {
    const session = new Session();
    session.line.type("ping\r");
    session.settle();
    expect(text(session.line.output())).to.equal("");
    session.console.open();
    session.settle();
    expect(text(session.line.output())).to.equal(`${PROMPT}ping\r\nOK PING reply=pong\r\nPONG\r\n${PROMPT}`);
  });

  it("answers ping", () => {
    expect(opened().type("ping\r")).to.equal(`ping\r\nOK PING reply=pong\r\nPONG\r\n${PROMPT}`);
  });

  const strangers = (Object.keys(VERBS) as Verb[]).filter((verb) => !VERBS[verb].login && verb !== "ATTACH");
  for (const verb of strangers) {
    it(`acknowledges ${verb} exactly once, first, and ends its lines`, () => {
      const session = opened({ network: { interface: () => ["frames 0"] } });
      const rows = terminal(session.type(`${verb.toLowerCase()}\r`)).slice(1, -1);
      expect(rows[0]).to.match(new RegExp(`^OK ${VERBS[verb].word}( |$)`));
      expect(rows.filter((row) => /^(OK|ERR) /.test(row)).length).to.equal(1);
      if (verb === "PING") expect(rows.slice(1)).to.deep.equal(["PONG"]);
      else if (verb === "QUIT") expect(rows.length).to.equal(1);
      else expect(rows.at(-1)).to.equal("END");
      expect(session.failures).to.deep.equal([]);
    });
  }

  it("lists every verb in help", () => {
    const rows = terminal(opened().type("HELP\r"));
    for (const verb of Object.keys(VERBS)) {
      expect(
        rows.some((row) => row.startsWith(`${verb.toLowerCase()} `)),
        verb,
      ).to.equal(true);
    }
  });

  it("says how to leave", () => {
    expect(opened().type("quit\r")).to.contain("Ctrl-A, then x");
  });

  it("says that there is no network rather than show zeros", () => {
    expect(terminal(opened().type("netstats\r"))[1]).to.equal("ERR NETSTATS reason=busy detail=no network");
  });

  it("shows in mem what it holds itself, the log, timers and jobs", () => {
    const rows = terminal(opened().type("mem\r"));
    const pools = rows.filter((row) => row.startsWith("pool "));
    expect(pools.map((row) => row.split(" ")[1])).to.deep.equal([
      "log.boot",
      "pump.timers",
      "pump.jobs",
      "console.input",
      "console.output",
    ]);
    for (const row of pools) expect(row).to.match(/^pool \S+ bytes=\d+ used=\d+ of=\d+ peak=\d+ [a-z_]+=0$/);
    expect(pools[3]).to.match(/^pool console\.input bytes=2048 used=0 of=2048 peak=4 held_back=0$/);
  });

  it("shows every report on the network in netstats, in their order", () => {
    const session = opened({ network: { interface: () => ["link up", "frames 0"], tcp: () => ["tcp sockets=0"] } });
    expect(terminal(session.type("netstats\r")).slice(1, 6)).to.deep.equal([
      "OK NETSTATS",
      "link up",
      "frames 0",
      "tcp sockets=0",
      "END",
    ]);
  });

  it("shows stages, jobs and its own counters in ps", () => {
    const session = opened();
    session.pump.addJob({ name: "waiter", restarts: 0, start: () => () => Infinity });
    session.type("nonsense\r");
    session.type("abc\x03");
    const rows = terminal(session.type("ps\r"));
    expect(rows.filter((row) => row.startsWith("stage ")).length).to.equal(8);
    expect(rows).to.include("job waiter waiting runs=1 restarts=0 longest_us=0");
    expect(rows.some((row) => row.startsWith("console lines=1 refused=1 cancelled=1 "))).to.equal(true);
  });

  it("refuses a line with a control character or invalid UTF-8 once, and runs nothing of it", () => {
    const session = opened();
    const refusal = `ERR PARSE reason=policy detail=invalid-character`;
    expect(terminal(session.type("pi\x01ng\r"))[1]).to.equal(refusal);
    expect(terminal(session.type(Uint8Array.of(...utf8("ping "), 0xff, 0x0d)))[1]).to.equal(refusal);
    expect(session.console.executed).to.equal(0);
    expect(session.type("ping\r")).to.contain("PONG");
  });

  it("answers a line over the limit with one refusal and takes the next", () => {
    const session = opened({ lineBytes: 100 });
    const rows = terminal(session.type(`${"a".repeat(5000)}\rping\r`));
    expect(rows.filter((row) => row.startsWith("ERR"))).to.deep.equal([
      "ERR FRAME reason=policy detail=invalid-length",
    ]);
    expect(rows.filter((row) => row === "PONG").length).to.equal(1);
  });

  it("does not tear the line that is being typed when the log speaks", () => {
    const session = opened();
    let output = session.type("pi");
    session.log.line("pump", "tick 1");
    session.log.line("pump", "tick 2");
    output += session.type("");
    output += session.type("ng\r");
    expect(terminal(PROMPT + output)).to.deep.equal([
      "[   0.000000] pump: tick 1",
      "[   0.000000] pump: tick 2",
      `${PROMPT}ping`,
      "OK PING reply=pong",
      "PONG",
      PROMPT,
    ]);
  });

  it("says what of the log it could not show", () => {
    const session = opened();
    session.line.sendRoom = 0;
    for (let i = 0; i < 2000; i++) {
      session.log.line("flood", `line ${i}`);
      session.settle();
    }
    session.line.sendRoom = Infinity;
    const rows = terminal(session.type("ping\r"));
    const gap = rows.find((row) => /^… lost \d+ bytes$/.test(row));
    expect(gap).to.not.equal(undefined);
    expect(rows).to.include("[   0.000000] flood: line 1999");
    expect(rows.filter((row) => row === "PONG").length).to.equal(1);
  });

  it("reads no more than it can answer: a line that takes nothing holds its own input, and nothing is lost", () => {
    const session = opened();
    const lines = 3000;
    session.line.sendRoom = 0;
    session.line.type("ping\r".repeat(lines));
    session.settle();
    expect(session.line.readable()).to.be.greaterThan(10_000);
    expect(session.pump.stages().find(({ name }) => name === "serial-rx")!.refused).to.be.greaterThan(0);
    let output = "";
    for (let i = 0; i < 100_000 && (i < 10 || session.line.readable() > 0); i++) {
      session.line.sendRoom = 777;
      session.settle();
      output += text(session.line.output());
    }
    session.line.sendRoom = Infinity;
    session.settle();
    output += text(session.line.output());
    expect(output.split("OK PING reply=pong\r\nPONG\r\n").length - 1).to.equal(lines);
    expect(output.endsWith(PROMPT)).to.equal(true);
    expect(session.console.summary()).to.contain("cut=0");
  });

  it("answers the same whatever reads and turns the input was cut into", () => {
    const input = utf8("ping\r\nhelp\nnonsense\rp\x7fping\rö\x15quit\r\n");
    const whole = opened().type(input);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 50, maxLength: 50 }), (cuts) => {
        const session = opened();
        let output = "";
        let at = 0;
        for (const cut of cuts) {
          output += session.type(input.subarray(at, at + cut));
          at += cut;
        }
        expect(output + session.type(input.subarray(at))).to.equal(whole);
      }),
      { numRuns: 50 },
    );
  });

  it("answers a verb that throws once, reports it and goes on", () => {
    const session = opened({
      verbs: {
        MEM: () => {
          throw new Error("out of luck");
        },
        CAPS: (answer) => {
          answer.ok();
          answer.line("one");
          throw new Error("halfway");
        },
        PS: (answer) => {
          answer.ok();
          throw new Error("before the first line");
        },
      },
    });
    expect(terminal(session.type("mem\r")).slice(1)).to.deep.equal(["ERR MEM reason=busy detail=busy", PROMPT]);
    expect(terminal(session.type("caps\r")).slice(1)).to.deep.equal(["OK CAPS", "one", "END", PROMPT]);
    expect(terminal(session.type("ps\r")).slice(1)).to.deep.equal(["OK PS", "END", PROMPT]);
    expect(session.failures).to.deep.equal([
      "MEM: Error: out of luck",
      "CAPS: Error: halfway",
      "PS: Error: before the first line",
    ]);
    expect(session.type("ping\r")).to.contain("PONG");
  });

  for (const [what, input] of [
    ["lines", "\r".repeat(3_000)],
    ["verbs with long answers", "ps\r".repeat(300)],
    [
      "backspaces that redraw a long line",
      Uint8Array.of(...new Uint8Array(1000).fill(0xff), ...new Uint8Array(900).fill(8)),
    ],
  ] as const) {
    it(`bounds what one turn does, however many ${what} are pasted`, () => {
      const session = opened();
      session.line.type(input);
      const dispatched = (): number => session.pump.stages().find(({ name }) => name === "dispatch")!.done;
      let mostInput = 0;
      let mostWork = 0;
      for (let turns = 0, more = true; more && turns < 100_000; turns++) {
        const waiting = session.line.readable();
        const done = dispatched();
        more = session.pump.turn(session.clock.us) <= session.clock.us;
        mostInput = Math.max(mostInput, waiting - session.line.readable());
        mostWork = Math.max(mostWork, dispatched() - done);
      }
      expect(session.line.readable()).to.equal(0);
      expect(mostInput).to.be.at.most(256);
      // The last unit may go over the budget: one line executed, one answer, or one row drawn anew.
      expect(mostWork).to.be.at.most(320 + 65 + 800);
    });
  }

  it("shows the log but reads nothing where nobody may type", () => {
    const session = new Session({ interactive: false });
    session.console.open();
    session.log.line("pump", "tick 1");
    expect(session.type("ping\r")).to.equal("[   0.000000] pump: tick 1\r\n");
    expect(session.line.readable()).to.equal(5);
  });

  it("keeps answering after random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4000 }), (noise) => {
        const session = opened();
        session.type(noise);
        const output = session.type("\x03ping\r");
        expect(output.endsWith(`OK PING reply=pong\r\nPONG\r\n${PROMPT}`)).to.equal(true);
        expect(session.failures).to.deep.equal([]);
      }),
      { numRuns: 100 },
    );
  });
});
