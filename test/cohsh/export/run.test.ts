import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { formatCredentials } from "../../../cohsh/tickets/credentials.ts";
import { RunningCohsh, testHome } from "../cohsh-process.ts";
import { openTcpHive, type TcpHive } from "../transports/tcp-hive.ts";
import { HiveReader } from "./reader.ts";

describe("cohsh export, as its users start it", function () {
  this.timeout(40_000);
  const home = testHome();
  const credentials = join(home.home, "credentials.json");
  let hive: TcpHive;
  let env: NodeJS.ProcessEnv;
  let folder: string;
  const processes: RunningCohsh[] = [];
  beforeEach(async () => {
    hive = await openTcpHive();
    writeFileSync(credentials, formatCredentials(hive.credentials), { mode: 0o600 });
    env = { ...home.env, COHSH_PORT: String(hive.port), COHSH_CREDENTIALS: credentials };
    folder = mkdtempSync(join(tmpdir(), "cohsh-export-run-"));
    writeFileSync(join(folder, "notes"), "one\n");
  });
  afterEach(async () => {
    for (const running of processes.splice(0)) {
      running.kill();
      await running.exited;
    }
    await hive.close();
    rmSync(folder, { recursive: true });
  });
  after(() => home.remove());

  function start(...args: string[]): RunningCohsh {
    const running = RunningCohsh.piped(["export", ...args], env);
    processes.push(running);
    return running;
  }

  async function ended(...args: string[]): Promise<{ status: number | null; output: string }> {
    const running = start(...args);
    const { status } = await running.exited;
    return { status, output: running.output };
  }

  it("says what the hive has, what the Queen may do, and what became of it, until a signal", async () => {
    const running = start(folder, "--as", "notes", "--mount", "/notes");
    await running.see(
      `# the hive at 127.0.0.1:${hive.port} reads ${folder} as notes, and cannot write it\n` +
        "# a Queen sees it after: mount notes /notes\n",
    );
    const reader = await HiveReader.queen(hive.port, hive.keys);
    await reader.mount("notes", "/notes");
    expect(await reader.say("CAT /notes/notes")).to.deep.equal(["OK CAT path=/notes/notes data=one", "one", "END"]);
    hive.cut();
    await running.see(/cohsh: the hive (broke|closed) the connection.*; trying again in 0\.[12] s\n/);
    await running.see(`# the hive at 127.0.0.1:${hive.port} has notes again\n`);
    running.child.kill("SIGTERM");
    expect(await running.exited).to.deep.equal({ status: 143, signal: null });
  });

  it("goes on when nobody reads what it says any more", async () => {
    const running = start(folder, "--as", "notes");
    await running.see("# a Queen sees it after");
    running.child.stdout?.destroy();
    hive.cut();
    await running.see("; trying again in ");
    await readOnceBack();
    running.child.stderr?.destroy();
    for (let i = 0; i < 2; i++) {
      hive.cut();
      await readOnceBack();
    }
    running.child.kill("SIGTERM");
    expect(await running.exited).to.deep.equal({ status: 143, signal: null });
  });

  /** Returns when the hive has the folder and the Queen has read it. */
  async function readOnceBack(): Promise<void> {
    const reader = await HiveReader.queen(hive.port, hive.keys);
    await reader.mount("notes", "/notes");
    for (;;) {
      const [answer = "", line] = await reader.say("CAT /notes/notes");
      if (answer.startsWith("OK")) {
        expect(line).to.equal("one");
        return reader.close();
      }
      expect(answer).to.contain("reason=busy");
      await sleep(50);
    }
  }

  it("leaves with a sentence where nobody listens, and where the hive refuses it", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    expect(await ended(folder, "--as", "notes", "--port", String(port))).to.deep.equal({
      status: 1,
      output: `cohsh: nobody listens at 127.0.0.1:${port}\n`,
    });
    expect(await ended(folder, "--as", "log")).to.deep.equal({
      status: 1,
      output: `cohsh: the hive at 127.0.0.1:${hive.port} refuses log: denied\n`,
    });
  });

  it("says in a sentence what is wrong with its command line or folder", async () => {
    for (const [args, sentence] of [
      [["--as", "x"], "missing required argument 'folder'."],
      [[folder], "required option '--as <name>' not specified."],
      [[folder, folder, "--as", "x"], "too many arguments. Expected 1 argument but got 2."],
      [[folder, "--as", "a b"], '--as takes a name of up to 32 letters, digits and . _ -, not "a b".'],
      [[folder, "--as", "x", "--mount", "mnt"], "--mount takes a path of the hive."],
      [[folder, "--as", "x", "--mount", "/"], "--mount takes a path of the hive."],
      [[join(folder, "none"), "--as", "x"], `${join(folder, "none")} is not there`],
      [[join(folder, "notes"), "--as", "x"], `${join(folder, "notes")} is no folder`],
    ] as const) {
      expect(await ended(...args)).to.deep.equal({ status: 2, output: `cohsh: ${sentence}\n` });
    }
  });

  it("has a help", async () => {
    const { status, output } = await ended("--help");
    expect(status).to.equal(0);
    expect(output).to.match(/^Usage: cohsh export \[options\] <folder>\n[^]*mount NAME PATH/);
  });
});
