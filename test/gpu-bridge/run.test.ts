import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { formatCredentials } from "../../cohsh/tickets/credentials.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { type RunningCohsh, testHome } from "../cohsh/cohsh-process.ts";
import { HiveReader } from "../cohsh/export/reader.ts";
import { openTcpHive, type TcpHive } from "../cohsh/transports/tcp-hive.ts";
import { runBridge } from "./bridge-process.ts";

describe("gpu-bridge, as its users start it", function () {
  this.timeout(40_000);
  const home = testHome();
  const credentials = join(home.home, "credentials.json");
  const processes: RunningCohsh[] = [];
  let hive: TcpHive;
  let serve: string[];
  beforeEach(async () => {
    hive = await openTcpHive();
    writeFileSync(credentials, formatCredentials(hive.credentials), { mode: 0o600 });
    serve = ["serve", "--mock", "--hive", `127.0.0.1:${hive.port}`];
  });
  afterEach(async () => {
    for (const running of processes.splice(0)) {
      running.kill();
      await running.exited;
    }
    await hive.close();
  });
  after(() => home.remove());

  function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): RunningCohsh {
    const running = runBridge(args, { ...home.env, ...env });
    processes.push(running);
    return running;
  }

  async function ended(...args: string[]): Promise<{ status: number | null; output: string }> {
    const running = start(args);
    const { status } = await running.exited;
    return { status, output: running.output };
  }

  it("lists what there is, as a table and as JSON, and says what there is not", async () => {
    expect(await ended("list", "--mock")).to.deep.equal({
      status: 0,
      output:
        "ID     NAME         MEMORY    SMS  DRIVER  RUNTIME  BACKEND\n" +
        "GPU-0  Fake GPU     1024 MiB  4    1.0     2.0      mock\n" +
        "GPU-1  Another?GPU  8 MiB     4    1.0     2.0      mock\n",
    });
    const { status, output } = await ended("list", "--json", "--backend", "mock");
    expect(status).to.equal(0);
    const lines = output.trimEnd().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { id: string }).id)).to.deep.equal(["GPU-0", "GPU-1"]);
    expect(JSON.parse(lines[1]!)).to.include({ name: "Another\nGPU", memory_mb: 8, backend: "mock" });
    expect(await ended("list")).to.deep.equal({ status: 2, output: "gpu-bridge: there is no nvml here\n" });
    expect(await ended(...serve.slice(0, 1), ...serve.slice(2), "--backend", "cpu")).to.deep.equal({
      status: 2,
      output: "gpu-bridge: there is no cpu here\n",
    });
  });

  it("makes the line of a job, and shows the floats of what came of it", async () => {
    const job = start(["job", "vadd", "--a", "1,2", "--b", "10,20", "--id", "jid-1"]);
    expect((await job.exited).status).to.equal(0);
    expect(job.stderr).to.equal("");
    expect(JSON.parse(job.stdout)).to.include({ job: "jid-1", payload_b64: "AACAPwAAAEAAACBBAACgQQ==" });
    const long = start(["job", "vadd", "--n", "100", "--a", `1${",1".repeat(99)}`, "--b", `2${",2".repeat(99)}`]);
    expect((await long.exited).status).to.equal(0);
    expect(long.stderr).to.match(/^gpu-bridge: the line has \d+ bytes and ECHO has no room for it: [^\n]+\n$/);
    expect(await ended("job", "vadd", "--a", "1", "--b", "1", "--blob", "9")).to.deep.equal({
      status: 2,
      output: 'gpu-bridge: /inputs/0 must be blob/0 to blob/7, not "blob/9"\n',
    });
    const hash = "sha256:987d8d148ad4701a0ceb44733bb64a4da8f4e8ec0fa5ece10597605f953bc3a3";
    const line = `{"job":"jid-1","state":"OK","detail":"inline","result_hash":"${hash}","result_b64":"AAAwQQAAsEE="}\n`;
    const result = start(["result"]);
    result.child.stdin?.end(line);
    expect(await result.exited).to.include({ status: 0 });
    expect(result.output).to.equal("11,22\n");
    const { status, output } = await ended("result", line.replace("AAAw", "AAAx"));
    expect(status).to.equal(1);
    expect(output).to.match(/^gpu-bridge: the result's hash is sha256:[0-9a-f]{64}, not sha256:[0-9a-f]{64}\n$/);
  });

  it("lets the Queen lease, through a hive that goes and comes, and ends with what a signal says", async () => {
    const bridge = start([...serve, "--credentials", credentials]);
    await bridge.see(
      `# the hive at 127.0.0.1:${hive.port} may lease GPU-0 (Fake GPU), GPU-1 (Another?GPU)\n` +
        "# a Queen sees them after: mount gpu-bridge /gpu\n",
    );
    const queen = await HiveReader.queen(hive.port, hive.keys);
    await queen.mount("gpu-bridge", "/gpu");
    expect((await queen.say("LS /gpu")).slice(1)).to.deep.equal(["GPU-0", "GPU-1", "END"]);
    expect(await queen.say("ECHO /gpu/GPU-0/ctl LEASE worker-1 mem_mb=64 streams=2 ttl_s=60")).to.deep.equal([
      "OK ECHO path=/gpu/GPU-0/ctl bytes=44",
    ]);
    expect(await queen.say("ECHO /gpu/GPU-0/ctl LEASE worker-2 mem_mb=1000 streams=2 ttl_s=60")).to.deep.equal([
      "ERR ECHO reason=busy detail=busy path=/gpu/GPU-0/ctl error=EBUSY",
    ]);
    // A job is for the lessee alone.
    expect((await queen.say("ECHO /gpu/GPU-0/job {}"))[0]).to.contain("error=EPERM");
    hive.cut();
    await bridge.see(`# the hive at 127.0.0.1:${hive.port} has gpu-bridge again\n`);
    const again = await HiveReader.queen(hive.port, hive.keys);
    await again.mount("gpu-bridge", "/gpu");
    const [, line = ""] = await again.say("CAT /gpu/GPU-0/lease");
    expect(JSON.parse(line)).to.include({ state: "ACTIVE", worker_id: "worker-1", mem_mb: 64 });
    again.close();
    bridge.child.kill("SIGTERM");
    expect(await bridge.exited).to.deep.equal({ status: 143, signal: null });
    expect(bridge.output).to.contain("# GPU-0: worker-1's lease is released\n");
    expect(bridge.output).to.contain("# GPU-0: refused: mem_mb=1000 is more than is free, 960\n");
  });

  it("goes on with its leases when nobody reads what it says any more", async () => {
    const bridge = start([...serve, "--credentials", credentials]);
    await bridge.see("# a Queen sees them after");
    bridge.child.stdout?.destroy();
    const queen = await HiveReader.queen(hive.port, hive.keys);
    await queen.mount("gpu-bridge", "/gpu");
    for (const line of ["LEASE worker-1 mem_mb=64 streams=2 ttl_s=60", "RELEASE worker-2"]) {
      await queen.say(`ECHO /gpu/GPU-0/ctl ${line}`);
    }
    hive.cut();
    await bridge.see("; trying again in ");
    expect(await leaseOnceBack()).to.include({ state: "ACTIVE", worker_id: "worker-1" });
    bridge.child.stderr?.destroy();
    for (let i = 0; i < 2; i++) {
      hive.cut();
      expect(await leaseOnceBack()).to.include({ state: "ACTIVE", worker_id: "worker-1" });
    }
    expect(bridge.stderr).to.match(/^(gpu-bridge: [^\n]+; trying again in [\d.]+ s\n)+$/);
    bridge.child.kill("SIGTERM");
    expect(await bridge.exited).to.deep.equal({ status: 143, signal: null });
  });

  /** The first line of GPU-0's leases, as soon as the hive has the bridge. */
  async function leaseOnceBack(): Promise<unknown> {
    const queen = await HiveReader.queen(hive.port, hive.keys);
    await queen.mount("gpu-bridge", "/gpu");
    try {
      for (;;) {
        const [answer = "", line = ""] = await queen.say("CAT /gpu/GPU-0/lease");
        if (answer.startsWith("OK")) return JSON.parse(line) as unknown;
        expect(answer).to.contain("reason=busy");
        await sleep(50);
      }
    } finally {
      queen.close();
    }
  }

  it("takes its secrets from the environment or the command line, and shows none", async () => {
    const token = hive.keys.token();
    const ticket = hive.keys.find("service", "gpu-bridge");
    if (!("credential" in token && "credential" in ticket)) throw new Error("no credentials");
    const secrets = [token.credential, ticket.credential] as const;
    const given = start([...serve, "--token", secrets[0], "--ticket", secrets[1]]);
    await given.see("# a Queen sees them after");
    given.child.kill("SIGINT");
    expect((await given.exited).status).to.equal(130);
    const env = { COHSH_TOKEN: secrets[0], COHSH_TICKET: secrets[1] };
    const inherited = start(serve, env);
    await inherited.see("# a Queen sees them after");
    for (const { output } of processes) for (const secret of secrets) expect(output).to.not.contain(secret);
  });

  it("leaves with a sentence where nobody listens, and where the hive refuses it", async () => {
    const port = await freePort();
    expect(await ended("serve", "--mock", "--hive", `127.0.0.1:${port}`, "--credentials", credentials)).to.deep.equal({
      status: 1,
      output: `gpu-bridge: nobody listens at 127.0.0.1:${port}\n`,
    });
    const ticket = hive.keys.find("service", "another");
    const token = hive.keys.token();
    if (!("credential" in token && "credential" in ticket)) throw new Error("no credentials");
    expect(await ended(...serve, "--token", token.credential, "--ticket", ticket.credential)).to.deep.equal({
      status: 1,
      output: `gpu-bridge: the hive at 127.0.0.1:${hive.port} refuses gpu-bridge: denied\n`,
    });
  });
});
