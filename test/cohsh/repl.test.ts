import { expect } from "chai";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { printable } from "../../cohsh/repl.ts";
import { createCredentials, formatCredentials } from "../../cohsh/tickets/credentials.ts";
import { noTerminal, RunningCohsh, testHome } from "./cohsh-process.ts";

describe("cohsh output", () => {
  it("shows control characters of a hive's text as replacements, so that it cannot steer the terminal", () => {
    expect(printable("a\tb\x1b[2Jc\r\x07\x9b31m\x7f")).to.equal("a\tb\ufffd[2Jc\ufffd\ufffd\ufffd31m\ufffd");
    expect(printable("grüße …")).to.equal("grüße …");
  });
});

const reason = noTerminal();
(reason === undefined ? describe : describe.skip)(
  `cohsh on a terminal${reason === undefined ? "" : ` (skipped: ${reason})`}`,
  function () {
    this.timeout(30_000);
    const prompt = "cohsh> ";
    let home: ReturnType<typeof testHome>;
    let shell: RunningCohsh;
    let file: string;

    async function start(args: readonly string[] = [], then = ""): Promise<void> {
      shell = RunningCohsh.onTerminal(args, home.env, then);
      await shell.see(prompt);
    }

    beforeEach(() => {
      home = testHome();
      file = join(home.state, "cohesix", "cohsh_history");
    });
    afterEach(() => {
      shell.kill();
      home.remove();
    });

    it("answers commands one after the other and goes on after a refusal", async () => {
      await start();
      await shell.answer("tail /log/boot.log\r", /ERR TAIL reason=policy detail=unauthenticated[^]*cohsh> /);
      await shell.answer("attach queen\r", /OK ATTACH role=queen[^]*cohsh> /);
      await shell.answer("tail /log/boot.log\r", /OK TAIL path=[^]*mock: a hive in the shell's own[^]*cohsh> /);
      await shell.answer("quit\r", "OK QUIT");
      expect((await shell.exited).status).to.equal(0);
    });

    it("answers lines that were pasted in one go, each once", async () => {
      await start();
      await shell.answer("ping\rping\rattach queen\rping\r", /(PONG[^]*){2}role=queen[^]*PONG[^]*cohsh> /);
      expect(shell.output.match(/^PONG/gm)).to.have.length(3);
    });

    it("completes verbs, roles and paths, which it asks the hive for", async () => {
      await start();
      await shell.answer("att\t", "attach ");
      await shell.answer("que\t", "queen ");
      await shell.answer("\r", "OK ATTACH role=queen");
      await shell.answer("tail /l\t", "/log/");
      await shell.answer("bo\t", "boot.log");
      await shell.answer("\x15tail /log/q\t", "/log/queen.log");
      await shell.answer("\r", /OK TAIL path=\/log\/queen.log[^]*cohsh> /);
      await shell.answer("lo\t", "log");
      await shell.answer("\t", /log +login|login +log/);
    });

    it("keeps its history from one run to the next, without credentials", async () => {
      await start();
      await shell.answer("ping\r", /PONG[^]*cohsh> /);
      await shell.answer("attach queen cohesix-ticket-00.00\r", /detail=denied[^]*cohsh> /);
      await shell.answer("\x1b[A", "ping");
      await shell.answer("\x15quit\r", "OK QUIT");
      expect((await shell.exited).status).to.equal(0);
      expect(readFileSync(file, "utf8")).to.equal("ping\nquit\n");
      await start();
      await shell.answer("\x1b[A\x1b[A", "ping");
      await shell.answer("\r", "PONG");
    });

    it("keeps no line that has the operator's token in it", async () => {
      const credentials = join(home.home, "credentials.json");
      const made = createCredentials((length) => new Uint8Array(length).fill(3));
      writeFileSync(credentials, formatCredentials(made), { mode: 0o600 });
      await start(["--credentials", credentials]);
      await shell.answer("attach queen\r", /OK ATTACH role=queen[^]*cohsh> /);
      await shell.answer(`echo ${made.token} > /log/queen.log\r`, /OK ECHO[^]*cohsh> /);
      await shell.answer("\x1b[A", "attach queen");
      await shell.answer("\x15quit\r", "OK QUIT");
      await shell.exited;
      expect(readFileSync(file, "utf8")).to.equal("attach queen\nquit\n");
    });

    it("shows stars for a credential while it is typed, pasted or edited", async () => {
      await start(["--no-history"]);
      const from = shell.output.length;
      for (const key of "attach queen s3cre") await shell.answer(key, /[^]/);
      // "s" may have begun subject=.
      await shell.answer("t", "*");
      await shell.see("attach queen s*****", from);
      // Back by two characters, and one more in the middle: the editor shows the line anew.
      await shell.answer("\x1b[D\x1b[DX", "cohsh> attach queen *******");
      await shell.answer("\r", /ERR ATTACH[^]*cohsh> /);
      await shell.answer(`login queen ${"w0rd".repeat(40)}\r`, /ERR ATTACH[^]*cohsh> /);
      await shell.answer("attach worker subject=w-1 w0rd", "subject=w-1 ****");
      await shell.answer("\x15echo cohesix-ticket-w0rd > /x", "> /x");
      await shell.answer("\x15ping\r", "PONG");
      expect(shell.output.slice(from)).to.include("attach queen s");
      expect(shell.output.slice(from)).to.not.match(/3c|w0|0r/);
    });

    it("touches no history with --no-history", async () => {
      await start(["--no-history"]);
      await shell.answer("ping\r", /PONG[^]*cohsh> /);
      shell.type("\x04");
      await shell.exited;
      expect(existsSync(file)).to.equal(false);
    });

    it("says so if the history cannot be saved, and still exits 0", async () => {
      mkdirSync(home.state);
      writeFileSync(join(home.state, "cohesix"), "");
      await start();
      await shell.answer("ping\r", /PONG[^]*cohsh> /);
      await shell.answer("\x04", /# the history was not saved to .*cohsh_history: /);
      expect((await shell.exited).status).to.equal(0);
    });

    it("drops the line at Ctrl-C, says how to leave on an empty one, and leaves at Ctrl-D", async () => {
      await start();
      await shell.answer("no-such-verb\x03", /\^C[^]*cohsh> /);
      await shell.answer("ping\r", "PONG");
      expect(shell.output).to.not.include("ERR");
      await shell.answer("\x03", "to leave: quit, or Ctrl-D");
      shell.type("\x04");
      expect((await shell.exited).status).to.equal(0);
    });

    for (const [how, keys] of [
      ["quit", "quit\r"],
      ["Ctrl-D", "\x04"],
    ] as const) {
      it(`leaves the terminal as it was, by ${how}`, async () => {
        await start([], "stty -a;");
        await shell.answer(keys, /(^|\s)icanon(\s|;)/);
        const settings = shell.output;
        expect(settings).to.match(/(^|\s)echo(\s|;)/);
        expect(settings).to.match(/(^|\s)isig(\s|;)/);
        expect((await shell.exited).status).to.equal(0);
      });
    }
  },
);
