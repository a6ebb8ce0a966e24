/** The shell as its users start it, and its sessions, over TCP with a hive's own door at the other end. */

import { expect } from "chai";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { runCommands, runInput } from "../../cohsh/batch.ts";
import { Shell } from "../../cohsh/shell.ts";
import { formatCredentials } from "../../cohsh/tickets/credentials.ts";
import { type Finished, RunningCohsh, testHome } from "./cohsh-process.ts";
import { Page } from "./fake-transport.ts";
import { openTcpHive, type TcpHive } from "./transports/tcp-hive.ts";

const never = new AbortController().signal;

describe("cohsh over TCP", function () {
  this.timeout(40_000);
  const home = testHome();
  const credentials = join(home.home, "credentials.json");
  let hive: TcpHive;
  let env: NodeJS.ProcessEnv;
  beforeEach(async () => {
    hive = await openTcpHive();
    writeFileSync(credentials, formatCredentials(hive.credentials), { mode: 0o600 });
    env = { ...home.env, COHSH_PORT: String(hive.port), COHSH_CREDENTIALS: credentials };
  });
  afterEach(() => hive.close());
  after(() => home.remove());

  const shells: Shell[] = [];
  afterEach(() => Promise.all(shells.splice(0).map((shell) => shell.close())));

  async function shellOf(depth = 1): Promise<{ shell: Shell; page: Page }> {
    const page = new Page();
    const transport = hive.transport({ backOff: { first: 5, most: 20 } });
    const shell = new Shell(transport, { timeoutMs: 10_000, follow: false, output: page, keys: hive.keys, depth });
    shells.push(shell);
    await shell.open(AbortSignal.timeout(5000));
    return { shell, page };
  }

  /** Runs while this process serves the hive. */
  async function run(args: readonly string[], input = ""): Promise<Finished> {
    const running = RunningCohsh.piped(args, env);
    let stdout = "";
    let stderr = "";
    running.child.stdout?.on("data", (bytes: Buffer) => (stdout += bytes.toString("utf8")));
    running.child.stderr?.on("data", (bytes: Buffer) => (stderr += bytes.toString("utf8")));
    running.child.stdin?.end(input);
    return { ...(await running.exited), stdout, stderr };
  }

  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
  };

  it("finds its way by variables and credentials, and logs what happens without them", async () => {
    const log = join(home.home, "events");
    const { status, stdout, stderr } = await run(["--log", log, "-c", "attach queen", "-c", "ls /proc", "-c", "quit"]);
    expect(stderr).to.equal("");
    expect(stdout).to.match(/^OK ATTACH role=queen\nOK LS path=\/proc entries=\d+\n(?:\w+\n)+OK QUIT\n$/);
    expect(status).to.equal(0);
    const events = readFileSync(log, "utf8").replace(/^\S+ /gm, "");
    expect(events).to.equal("connect transport=tcp\nattach role=queen\ndetach role=queen reason=quit\nclose\n");
  });

  it("answers a pipe of commands that are sent ahead of their answers", async () => {
    const { status, stdout } = await run(
      ["--pipeline", "8"],
      "ping\nattach queen\necho one > /log/queen.log\necho two > /log/queen.log\nls /none\nping\n",
    );
    expect(stdout).to.match(
      /^OK PING reply=pong\nPONG\nOK ATTACH role=queen\n(?:OK ECHO .*\n){2}ERR LS .*\nOK PING reply=pong\nPONG\n$/,
    );
    expect(status).to.equal(1);
  });

  it("says in a sentence what is wrong with the way, the token and the network", async () => {
    const other = await openTcpHive();
    try {
      const wrong = await run(["--port", String(other.port), "-c", "ping"]);
      expect(wrong).to.deep.include({ status: 1, stdout: "" });
      expect(wrong.stderr).to.equal(
        `cohsh: the hive at 127.0.0.1:${other.port} refuses the token: the credentials are another hive's\n`,
      );
    } finally {
      await other.close();
    }
    const free = createServer();
    const port = await new Promise<number>((resolve) => {
      free.listen(0, "127.0.0.1", () => {
        const address = free.address();
        free.close(() => resolve(address === null || typeof address === "string" ? 0 : address.port));
      });
    });
    const nobody = await run(["--port", String(port), "-c", "ping"]);
    expect(nobody.stderr).to.equal(
      `cohsh: nobody listens at 127.0.0.1:${port}; without a network there are --serial PATH, --transport qemu, sim and mock\n`,
    );
    expect(nobody.status).to.equal(1);
  });

  it("goes on as the same and loses and doubles no line of a followed log, however often it is cut", async () => {
    const follower = await shellOf();
    const writer = await shellOf();
    expect(await follower.shell.execute("attach queen")).to.equal("ok");
    expect(await writer.shell.execute("attach queen")).to.equal("ok");
    const tail = follower.shell.execute("tail -f /log/queen.log");
    const count = 200;
    for (let n = 0; n < count; n++) {
      if (n % 20 === 10) hive.cut();
      // What is lost may have been done, so it is looked for before it is done again.
      while ((await writer.shell.execute(`echo number ${n}. > /log/queen.log`)) !== "ok") {
        await until(() => writer.page.lines.some((line) => line.startsWith("(resumed)")));
        writer.page.lines.length = 0;
        await writer.shell.execute("cat /log/queen.log");
        if (writer.page.lines.some((line) => line.endsWith(` number ${n}.`))) break;
      }
    }
    await until(() => follower.page.lines.some((line) => line.endsWith(` number ${count - 1}.`)));
    expect(follower.shell.interrupt()).to.equal(true);
    expect(await tail).to.equal("ok");
    const numbers = follower.page.lines.flatMap((line) => / number (\d+)\.$/.exec(line)?.[1] ?? []).map(Number);
    expect(numbers).to.deep.equal(Array.from({ length: count }, (_, n) => n));
    expect(follower.page.lines.filter((line) => line.startsWith("(resumed)")).length).to.be.greaterThan(3);
    expect(follower.page.lines.filter((line) => line.startsWith("#") && !/connect/.test(line))).to.deep.equal([]);
    // All that it showed is the log, line by line.
    follower.page.lines.length = 0;
    await follower.shell.execute("tail /log/queen.log");
    expect(follower.page.lines.filter((line) => / number \d+\.$/.test(line))).to.have.length(count);
  });

  it("sends commands ahead, stops at the first that is refused, and answers what was sent", async () => {
    const { shell, page } = await shellOf(4);
    const commands = ["attach queen", "ls /", "ls /none", "ping", "ping", "ping", "ping", "ping", "ping", "ping"];
    expect(await runCommands(shell, commands, never, 4)).to.equal(false);
    const shown = page.lines.filter((line) => line.startsWith("> "));
    expect(shown.slice(0, 3)).to.deep.equal(["> attach queen", "> ls /", "> ls /none"]);
    expect(shown.length).to.be.within(3, 7);
    expect(page.lines.filter((line) => line === "PONG")).to.have.length(shown.length - 3);
    async function* input(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("ping\nspawn nonsense\nping\nquit\nping\n");
      await Promise.resolve();
    }
    page.lines.length = 0;
    expect(await runInput(shell, input(), never, 4)).to.equal(false);
    expect(page.take().slice(0, 5)).to.deep.equal([
      ...["> ping", "OK PING reply=pong", "PONG", "> spawn nonsense"],
      "ERR SPAWN reason=policy detail=invalid-payload",
    ]);
  });

  describe("as 9P", () => {
    const socket = join(home.home, "hive.9p");
    const start = async (): Promise<RunningCohsh> => {
      const running = RunningCohsh.piped(["9p", "--listen", `unix:${socket}`, "--role", "observer"], env);
      await running.see("9P2000.L as observer");
      return running;
    };

    it("is there until a signal, and leaves no socket", async () => {
      const running = await start();
      expect(existsSync(socket)).to.equal(true);
      running.child.kill("SIGTERM");
      expect(await running.exited).to.deep.equal({ status: 143, signal: null });
      expect(existsSync(socket)).to.equal(false);
    });

    it("says in a sentence what is wrong with its command line", async () => {
      for (const [args, sentence] of [
        [["9p"], "required option '--listen <unix:path>' not specified"],
        [["9p", "--listen", "/x"], "--listen takes unix: and a path"],
        [["9p", "--listen", "unix:/x", "--role", "king"], "king is no role; "],
      ] as const) {
        const { status, stderr } = await run(args);
        expect(stderr).to.include(`cohsh: ${sentence}`);
        expect(status).to.equal(2);
      }
    });

    const diod = spawnSync("diodcat", ["--help"]).error === undefined;
    (diod ? it : it.skip)(`serves diod's tools${diod ? "" : " (skipped: no diodcat, package diod)"}`, async () => {
      const running = await start();
      try {
        const tool = (name: string, ...args: string[]): RunningCohsh =>
          new RunningCohsh(name, ["-s", socket, "-a", "/", ...args], env);
        for (const [server, words, says] of [
          ["diodls", [], /^log$/m],
          ["diodcat", ["proc/boot"], /^version /m],
        ] as const) {
          const asked = tool(server, ...words);
          const { status } = await asked.exited;
          expect(status, asked.output).to.equal(0);
          expect(asked.output).to.match(says);
        }
      } finally {
        running.child.kill("SIGTERM");
        await running.exited;
      }
    });
  });
});
