import { expect } from "chai";
import { parseScript } from "../../../cohsh/script/parse.ts";
import { Recorder } from "../../../cohsh/script/recorder.ts";
import { describeAnswers, runScript } from "../../../cohsh/script/run.ts";
import { Shell } from "../../../cohsh/shell.ts";
import { FakeTransport, Page } from "../fake-transport.ts";

/** Answers each line as soon as it comes. */
class Hive extends FakeTransport {
  readonly #answers: Readonly<Record<string, readonly string[]>>;

  constructor(answers: Readonly<Record<string, readonly string[]>>) {
    super();
    this.#answers = answers;
  }

  override send(line: string): void {
    super.send(line);
    if (line === "die") return void setImmediate(() => this.sink.ended("QEMU ended"));
    const replies = this.#answers[line] ?? ["ERR PARSE reason=policy detail=unsupported console command"];
    setImmediate(() => this.reply(...replies));
  }
}

const ANSWERS = {
  ping: ["OK PING reply=pong", "PONG"],
  "ls /": ["OK LS path=/ entries=2", "proc", "log", "END"],
  "cat /x": ["ERR CAT reason=policy detail=denied path=/x error=EPERM"],
  "attach queen s3cret": ["ERR ATTACH reason=policy detail=denied"],
  "cat /silent": [],
  quit: ["OK QUIT"],
};

async function run(text: string, options: { signal?: AbortSignal } = {}) {
  const { steps, mistakes } = parseScript(Buffer.from(text));
  // What a check would find is found again when it is run.
  if (mistakes.some(({ sentence }) => !sentence.includes("is no command"))) throw new Error(JSON.stringify(mistakes));
  const hive = new Hive(ANSWERS);
  const page = new Page();
  const recorder = new Recorder(page);
  const keys = { find: () => ({ credential: "s3cret" }) };
  const shell = new Shell(hive, { timeoutMs: 30, follow: false, output: recorder, keys });
  const signal = options.signal ?? new AbortController().signal;
  await shell.open(signal);
  const failure = await runScript(shell, recorder, steps, signal);
  await shell.close();
  return { failure, sent: hive.sent, recorder };
}

describe("cohsh --script", () => {
  it("runs every step of a script that goes as it expects", async () => {
    const { failure, sent } = await run(
      "ping\nEXPECT OK\nEXPECT SUBSTR PONG\nls /\nEXPECT SUBSTR entries=2\nEXPECT SUBSTR proc\nEXPECT NOT queen\ncat /x\nEXPECT ERR\nEXPECT SUBSTR denied\nWAIT 1\nping\nquit\n",
    );
    expect(failure).to.equal(undefined);
    expect(sent).to.deep.equal(["ping", "ls /", "cat /x", "ping", "quit"]);
  });

  for (const [script, line, command, reason] of [
    ["ping\nEXPECT ERR", 2, "ping", "EXPECT ERR, but the command was acknowledged with OK"],
    ["ping\n\ncat /x\nEXPECT OK", 4, "cat /x", "EXPECT OK, but the command was refused"],
    ["ls /\nEXPECT SUBSTR queen", 2, "ls /", 'EXPECT SUBSTR, but no line of the answer has "queen" in it'],
    ["ls /\nEXPECT NOT lo", 2, "ls /", 'EXPECT NOT, but "lo" is in "log"'],
    ["ping\ncat /x\nping", 2, "cat /x", "the command was refused, and no EXPECT follows it"],
    ["cat /x\nWAIT 1", 1, "cat /x", "the command was refused, and no EXPECT follows it"],
    ["cat /silent\nEXPECT ERR", 1, "cat /silent", "the command was not answered"],
    ["die\nping", 1, "die", "QEMU ended"],
    ["attach queen", 1, "attach queen", "the command was refused, and no EXPECT follows it"],
    ["attach queen s3cret", 1, "attach queen ***", "the command was refused, and no EXPECT follows it"],
  ] as const) {
    it(`stops at line ${line}: ${reason}`, async () => {
      const { failure, sent } = await run(script);
      expect(failure).to.deep.equal({ line, command, reason });
      expect(sent.length).to.equal(
        script
          .split("\n")
          .slice(0, line)
          .filter((text) => /^[a-z]/.test(text)).length,
      );
    });
  }

  it("shows the last answers, each within bounds", async () => {
    const { recorder } = await run("ping\nping\nls /\ncat /x\nEXPECT OK");
    expect(describeAnswers(recorder.answers)).to.deep.equal([
      ...["  > ping", "  OK PING reply=pong", "  PONG"],
      ...["  > ls /", "  OK LS path=/ entries=2", "  proc", "  log"],
      ...["  > cat /x", "  ERR CAT reason=policy detail=denied path=/x error=EPERM"],
    ]);
    const lines = Array.from({ length: 100 }, (_, n) => `line ${n}`);
    const shown = describeAnswers([{ command: "c", acknowledgement: undefined, lines, dropped: 5, notes: ["n"] }]);
    expect(shown).to.have.length(23);
    expect(shown.slice(0, 4)).to.deep.equal(["  > c", "  line 0", "  … 85 lines", "  line 81"]);
    expect(shown.at(-1)).to.equal("  # n");
  });

  it("keeps a bounded part of an answer", () => {
    const recorder = new Recorder(new Page(), 2);
    recorder.command("c");
    for (let n = 0; n < 5; n++) recorder.line(`line ${n}`);
    expect(recorder.last).to.deep.include({ lines: ["line 0", "line 1"], dropped: 3 });
  });

  it("leaves at once when it is told to, also from a WAIT", async () => {
    const leave = new AbortController();
    setTimeout(() => leave.abort(), 20);
    const start = performance.now();
    const { failure, sent } = await run("ping\nWAIT 60000\nping", { signal: leave.signal });
    expect(failure).to.equal(undefined);
    expect(sent).to.deep.equal(["ping"]);
    expect(performance.now() - start).to.be.below(5000);
  });
});
