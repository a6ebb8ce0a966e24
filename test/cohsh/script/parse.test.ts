import { expect } from "chai";
import fc from "fast-check";
import { parseScript, SCRIPT_LINES } from "../../../cohsh/script/parse.ts";

function parse(text: string) {
  return parseScript(Buffer.from(text));
}

function mistakes(text: string): string[] {
  return parse(text).mistakes.map(({ line, sentence }) => `${line}: ${sentence}`);
}

describe("cohsh scripts", () => {
  it("have one step a line, with its number, and comments and empty lines between", () => {
    expect(
      parse(
        "# a script\r\n\n  attach queen  \nexpect ok\nEXPECT SUBSTR role= queen \n  # more\nWAIT 250\ncat /x\nEXPECT ERR\nEXPECT NOT a  b\nquit",
      ),
    ).to.deep.equal({
      steps: [
        { line: 3, kind: "command", text: "attach queen" },
        { line: 4, kind: "expect", what: "ok" },
        { line: 5, kind: "expect", what: "substr", text: "role= queen" },
        { line: 7, kind: "wait", ms: 250 },
        { line: 8, kind: "command", text: "cat /x" },
        { line: 9, kind: "expect", what: "err" },
        { line: 10, kind: "expect", what: "not", text: "a  b" },
        { line: 11, kind: "command", text: "quit" },
      ],
      mistakes: [],
    });
    expect(parse("")).to.deep.equal({ steps: [], mistakes: [] });
  });

  for (const [text, sentence] of [
    ["EXPECT OK", "1: EXPECT stands before the first command."],
    ["ping\nEXPECT", "2: EXPECT must be followed by OK, ERR, SUBSTR or NOT."],
    ["ping\nEXPECT NOTHING", "2: EXPECT must be followed by OK, ERR, SUBSTR or NOT."],
    ["ping\nEXPECT OK now", "2: EXPECT OK takes nothing behind it."],
    ["ping\nEXPECT SUBSTR", "2: EXPECT SUBSTR needs the text to look for."],
    ["ping\nEXPECT NOT ", "2: EXPECT NOT needs the text to look for."],
    ["WAIT", "1: WAIT must be followed by milliseconds from 0 to 60000."],
    ["WAIT 1s", "1: WAIT must be followed by milliseconds from 0 to 60000."],
    ["WAIT 60001", "1: WAIT must be followed by milliseconds from 0 to 60000."],
    ["WAIT 1 2", "1: WAIT must be followed by milliseconds from 0 to 60000."],
    ["# x\n\ntial /log", '3: "tial" is no command.'],
    ["ls", "1: ls would be refused: missing required argument: path."],
    ["ping pong", "1: ping would be refused: invalid-payload."],
    [
      "attach emperor",
      "1: attach would be refused: invalid-role, but queen, worker-heartbeat, worker-gpu, observer, service are roles.",
    ],
    ["spawn heartbeat ticks=x", "1: ticks must be a whole number."],
    ["tail -f /log/queen.log", "1: tail -f would never end in a script; tail prints what there is."],
    ["quit\nping", "2: stands behind quit and would not be run."],
    ["pi\x07ng", "1: has a control character in it."],
    [`echo ${"x".repeat(1024)} > /x`, "1: is longer than 1024 bytes."],
  ] as const) {
    it(`say ${sentence}`, () => {
      expect(mistakes(text)).to.deep.equal([sentence]);
    });
  }

  it("may hold a command that is refused, if that is expected", () => {
    expect(mistakes("frobnicate\nEXPECT ERR\nls\n# why\nEXPECT SUBSTR missing")).to.deep.equal([]);
    expect(mistakes("frobnicate\nEXPECT OK")).to.deep.equal(['1: "frobnicate" is no command.']);
    expect(mistakes("frobnicate\nWAIT 1\nEXPECT ERR")).to.deep.equal(['1: "frobnicate" is no command.']);
  });

  it("say all mistakes at once, in order", () => {
    expect(mistakes("WAIT x\nfoo\nEXPECT\nbar\n")).to.deep.equal([
      "1: WAIT must be followed by milliseconds from 0 to 60000.",
      '2: "foo" is no command.',
      "3: EXPECT must be followed by OK, ERR, SUBSTR or NOT.",
      '4: "bar" is no command.',
    ]);
  });

  it("must be UTF-8, and not without end", () => {
    const { mistakes: found } = parseScript(
      Buffer.from("tial\n\nls \xff\nEXPECT ERR\nWAIT x\n# \xe4 comment\nEXPECT SUBSTR \xff\nls\xff", "latin1"),
    );
    expect(found).to.deep.equal([
      { line: 1, sentence: '"tial" is no command.' },
      { line: 3, sentence: "is no UTF-8." },
      { line: 5, sentence: "WAIT must be followed by milliseconds from 0 to 60000." },
      { line: 6, sentence: "is no UTF-8." },
      { line: 7, sentence: "is no UTF-8." },
      { line: 8, sentence: "is no UTF-8." },
    ]);
    expect(mistakes("\n".repeat(SCRIPT_LINES))).to.deep.equal([]);
    expect(mistakes("\n".repeat(SCRIPT_LINES + 1))).to.deep.equal([
      `${SCRIPT_LINES + 1}: is beyond the ${SCRIPT_LINES} lines of a script.`,
    ]);
  });

  it("never throw, whatever their bytes", () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom("EXPECT OK", "ping", "spawn heartbeat ticks=1", "attach queen", "WAIT 1", "EXPECT NOT x"),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const { steps, mistakes: found } = parse(lines.join("\n"));
        expect(steps.length + found.length).to.be.at.most(2 * lines.join("\n").split("\n").length);
      }),
    );
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void parseScript(bytes)));
  });
});
