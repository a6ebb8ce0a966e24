import { expect } from "chai";
import { Keyring } from "../../cohsh/tickets/keyring.ts";
import { loadCredentials } from "../../cohsh/tickets/load.ts";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import { type RunningCohsh, testHome } from "../cohsh/cohsh-process.ts";
import { HiveReader } from "../cohsh/export/reader.ts";
import { runBridge } from "../gpu-bridge/bridge-process.ts";
import { inSimulator, type ListeningHive } from "./listening-hive.ts";

const PATIENCE_MS = 20_000;

describe(`a GPU bridge of a hive ${inSimulator.name}`, function () {
  this.timeout(90_000);
  const home = testHome();
  const keys = new Keyring({
    credentials: () => loadCredentials(credentialsPath),
    nowMs: () => Date.now(),
    tokenIsQueen: false,
  });
  const bridges: RunningCohsh[] = [];
  let hive: ListeningHive;
  before(async () => (hive = await inSimulator.start()));
  after(async () => {
    for (const bridge of bridges) {
      bridge.kill();
      await bridge.exited;
    }
    home.remove();
    await hive.end();
  });

  async function serving(): Promise<RunningCohsh> {
    const args = ["serve", "--mock", "--hive", `127.0.0.1:${hive.port}`, "--credentials", credentialsPath];
    const bridge = runBridge(args, home.env);
    bridges.push(bridge);
    await bridge.see("# a Queen sees them after: mount gpu-bridge /gpu\n");
    return bridge;
  }

  /** Ask until the answer is as it shall be soon. @returns it */
  async function see(queen: HiveReader, line: string, pattern: RegExp): Promise<string> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const text = (await queen.say(line)).join("\n");
      if (pattern.test(text)) return text;
      if (performance.now() > deadline) throw new Error(`${line}: no ${String(pattern)} in ${text}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  const lease = (worker: string, ttlS: number): string =>
    `ECHO /gpu/GPU-0/ctl LEASE ${worker} mem_mb=512 streams=2 ttl_s=${ttlS} priority=5`;

  it("is mounted by the Queen, who reads what a GPU is and leases it until the time is over", async () => {
    await serving();
    const queen = await HiveReader.queen(hive.port, keys);
    await see(queen, "CAT /proc/9p/services", /\nservice gpu-bridge up /);
    await queen.mount("gpu-bridge", "/gpu");
    expect(await queen.say("LS /gpu")).to.deep.equal(["OK LS path=/gpu entries=2", "GPU-0", "GPU-1", "END"]);
    const [, info = ""] = await queen.say("CAT /gpu/GPU-0/info");
    expect(JSON.parse(info)).to.include({ name: "Fake GPU", memory_mb: 1024, sm_count: 4, backend: "mock" });
    expect((await queen.say(lease("worker-1", 1)))[0]).to.match(/^OK ECHO path=\/gpu\/GPU-0\/ctl bytes=\d+$/);
    expect(await queen.say(lease("worker-1", 1))).to.deep.equal([
      "ERR ECHO reason=busy detail=busy path=/gpu/GPU-0/ctl error=EBUSY",
    ]);
    expect(await queen.say("ECHO /gpu/GPU-0/ctl LEASE worker-2 mem_mb=1 streams=99 ttl_s=1")).to.deep.equal([
      "ERR ECHO reason=policy detail=invalid-payload path=/gpu/GPU-0/ctl error=EINVAL",
    ]);
    const shown = await see(queen, "CAT /gpu/GPU-0/lease", /EXPIRED/);
    const lines = shown.split("\n").slice(1, -1);
    const common = { schema: "gpu-lease/v1", gpu_id: "GPU-0", worker_id: "worker-1", mem_mb: 512, streams: 2, ttl_s: 1, priority: 5 }; // prettier-ignore
    expect(lines.map((line) => JSON.parse(line) as object)).to.deep.equal([
      { ...common, state: "ACTIVE" },
      { ...common, state: "EXPIRED" },
    ]);
    queen.close();
  });

  it("that is killed is Busy and the hive healthy, and the next one is there in its mounts", async () => {
    const [before] = bridges;
    const queen = await HiveReader.queen(hive.port, keys);
    await queen.mount("gpu-bridge", "/gpu");
    expect((await queen.say(lease("worker-3", 600)))[0]).to.match(/^OK ECHO/);
    before!.child.kill("SIGKILL");
    await before!.exited;
    await see(queen, "CAT /gpu/GPU-0/info", /^ERR CAT reason=busy detail=busy /);
    expect((await queen.say("LS /log"))[0]).to.match(/^OK LS/);
    await serving();
    await see(queen, "CAT /gpu/GPU-0/info", /"name":"Fake GPU"/);
    // A bridge that ended has no leases any more, so the hive leased anew what it knows of, before anybody saw the bridge.
    const [, line = "", end] = await queen.say("CAT /gpu/GPU-0/lease");
    expect(JSON.parse(line)).to.include({ state: "ACTIVE", worker_id: "worker-3", mem_mb: 512 });
    expect(end).to.equal("END");
    expect((await queen.say(lease("worker-3", 600)))[0]).to.match(/^ERR ECHO reason=busy/);
    queen.close();
  });
});
