/** The shell's programs, as their users start them, by way of an ssh server to a hive's own door. */

import { expect } from "chai";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Shell } from "../../../cohsh/shell.ts";
import { SshTunnel } from "../../../cohsh/ssh/tunnel.ts";
import { formatCredentials } from "../../../cohsh/tickets/credentials.ts";
import { TcpTransport } from "../../../cohsh/transports/tcp.ts";
import { freePort } from "../../../scripts/lib/free-port.ts";
import { type Finished, RunningCohsh, testHome } from "../cohsh-process.ts";
import { HiveReader } from "../export/reader.ts";
import { Page } from "../fake-transport.ts";
import { openTcpHive, type TcpHive } from "../transports/tcp-hive.ts";
import { needsSshd, Sshd } from "./sshd.ts";

const FALLBACKS = "; without a network there are --serial PATH, --transport qemu, sim and mock\n";

describe("cohsh by way of an ssh server", function () {
  needsSshd(this);
  this.timeout(60_000);
  const home = testHome();
  const credentials = join(home.home, "credentials.json");
  const ssh = join(home.home, ".ssh");
  let sshd: Sshd;
  let hive: TcpHive;
  let env: NodeJS.ProcessEnv;
  const processes: RunningCohsh[] = [];
  const shells: Shell[] = [];

  before(async () => {
    sshd = await Sshd.start();
    mkdirSync(ssh);
    writeFileSync(join(ssh, "id_ed25519"), readFileSync(sshd.userKey), { mode: 0o600 });
  });
  beforeEach(async () => {
    hive = await openTcpHive();
    writeFileSync(join(ssh, "known_hosts"), sshd.knownLine);
    writeFileSync(credentials, formatCredentials(hive.credentials), { mode: 0o600 });
    env = { ...home.env, COHSH_PORT: String(hive.port), COHSH_CREDENTIALS: credentials, COHSH_VIA: sshd.url };
    delete env["SSH_AUTH_SOCK"];
  });
  afterEach(async () => {
    for (const running of processes.splice(0)) {
      running.kill();
      await running.exited;
    }
    await Promise.all(shells.splice(0).map((shell) => shell.close()));
    await hive.close();
  });
  after(async () => {
    await sshd.end();
    home.remove();
  });

  function start(...args: string[]): RunningCohsh {
    const running = RunningCohsh.piped(args, env);
    processes.push(running);
    return running;
  }

  function run(...args: string[]): Promise<Finished> {
    return start(...args).finished();
  }

  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  /** The hive, as sentences call it. */
  const where = (): string => `127.0.0.1:${hive.port} via ${sshd.url}`;

  /** A shell in this process that follows the log, and one that writes to it without ssh. */
  async function pair(keepAliveMs?: number): Promise<{ follower: Shell; page: Page; writer: Shell }> {
    const via = new SshTunnel({
      ...{ user: sshd.user, host: "127.0.0.1", port: sshd.port, agent: undefined },
      ...{ knownHosts: join(ssh, "known_hosts"), identity: join(ssh, "id_ed25519") },
      ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
    });
    const token = (): ReturnType<typeof hive.keys.token> => hive.keys.token();
    const transport = new TcpTransport({
      ...{ host: "127.0.0.1", port: hive.port, via, token },
      patience: { backOff: { first: 5, most: 20 }, attempt: 2000 },
    });
    const page = new Page();
    const made = [transport, hive.transport()].map((way, n) => {
      const output = n === 0 ? page : new Page();
      return new Shell(way, { timeoutMs: 20_000, follow: false, output, keys: hive.keys });
    });
    shells.push(...made);
    for (const shell of made) {
      await shell.open(AbortSignal.timeout(10_000));
      expect(await shell.execute("attach queen")).to.equal("ok");
    }
    const [follower, writer] = made;
    if (follower === undefined || writer === undefined) throw new Error("there are two");
    return { follower, page, writer };
  }

  const numbers = (page: Page): number[] =>
    page.lines.flatMap((line) => / number (\d+)\.$/.exec(line)?.[1] ?? []).map(Number);
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

  it("runs commands and scripts with the usual key and known hosts, and leaves no connection", async () => {
    const commands = await run("-c", "attach queen", "-c", "ls /");
    expect(commands.stderr).to.equal("");
    expect(commands.stdout).to.match(/^OK ATTACH role=queen\nOK LS path=\/ entries=4\n/);
    expect(commands.status).to.equal(0);
    const script = join(home.home, "script.coh");
    writeFileSync(script, "attach queen\nEXPECT OK\ncat /proc/version\nEXPECT SUBSTR Cohesix\nquit\n");
    expect(await run("--script", script)).to.include({ status: 0, stderr: "" });
    await until(() => sshd.open === 0);
  });

  it("is looked after while nothing is said, and logs what becomes of it", async () => {
    const log = join(home.home, "events");
    const shell = start("--log", log);
    await shell.answer("attach queen\n", "OK ATTACH role=queen\n");
    sshd.cut();
    await shell.see(/# the connection to the hive at .* broke: the ssh connection to .*; connecting again\n/);
    await shell.see("# connected again; logged in as queen\n");
    await shell.answer("ping\n", "PONG\n");
    await shell.answer("quit\n", "OK QUIT\n");
    expect((await shell.exited).status).to.equal(0);
    expect(readFileSync(log, "utf8").replace(/^\S+ /gm, "")).to.match(
      /^connect transport=tcp\nattach role=queen\ninterrupted reason="[^\n]*ssh connection[^\n]*\nresumed role=queen\n/,
    );
  });

  it("loses and doubles no line of a followed log, however often ssh is cut", async () => {
    const { follower, page, writer } = await pair();
    const tail = follower.execute("tail -f /log/queen.log");
    const resumed = (): number => page.lines.filter((line) => line.startsWith("(resumed)")).length;
    const count = 120;
    for (let n = 0; n < count; n++) {
      if (n % 30 === 10) {
        // It has something to resume, and is lost with more on its way.
        await until(() => numbers(page).includes(n - 5));
        sshd.cut();
      }
      expect(await writer.execute(`echo number ${n}. > /log/queen.log`)).to.equal("ok");
      if (n % 30 === 29) await until(() => resumed() > n / 30 - 1);
    }
    await until(() => numbers(page).includes(count - 1));
    expect(follower.interrupt()).to.equal(true);
    expect(await tail).to.equal("ok");
    expect(numbers(page)).to.deep.equal(upTo(count));
    expect(resumed()).to.equal(4);
  });

  it("loses and doubles no line when the server hangs meanwhile", async () => {
    const { follower, page, writer } = await pair(150);
    const tail = follower.execute("tail -f /log/queen.log");
    for (let n = 0; n < 20; n++) expect(await writer.execute(`echo number ${n}. > /log/queen.log`)).to.equal("ok");
    await until(() => numbers(page).includes(5));
    sshd.held = true;
    try {
      for (let n = 20; n < 40; n++) expect(await writer.execute(`echo number ${n}. > /log/queen.log`)).to.equal("ok");
      await until(() => page.lines.some((line) => /Keepalive timeout/.test(line)));
    } finally {
      sshd.held = false;
    }
    await until(() => numbers(page).includes(39));
    expect(follower.interrupt()).to.equal(true);
    expect(await tail).to.equal("ok");
    expect(numbers(page)).to.deep.equal(upTo(40));
  });

  it("exports a folder, and exports it again after ssh was lost", async () => {
    const folder = join(home.home, "shared");
    mkdirSync(folder);
    writeFileSync(join(folder, "notes"), "one\n");
    writeFileSync(join(folder, "big"), `${"0123456789abcdef".repeat(8)}\n`.repeat(3000));
    const exporter = start("export", folder, "--as", "notes");
    await exporter.see(`# the hive at ${where()} reads ${folder} as notes, and cannot write it\n`);
    const reader = await HiveReader.queen(hive.port, hive.keys);
    await reader.mount("notes", "/notes");
    const big = await reader.say("CAT /notes/big");
    expect(big).to.have.length(3002);
    sshd.cut();
    await exporter.see(/cohsh: the hive broke the connection: the ssh connection to .*; trying again in 0\.[12] s\n/);
    await exporter.see(`# the hive at ${where()} has notes again\n`);
    // The exporter is there again, and the hive may still be asking for its tree.
    let notes = await reader.say("CAT /notes/notes");
    for (let tries = 0; tries < 100 && notes[0]!.includes("EBUSY"); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      notes = await reader.say("CAT /notes/notes");
    }
    expect(notes).to.deep.equal(["OK CAT path=/notes/notes data=one", "one", "END"]);
    exporter.child.kill("SIGTERM");
    expect(await exporter.exited).to.deep.equal({ status: 143, signal: null });
    await until(() => sshd.open === 0);
  });

  it("says in a sentence, with status 1, what is wrong with the server, the user and the hive", async () => {
    const port = await freePort();
    const nobody = await run("-c", "ping", "--port", String(port));
    expect(nobody.status).to.equal(1);
    expect(nobody.stderr)
      .to.include(`127.0.0.1:${port}`)
      .and.satisfy((text: string) => text.endsWith(FALLBACKS));
    const other = await openTcpHive();
    try {
      expect(await run("-c", "ping", "--port", String(other.port))).to.include({
        status: 1,
        stderr: `cohsh: the hive at 127.0.0.1:${other.port} via ${sshd.url} refuses the token: the credentials are another hive's\n`,
      });
    } finally {
      await other.close();
    }
    const stranger = join(home.home, "nobody");
    const unknown = await run("-c", "ping", "--known-hosts", stranger);
    expect(unknown).to.include({ status: 1, stdout: "" });
    expect(unknown.stderr)
      .to.match(/^cohsh: ssh: the host key of 127\.0\.0\.1:\d+ is not known: .*\n$/)
      .and.include(sshd.fingerprint);
    const closed = await run("export", home.home, "--as", "x", "--known-hosts", stranger);
    expect(closed).to.include({ status: 1, stdout: "" });
    expect(closed.stderr).to.include("is not known");
    const free = await freePort();
    expect(await run("9p", "--listen", `unix:${join(home.home, "s")}`, "--via", `ssh://127.0.0.1:${free}`)).to.include({
      status: 1,
      stderr: `cohsh: ssh: nobody listens at 127.0.0.1:${free}\n`,
    });
  });

  it("gives up a server that hangs within the time that it has", async () => {
    sshd.held = true;
    try {
      const hung = await run("-c", "ping", "--open-timeout", "1");
      expect(hung.status).to.equal(1);
      expect(hung.stderr).to.equal(
        `cohsh: ssh: 127.0.0.1:${sshd.port} did not say in time who it is: it may hang, or be no ssh server${FALLBACKS}`,
      );
    } finally {
      sshd.held = false;
    }
  });
});
