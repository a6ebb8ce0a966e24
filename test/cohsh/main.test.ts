import { expect } from "chai";
import { spawn } from "node:child_process";
import { inRepository } from "../../scripts/lib/repository.ts";
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
      "cohsh: option '-t, --transport <name>' argument 'pigeon' is invalid. Allowed choices are mock, sim, qemu.\n",
    );
    expect(stdout).to.equal("");
    expect(status).to.equal(2);
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

  it("ends without a word when nobody reads any more", async () => {
    const child = spawn(process.execPath, ["--import", "tsx", inRepository("cohsh", "main.ts")], {
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
