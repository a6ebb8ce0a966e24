import { expect } from "chai";
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createCredentials, formatCredentials } from "../../cohsh/tickets/credentials.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { COHSH } from "../scripts/host-tools.ts";
import { RunningCohsh, runCohsh, testHome } from "./cohsh-process.ts";

describe("cohsh without a terminal", function () {
  this.timeout(30_000);
  const home = testHome();
  after(() => home.remove());

  it("runs -c commands in order and exits 0", () => {
    const { status, stdout, stderr } = runCohsh(["-c", "ping", "-c", "attach queen", "-c", "detach"], home.env);
    expect(stdout).to.equal("OK PING reply=pong\nPONG\nOK ATTACH role=queen\nOK DETACH\n");
    expect(stderr).to.equal("");
    expect(status).to.equal(0);
  });

  it("stops at the first command that is refused and exits 1", () => {
    const { status, stdout } = runCohsh(["-c", "tail /log/boot.log", "-c", "ping"], home.env);
    expect(stdout).to.equal("ERR TAIL reason=policy detail=unauthenticated\n");
    expect(status).to.equal(1);
  });

  it("reads commands from a pipe, with comments, empty lines and a last line without an end", () => {
    const { status, stdout } = runCohsh([], home.env, "# a comment\n\nping\r\nattach queen\ntail /log/boot.log");
    expect(stdout).to.match(
      /^OK PING reply=pong\nPONG\nOK ATTACH role=queen\nOK TAIL path=\/log\/boot.log\n(\[ +\d+\.\d{6}\] \w+: .*\n)+$/,
    );
    expect(status).to.equal(0);
  });

  it("ends at quit, whatever else stands in the pipe, and exits 0", () => {
    const { status, stdout } = runCohsh([], home.env, "quit\nping\n");
    expect(stdout).to.equal("OK QUIT\n");
    expect(status).to.equal(0);
  });

  it("exits 0 on an empty input", () => {
    expect(runCohsh([], home.env)).to.include({ status: 0, stdout: "", stderr: "" });
  });

  for (const [what, input, answer] of [
    ["a line beyond the limit", `${"x".repeat(5000)}\nping\n`, "ERR FRAME reason=policy detail=invalid-length\n"],
    ["bytes that are no UTF-8", Uint8Array.of(0x70, 0xff, 0x0a), "ERR PARSE reason=policy detail=invalid-character\n"],
    ["a control character", "pi\x07ng\n", "ERR PARSE reason=policy detail=invalid-character\n"],
  ] as const) {
    it(`refuses ${what} without sending it, and exits 1`, () => {
      const { status, stdout } = runCohsh([], home.env, input);
      expect(stdout).to.equal(`${answer}# refused by this shell, not sent\n`);
      expect(status).to.equal(1);
    });
  }

  it("answers a wrong command line with one sentence and status 2", () => {
    const { status, stdout, stderr } = runCohsh(["--transport", "pigeon"], home.env);
    expect(stderr).to.equal(
      "cohsh: option '-t, --transport <name>' argument 'pigeon' is invalid. Allowed choices are mock, sim, qemu, serial, tcp.\n",
    );
    expect(stdout).to.equal("");
    expect(status).to.equal(2);
  });

  describe("with a script", () => {
    const script = (text: string): string => {
      const file = join(home.home, "test.coh");
      writeFileSync(file, text);
      return file;
    };

    it("shows commands and answers, and exits 0 if all went as it expects", () => {
      const file = script(
        "# says hello\nattach queen\nEXPECT OK\necho hello > /log/queen.log\nlog\nEXPECT SUBSTR hello\nls /none\nEXPECT ERR\nquit\n",
      );
      const { status, stdout, stderr } = runCohsh(["--script", file], home.env);
      expect(stdout).to.match(
        /^cohsh> attach queen\nOK ATTACH role=queen\ncohsh> echo hello > \/log\/queen.log\nOK ECHO .*\ncohsh> log\n[^]*: hello\ncohsh> ls \/none\nERR LS .*\ncohsh> quit\nOK QUIT\n$/,
      );
      expect(stderr).to.equal("");
      expect(status).to.equal(0);
    });

    it("logs in as a worker that was not there when its ticket was first made", () => {
      const file = script(
        "attach worker subject=worker-1\nEXPECT ERR\nattach queen\nspawn heartbeat ticks=50\nWAIT 50\n" +
          "attach worker subject=worker-1\nattach observer\nattach worker subject=worker-1\nquit\n",
      );
      expect(runCohsh(["--script", file], home.env)).to.include({ status: 0, stderr: "" });
    });

    it("stops at the first failure with its line, its command and the last answers, and exits 1", () => {
      const file = script("ping\nattach queen\nls /none\nping\n");
      const { status, stdout, stderr } = runCohsh(["--script", file], home.env);
      expect(stderr).to.equal(
        "cohsh: test.coh: line 3 (ls /none): the command was refused, and no EXPECT follows it; the last answers:\n" +
          "  > ping\n  OK PING reply=pong\n  PONG\n  > attach queen\n  OK ATTACH role=queen\n" +
          "  > ls /none\n  ERR LS reason=policy detail=not-found path=/none error=ENOENT\n",
      );
      expect(stdout.match(/^cohsh> /gm)).to.have.length(3);
      expect(status).to.equal(1);
    });

    it("says every mistake before it connects, and exits 2, as --check does", () => {
      const file = script("WAIT x\nfoo\n");
      const sentences =
        `cohsh: ${file}: line 1: WAIT must be followed by milliseconds from 0 to 60000.\n` +
        `cohsh: ${file}: line 2: "foo" is no command.\n`;
      for (const flag of ["--script", "--check"]) {
        expect(runCohsh([flag, file], home.env)).to.include({ status: 2, stdout: "", stderr: sentences });
      }
      expect(runCohsh(["--check", script("ping\n")], home.env)).to.include({ status: 0, stdout: "", stderr: "" });
      expect(runCohsh(["--check", join(home.home, "none.coh")], home.env)).to.have.property("status", 2);
    });

    it("says all of it as JSON", () => {
      const { status, stdout } = runCohsh(["--json", "--script", script("ping\nEXPECT ERR\n")], home.env);
      const values = stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as { type: string });
      expect(values.map(({ type }) => type)).to.deep.equal(["event", "command", "ack", "line", "failure", "event"]);
      expect(values[4]).to.include({ line: 2, command: "ping" });
      expect(status).to.equal(1);
    });
  });

  it("appends what happens to the connection to a log, without credentials", () => {
    const file = join(home.home, "events");
    runCohsh(["--log", file, "-c", "attach queen", "-c", "attach observer", "-c", "quit"], home.env);
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(lines.map((line) => line.replace(/^\S+ /, ""))).to.deep.equal([
      ...["connect transport=mock", "attach role=queen", "detach role=queen reason=attach"],
      ...["attach role=observer", "detach role=observer reason=quit", "close"],
    ]);
    for (const line of lines) expect(line).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /);
    const { status, stderr } = runCohsh(["--log", join(home.home, "none", "events"), "-c", "ping"], home.env);
    expect(stderr).to.match(/^cohsh: the log .* cannot be opened: .*\n$/);
    expect(status).to.equal(1);
  });

  it("mints a ticket and prints nothing else", () => {
    const file = join(home.home, "credentials.json");
    const made = createCredentials((length) => new Uint8Array(length).fill(9));
    writeFileSync(file, formatCredentials(made), { mode: 0o600 });
    const mint = ["--mint-ticket", "--credentials", file, "--role"];
    const { status, stdout, stderr } = runCohsh([...mint, "worker", "--subject", "worker-1", "--ttl", "60"], home.env);
    expect(stdout).to.match(/^cohesix-ticket-[0-9a-f]+\.[0-9a-f]{64}\n$/);
    expect(stderr).to.equal("");
    expect(status).to.equal(0);
    // The hive takes it: here one with the same credentials.
    const worn = runCohsh(
      ["--credentials", file, "-c", `attach queen ${runCohsh([...mint, "queen"], home.env).stdout.trim()}`],
      home.env,
    );
    expect(worn.stdout).to.equal("OK ATTACH role=queen\n");
    chmodSync(file, 0o644);
    expect(runCohsh(["--credentials", file, "-c", "attach queen", "-c", "attach observer"], home.env)).to.include({
      status: 0,
      stderr: `cohsh: ${file} can be read by others: chmod 600 ${file} makes it yours alone.\n`,
    });
    const env = { ...home.env, COHSH_CREDENTIALS: join(home.home, "none.json") };
    expect(runCohsh(["--mint-ticket", "--role", "queen"], env)).to.include({
      status: 1,
      stdout: "",
      stderr: `cohsh: The credentials file ${join(home.home, "none.json")} is not there.\n`,
    });
    expect(runCohsh([...mint, "emperor"], home.env)).to.include({ status: 2, stdout: "" });
    expect(runCohsh([...mint, "worker"], home.env)).to.include({ status: 2, stdout: "" });
  });

  it("reads its settings, and refuses wrong ones by name", () => {
    const file = join(home.home, "config", "cohesix", "cohsh.toml");
    mkdirSync(dirname(file), { recursive: true });
    try {
      writeFileSync(file, "json = true\n");
      expect(runCohsh(["-c", "ping"], home.env).stdout).to.match(/^\{"type":"event"/);
      expect(runCohsh(["-c", "ping"], { ...home.env, COHSH_JSON: "0" }).stdout).to.match(/^OK PING/);
      writeFileSync(file, "jason = true\n");
      const { status, stderr } = runCohsh(["-c", "ping"], home.env);
      expect(stderr).to.match(new RegExp(`^cohsh: ${file}: jason is no key of cohsh\\.toml; .* are\\.\\n$`));
      expect(status).to.equal(2);
    } finally {
      rmSync(file);
    }
  });

  it("says that there is no hive on a line, and exits 1", () => {
    const log = join(home.home, "lost");
    const { status, stderr } = runCohsh(["--serial", join(home.home, "none"), "--log", log, "-c", "ping"], home.env);
    expect(readFileSync(log, "utf8")).to.match(/^\S+Z lost reason="there is no .*none"\n$/);
    expect(stderr).to.equal(`cohsh: there is no ${join(home.home, "none")}\n`);
    expect(status).to.equal(1);
  });

  it("answers a pipe command by command while it stays open", async () => {
    const shell = RunningCohsh.piped([], home.env);
    try {
      await shell.answer("ping\n", "PONG\n");
      await shell.answer("attach queen\n", "OK ATTACH role=queen\n");
      shell.child.stdin?.end();
      expect(await shell.exited).to.deep.equal({ status: 0, signal: null });
    } finally {
      shell.kill();
    }
  });

  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    it(`ends at ${signal} with status ${status}`, async () => {
      const shell = RunningCohsh.piped([], home.env);
      try {
        await shell.answer("ping\n", "PONG\n");
        shell.child.kill(signal);
        expect(await shell.exited).to.deep.equal({ status, signal: null });
      } finally {
        shell.kill();
      }
    });
  }

  for (const [what, args, input] of [
    ["from a pipe that is at its end", [], "attach queen\ntail -f /log/queen.log\n"],
    ["of -c", ["-c", "attach queen", "-c", "tail -f /log/queen.log"], ""],
    ["printed as JSON", ["--json", "-c", "attach queen", "-c", "tail -f /log/queen.log"], ""],
  ] as const) {
    it(`goes on with a tail -f ${what} until it is interrupted`, async () => {
      const shell = RunningCohsh.piped(args, home.env);
      try {
        shell.child.stdin?.end(input);
        await shell.see("login: admitted role=queen");
        const state = await Promise.race([
          shell.exited,
          new Promise((resolve) => setTimeout(resolve, 1000, "running")),
        ]);
        expect(state).to.equal("running");
        shell.child.kill("SIGINT");
        expect(await shell.exited).to.deep.equal({ status: 0, signal: null });
      } finally {
        shell.kill();
      }
    });
  }

  it("ends without a word when nobody reads any more", async () => {
    const child = spawn(process.execPath, [COHSH], {
      cwd: inRepository(),
      env: home.env,
      stdio: ["pipe", "pipe", "pipe"],
    });
    try {
      let stderr = "";
      child.stderr.on("data", (bytes: Buffer) => (stderr += bytes.toString("utf8")));
      child.stdin.on("error", () => undefined);
      const closed = new Promise<number | null>((resolve) => child.on("exit", resolve));
      child.stdout.once("data", () => {
        child.stdout.destroy();
        child.stdin.write("help\nhelp\nhelp\n");
      });
      child.stdin.write("ping\n");
      expect(await closed).to.equal(141);
      expect(stderr).to.equal("");
    } finally {
      child.kill("SIGKILL");
    }
  });
});
