import { expect } from "chai";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatCredentials } from "../../../cohsh/tickets/credentials.ts";
import { freePort } from "../../../scripts/lib/free-port.ts";
import { type Finished, RunningCohsh, testHome } from "../cohsh-process.ts";
import { HiveReader } from "../export/reader.ts";
import { openTcpHive, type TcpHive } from "../transports/tcp-hive.ts";

const NAMES = [
  "PING p50",
  "PING p99",
  "ECHO, 1 at once",
  "ECHO, 8 at once",
  "CAT /proc/boot p50",
  "CAT /proc/boot p99",
  "TAIL /log/queen.log, the last N bytes, p50",
  "TAIL /log/queen.log, the last N bytes",
  "login and logout",
];
const named = (name: string): string => name.replace(/[\d,]+ bytes/, "N bytes");

interface Figures {
  readonly hive: string;
  readonly via?: string;
  readonly figures: readonly { name: string; value: number; unit: string; count: number }[];
  readonly skipped: readonly { what: string; why: string }[];
  readonly written: number;
}

describe("cohsh bench, as its users start it", function () {
  this.timeout(60_000);
  const home = testHome();
  const credentials = join(home.home, "credentials.json");
  let hive: TcpHive;
  let env: NodeJS.ProcessEnv;
  const processes: RunningCohsh[] = [];
  beforeEach(async () => {
    hive = await openTcpHive();
    writeFileSync(credentials, formatCredentials(hive.credentials), { mode: 0o600 });
    env = { ...home.env, COHSH_PORT: String(hive.port), COHSH_CREDENTIALS: credentials };
  });
  afterEach(async () => {
    for (const running of processes.splice(0)) {
      running.kill();
      await running.exited;
    }
    await hive.close();
  });
  after(() => home.remove());

  function start(...args: string[]): RunningCohsh {
    const running = RunningCohsh.piped(args, env);
    processes.push(running);
    return running;
  }

  function run(...args: string[]): Promise<Finished> {
    return start(...args).finished();
  }

  /** What a Queen reads of the log, without what the hive notes itself. */
  async function logged(reader?: HiveReader): Promise<readonly string[]> {
    reader ??= await HiveReader.queen(hive.port, hive.keys);
    const lines = await reader.say("TAIL /log/queen.log 0");
    return lines.filter((line) => line.includes("cohsh bench"));
  }

  it("prints a table, what it did not measure, and what it wrote, and that is so", async () => {
    const { status, stdout, stderr } = await run("bench", "--count", "20");
    expect(stderr).to.equal("");
    expect(status).to.equal(0);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).to.equal(
      `# the hive at 127.0.0.1:${hive.port}, as the Queen; about 60 lines are appended to /log/queen.log`,
    );
    const rows = lines.filter((line) => !line.startsWith("#"));
    expect(rows.map((row) => named(row.slice(0, row.search(/ {2}/))))).to.deep.equal(NAMES);
    for (const row of rows) expect(row).to.match(/ +[\d,]+(\.\d+)? (?:ms|\/s|MB\/s) +of \d+$/);
    expect(lines.filter((line) => line.startsWith("# not measured: "))).to.have.length(1);
    expect(lines.at(-1)).to.equal("# 60 lines were appended to /log/queen.log");
    expect(await logged()).to.have.length(60);
  });

  it("prints one line of JSON, and writes nothing when it is told so", async () => {
    const { status, stdout, stderr } = await run(
      "bench",
      `127.0.0.1:${hive.port}`,
      "--count",
      "10",
      "--json",
      "--read-only",
    );
    expect(stderr).to.equal("");
    expect(status).to.equal(0);
    expect(stdout).to.match(/^[^\n]+\n$/);
    const report = JSON.parse(stdout) as Figures;
    expect(report.hive).to.equal(`127.0.0.1:${hive.port}`);
    expect(report.figures.map(({ name }) => named(name))).to.deep.equal(NAMES.filter((name) => !/ECHO/.test(name)));
    for (const { name, value, count } of report.figures) {
      expect(value, name).to.be.above(0);
      expect(count, name).to.be.within(1, 10);
    }
    expect(report.skipped.map(({ what }) => what)).to.include("ECHO");
    expect(report.written).to.equal(0);
    expect(await logged()).to.deep.equal([]);
  });

  it("leaves no session", async () => {
    await run("bench", "--count", "10", "--read-only");
    const reader = await HiveReader.queen(hive.port, hive.keys);
    // The one that looks is the only one.
    expect(await reader.say("LS /")).to.include("END");
    expect(hive.report()).to.include.members(["connections 1", "sessions 1"]);
  });

  it("measures the rest where a ticket does not reach, and says what was refused", async () => {
    const minted = await run("--mint-ticket", "--role", "queen", "--scope", "/proc:read", "--ttl", "60");
    env["COHSH_TICKET"] = minted.stdout.trim();
    const { status, stdout } = await run("bench", "--count", "10", "--json");
    expect(status).to.equal(0);
    const { figures, skipped, written } = JSON.parse(stdout) as Figures;
    expect(figures.map(({ name }) => name)).to.deep.equal(NAMES.filter((name) => !/ECHO|TAIL/.test(name)));
    expect(skipped.map(({ what }) => what).slice(0, 2)).to.deep.equal(["ECHO", "TAIL /log/queen.log"]);
    expect(skipped[0]?.why).to.match(/^the hive answers ERR ECHO reason=policy detail=denied/);
    expect(written).to.equal(0);
  });

  it("says in a sentence what is wrong with the hive", async () => {
    const port = await freePort();
    expect(await run("bench", "--port", String(port))).to.deep.include({
      status: 1,
      stdout: "",
      stderr: `cohsh: nobody listens at 127.0.0.1:${port}\n`,
    });
    const other = await openTcpHive();
    try {
      expect((await run("bench", "--port", String(other.port))).stderr).to.equal(
        `cohsh: the hive at 127.0.0.1:${other.port} refuses the token: the credentials are another hive's\n`,
      );
    } finally {
      await other.close();
    }
    env["COHSH_TICKET"] = (await run("--mint-ticket", "--role", "queen", "--ops", "1", "--ttl", "60")).stdout.trim();
    const spent = await run("bench", "--count", "10");
    expect(spent.status).to.equal(1);
    expect(spent.stderr).to.match(new RegExp(`^cohsh: the hive at 127.0.0.1:${hive.port}: .+\n$`));
  });

  it("keeps what it has measured when the hive is lost, and says so", async () => {
    const reader = await HiveReader.queen(hive.port, hive.keys);
    const running = start("bench", "--count", "10000");
    await running.see("as the Queen");
    // From the first ECHO on there are figures of PING.
    while ((await logged(reader)).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const closing = setInterval(() => hive.cut(), 20);
    const { status } = await running.exited;
    clearInterval(closing);
    expect(status).to.equal(1);
    expect(running.output).to.match(/\nPING p50 +[\d.]+ ms +of 10000\n/);
    expect(running.output).to.match(
      new RegExp(`cohsh: the (?:hive at 127.0.0.1:${hive.port}|connection to the hive at [^ ]+)[: ][^\n]+\n`),
    );
  });

  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    it(`ends with ${code} at ${signal}`, async () => {
      const running = start("bench", "--count", "10000", "--read-only");
      await running.see("as the Queen");
      running.child.kill(signal);
      expect(await running.exited).to.deep.equal({ status: code, signal: null });
    });
  }

  for (const [args, sentence] of [
    [["hive.example", "other"], "too many arguments. Expected 1 argument but got 2."],
    [["a:b"], "command-argument value 'a:b' is invalid for argument 'place'. It must be a host's name or address."],
    [["h:0"], "command-argument value 'h:0' is invalid for argument 'place'. It must be a port from 1 to 65535."],
    [["h:1", "--port", "2"], "the hive is named twice, once by an option."],
    [["h", "--host", "i"], "the hive is named twice, once by an option."],
    [["--count", "9"], "option '--count <n>' argument '9' is invalid. It must be a number from 10 to 10000."],
    [["--count", "x"], "option '--count <n>' argument 'x' is invalid. It must be a number from 10 to 10000."],
    [["--via", "telnet://h"], "--via goes by ssh alone: ssh://user@host or ssh://user@host:port."],
    [["--identity", "/i"], "--identity is for --via."],
  ] as const) {
    it(`refuses ${args.join(" ")} with one line and status 2`, async () => {
      expect(await run("bench", ...args)).to.include({ status: 2, stdout: "", stderr: `cohsh: ${sentence}\n` });
    });
  }

  it("has a help", async () => {
    const { status, stdout } = await run("bench", "--help");
    expect(status).to.equal(0);
    expect(stdout).to.match(/^Usage: cohsh bench \[options\] \[place\]\n[^]*--read-only[^]*cohsh bench --via ssh:/);
  });
});
