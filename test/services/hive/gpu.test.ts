import { expect } from "chai";
import { O_WRONLY } from "../../../services/secure9p/constants.ts";
import { CLOSED } from "../../../services/secure9p/refusal.ts";
import { WAITS } from "../ninedoor/support.ts";
import { bytesOf, hashed } from "../../gpu-bridge/support.ts";
import { FakeBridge, GpuHive, GPUS, vadd } from "./gpu-hive.ts";
import { expectNoErrors } from "./support.ts";

afterEach(expectNoErrors);

describe("hive: GPUs are leased", () => {
  it("to a worker that is spawned for one, and says so to the log, to its status and to /proc", async () => {
    const bridge = await FakeBridge.start();
    const hive = await GpuHive.with(bridge);
    expect(hive.spawn()).to.equal("");
    expect(bridge.leases()).to.deep.equal(["worker-1 60"]);
    expect(hive.queen.cat("/worker/worker-1/status")).to.match(
      /^state \w+\nkind gpu\ngpu GPU-0\nlease active mem_mb=512 streams=2 ttl_s_left=60\nband worker\nttl_s_left 120\nops_left 6\d\d\n/,
    );
    expect(hive.queen.cat("/proc/9p/gpu")).to.include(
      "lease GPU-0 worker-1 mem_mb=512 streams=2 priority=5 ttl_s_left=60\ngpu GPU-0 followed ignored=0\n",
    );
    expect(hive.told("gpu")).to.deep.equal(["GPU-0 leased worker=worker-1 mem_mb=512 streams=2 ttl_s=60 priority=5"]);
    expect(hive.told("queen")).to.deep.equal(["session 1 (queen): spawn gpu gpu_id=GPU-0 id=worker-1"]);
  });

  it("to nobody without a bridge, nor one that the bridge does not have, nor more of one than there is or is free", async () => {
    const without = new GpuHive();
    expect(without.spawn()).to.equal("!EBUSY");
    expect(without.told("worker")).to.deep.equal(["not spawned: no GPU bridge is there"]);
    const bridge = await FakeBridge.start();
    const hive = await GpuHive.with(bridge);
    const tickets = hive.hive.ledger.size;
    expect(hive.spawn({ gpu_id: "GPU-7" })).to.equal("!ENOENT");
    expect(hive.spawn({ mem_mb: 1025 })).to.equal("!EINVAL");
    expect(hive.spawn({ streams: 17 })).to.equal("!EINVAL");
    expect(hive.spawn({ mem_mb: 1024 })).to.equal("");
    // It has the GPU for itself.
    expect(hive.spawn({ mem_mb: 1 })).to.equal("!EBUSY");
    expect(hive.spawn({ gpu_id: "GPU-1", mem_mb: 1 })).to.equal("");
    expect(hive.queen.list("/worker")).to.have.length(2);
    expect([hive.components.size, hive.hive.ledger.size]).to.deep.equal([2, tickets + 2]);
    expect(hive.told("worker")).to.include("worker-1 not leased its GPU: Invalid; destroyed");
  });

  it("not before the bridge has said so, and a spawn that nobody waits for comes to nothing", async () => {
    const bridge = await FakeBridge.start();
    const hive = await GpuHive.with(bridge);
    hive.cut = true;
    const { queen } = hive;
    const ctl = queen.opened("/queen/ctl", O_WRONLY);
    const line = Buffer.from('{"spawn":"gpu","lease":{"gpu_id":"GPU-0","mem_mb":1,"streams":1,"ttl_s":60}}\n');
    const ask = () => queen.ask((done) => queen.client.write(ctl, 0, line, 0, line.length, done));
    const spawns = [ask(), ask()];
    expect(spawns.map(({ result }) => result)).to.deep.equal([WAITS, WAITS]);
    expect(queen.cat("/worker/worker-1/status")).to.match(/^state leasing\n/);
    hive.pass(100);
    // What was started has loaded, and waits to be told that it may begin.
    expect(queen.cat("/worker/worker-1/trace")).to.not.match(/started/);
    queen.client.flush(spawns[1]!.tag as number, CLOSED);
    queen.pump();
    expect(queen.list("/worker")).to.deep.equal(["worker-1"]);
    hive.cut = false;
    hive.pass(100);
    queen.pump();
    expect(spawns[0]!.result).to.equal("");
    expect(hive.told("worker")).to.deep.equal(["worker-2 not spawned: nobody waits for it any more; destroyed"]);
    expect(queen.cat("/proc/9p/workers")).to.match(
      /\nspawned 1\nrefused 0\n(?:\w+ \d+\n)*killed 0\n(?:\w+ \d+\n)*unwanted 1\n/,
    );
    expect(bridge.leases()).to.deep.equal(["worker-1 60"]);
    hive.pass(100);
    expect(queen.cat("/worker/worker-1/trace")).to.match(/started/);
    expect(hive.told("queen").filter((text) => text.includes("spawn"))).to.deep.equal([
      "session 1 (queen): spawn gpu gpu_id=GPU-0 id=worker-1",
    ]);
  });

  it("and a spawn is refused in time if the bridge says nothing, and nothing is left of it", async () => {
    const bridge = await FakeBridge.start();
    const hive = await GpuHive.with(bridge);
    hive.cut = true;
    const { queen } = hive;
    const ctl = queen.opened("/queen/ctl", O_WRONLY);
    const line = Buffer.from('{"spawn":"gpu","lease":{"gpu_id":"GPU-0","mem_mb":1,"streams":1,"ttl_s":60}}\n');
    const spawn = queen.ask((done) => queen.client.write(ctl, 0, line, 0, line.length, done));
    hive.pass(5100);
    queen.pump();
    expect(spawn.result).to.equal("!ETIMEDOUT");
    expect(queen.list("/worker")).to.deep.equal([]);
    hive.cut = false;
    hive.pass(100);
    // The bridge was asked and may have done it; so it was told to undo it.
    expect(bridge.leases()).to.deep.equal([]);
    expect(hive.hive.office.isLessee("worker-1", "GPU-0")).to.equal(false);
  });

  it("until the worker is killed or at an end, and then the bridge is told", async () => {
    const bridge = await FakeBridge.start();
    const hive = await GpuHive.with(bridge);
    hive.spawn({}, { budget: { ttl_s: 5 } });
    hive.spawn({ gpu_id: "GPU-1" });
    expect(hive.order({ kill: "worker-2" })).to.equal("");
    hive.pass(100);
    expect([bridge.leases(0), bridge.leases(1)]).to.deep.equal([["worker-1 60"], []]);
    hive.pass(5000);
    expect(bridge.leases(0)).to.deep.equal([]);
    expect(hive.told("gpu").slice(2)).to.deep.equal([
      "GPU-1 released worker=worker-2",
      "GPU-0 released worker=worker-1",
    ]);
  });

  it("for their time, by the bridge's clock or the hive's own", async () => {
    const bridge = await FakeBridge.start();
    const hive = await GpuHive.with(bridge);
    hive.spawn({ ttl_s: 10 });
    hive.spawn({ gpu_id: "GPU-1", ttl_s: 20 });
    bridge.clock.pass(10_000);
    hive.pass(0);
    expect(hive.hive.office.isLessee("worker-1", "GPU-0")).to.equal(false);
    hive.cut = true;
    hive.pass(20_000);
    expect(hive.hive.office.isLessee("worker-2", "GPU-1")).to.equal(false);
    expect(hive.told("gpu").slice(2)).to.deep.equal(["GPU-0 expired worker=worker-1", "GPU-1 expired worker=worker-2"]);
    expect(hive.queen.cat("/worker/worker-2/status")).to.match(/\nlease none\n/);
  });

  it("by hand too: what the Queen writes to a GPU's ctl the hive goes by, and the log has it", async () => {
    const bridge = await FakeBridge.start();
    const hive = await GpuHive.with(bridge);
    hive.spawn();
    const { queen } = hive;
    hive.order({ mount: { service: "gpu-bridge", at: "/gpu" } });
    const ctl = (line: string): string => queen.echo(`${line}\n`, "/gpu/GPU-0/ctl").replace(/^\d+$/, "");
    expect(ctl("PRIORITY worker-1 7")).to.equal("");
    expect(ctl("LEASE worker-1 mem_mb=1 streams=1 ttl_s=9")).to.equal("!EBUSY");
    expect(ctl("RELEASE worker-1")).to.equal("");
    expect(hive.hive.office.isLessee("worker-1", "GPU-0")).to.equal(false);
    expect(ctl("LEASE worker-1 mem_mb=1 streams=1 ttl_s=9")).to.equal("");
    expect(hive.hive.office.isLessee("worker-1", "GPU-0")).to.equal(true);
    expect(hive.told("gpu").slice(1)).to.deep.equal([
      "GPU-0 priority worker=worker-1 priority=7",
      "GPU-0 released worker=worker-1",
      "GPU-0 leased worker=worker-1 mem_mb=1 streams=1 ttl_s=9 priority=0",
    ]);
    expect(hive.told("audit").map((line) => line.replace(/session=\d+/, "session=n"))).to.deep.equal([
      "wrote path=/gpu/GPU-0/ctl role=queen session=n: PRIORITY worker-1 7",
      "refused write path=/gpu/GPU-0/ctl role=queen why=Busy session=n: LEASE worker-1 mem_mb=1 streams=1 ttl_s=9",
      "wrote path=/gpu/GPU-0/ctl role=queen session=n: RELEASE worker-1",
      "wrote path=/gpu/GPU-0/ctl role=queen session=n: LEASE worker-1 mem_mb=1 streams=1 ttl_s=9",
    ]);
  });
});

describe("hive: a GPU bridge that comes back", () => {
  it("has its leases still if it was away, and what ended meanwhile is ended there", async () => {
    const bridge = await FakeBridge.start();
    const hive = await GpuHive.with(bridge);
    hive.spawn();
    hive.spawn({ gpu_id: "GPU-1" });
    hive.hangUp();
    expect(hive.spawn({ mem_mb: 1 })).to.equal("!EBUSY");
    hive.order({ kill: "worker-2" });
    expect(bridge.leases(1)).to.deep.equal(["worker-2 60"]);
    hive.pass(1000);
    hive.dial(bridge);
    await hive.settle(100);
    expect([bridge.leases(0), bridge.leases(1)]).to.deep.equal([["worker-1 60"], []]);
    expect(hive.hive.office.isLessee("worker-1", "GPU-0")).to.equal(true);
    expect(hive.spawn({ gpu_id: "GPU-1" })).to.equal("");
  });

  it("leases again, for the time that is left, what a bridge that was started anew knows nothing of", async () => {
    const hive = await GpuHive.with(await FakeBridge.start());
    hive.spawn({ ttl_s: 60 });
    hive.spawn({ gpu_id: "GPU-1", mem_mb: 2000, ttl_s: 60 });
    hive.hangUp();
    hive.pass(20_000);
    const small = await FakeBridge.start([{ ...(await FakeBridge.start()).backend.gpus[0]! }, { ...(await FakeBridge.start()).backend.gpus[1]!, memoryMb: 1000 }]); // prettier-ignore
    hive.dial(small);
    await hive.settle(100);
    expect([small.leases(0), small.leases(1)]).to.deep.equal([["worker-1 40"], []]);
    expect(hive.told("gpu").slice(2)).to.deep.equal([
      "GPU-0 leased again worker=worker-1 ttl_s=40",
      "GPU-1 lost worker=worker-2",
    ]);
  });

  it("has lost what is leased of a GPU that it does not have any more", async () => {
    const hive = await GpuHive.with(await FakeBridge.start());
    hive.spawn();
    hive.spawn({ gpu_id: "GPU-1" });
    hive.hangUp();
    hive.dial(await FakeBridge.start(GPUS.slice(0, 1)));
    await hive.settle(100);
    expect(hive.told("gpu").slice(2)).to.deep.equal([
      "GPU-0 leased again worker=worker-1 ttl_s=60",
      "GPU-1 lost worker=worker-2",
    ]);
    expect(hive.queen.cat("/worker/worker-2/status")).to.match(/\nlease none\n/);
    expect(hive.queen.cat("/proc/9p/gpu")).to.match(/\nlost 1\n/);
  });

  it("ends there what a hive that was started anew knows nothing of, before anybody can use it", async () => {
    const bridge = await FakeBridge.start();
    const before = await GpuHive.with(bridge);
    before.spawn();
    before.hangUp();
    const after = await GpuHive.with(bridge);
    expect(bridge.leases()).to.deep.equal([]);
    expect(after.told("gpu")).to.deep.equal(["GPU-0 gave back worker=worker-1"]);
    expect(after.spawn({ mem_mb: 1024 })).to.equal("");
    expect(bridge.leases()).to.deep.equal(["worker-1 60"]);
  });
});

describe("hive: a lessee", () => {
  it("is led to its own job, blobs and status, and to nothing once the lease is over", async () => {
    const bridge = await FakeBridge.start();
    bridge.executor().holding = true;
    const hive = await GpuHive.with(bridge);
    hive.spawn({ mem_mb: 100, ttl_s: 2 });
    hive.spawn({ mem_mb: 100 });
    const [one, other] = [hive.lessee("worker-1"), hive.lessee("worker-2")];
    expect(one.echo(`${vadd("mine", [1, 2], [3, 4])}\n`, "/gpu/GPU-0/job")).to.match(/^\d+$/);
    expect(other.echo("input", "/gpu/GPU-0/blob/0/in")).to.equal("5");
    expect(one.cat("/gpu/GPU-0/status")).to.match(/^\{"job":"mine","worker":"worker-1","state":"QUEUED"/);
    expect(other.cat("/gpu/GPU-0/status")).to.equal("");
    expect(one.cat("/gpu/GPU-0/blob/0/in")).to.equal("");
    expect(one.open("/gpu/GPU-0/lessee/worker-2/job", O_WRONLY)).to.equal("!EPERM");
    expect(one.open("/gpu/GPU-1/info")).to.equal("!EPERM");

    const job = one.opened("/gpu/GPU-0/job", O_WRONLY);
    const input = one.opened("/gpu/GPU-0/blob/0/in", O_WRONLY);
    const follow = one.opened("/gpu/GPU-0/status.follow");
    const waits = one.readLater(follow, one.size(follow) as number);
    expect(waits.result).to.equal(WAITS);
    hive.cut = true;
    hive.pass(3500);
    // The bridge answers nothing; the hive goes by its own clock.
    one.pump();
    expect(waits.result).to.equal("!ESHUTDOWN");
    expect(one.write(job, "{}\n")).to.equal("!ESHUTDOWN");
    expect(one.write(input, "more")).to.equal("!ESHUTDOWN");
    expect(one.read(follow, 0)).to.equal("!ESHUTDOWN");
    expect(one.open("/gpu/GPU-0/job", O_WRONLY)).to.equal("!EPERM");
    expect(one.open("/gpu/GPU-0/blob/0/in")).to.equal("!EPERM");
  });
});

describe("hive: a GPU worker", () => {
  /** Lines of a file that are JSON. */
  const records = (hive: GpuHive, path: string): Record<string, unknown>[] =>
    hive.queen
      .cat(path)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const states = (hive: GpuHive, worker: string): string[] =>
    records(hive, `/worker/${worker}/telemetry`).map(({ job, state, detail }) => [job, state, detail].join(" "));
  const give = (hive: GpuHive, worker: string, job: string): string =>
    hive.queen.echo(`job ${job}\n`, `/worker/${worker}/ctl`).replace(/^\d+$/, "");

  it("runs a job that the Queen gives it, tells each state once, and has the result", async () => {
    const hive = await GpuHive.with(await FakeBridge.start());
    hive.spawn();
    hive.pass(100);
    expect(give(hive, "worker-1", vadd("jid-1", [1, 2], [10, 20]))).to.equal("");
    await hive.settle(100);
    await hive.settle(100);
    expect(states(hive, "worker-1")).to.deep.equal([
      "jid-1 QUEUED waiting",
      "jid-1 RUNNING scheduled",
      "jid-1 OK inline",
    ]);
    const [result] = records(hive, "/worker/worker-1/result");
    const bytes = bytesOf([11, 22]);
    expect(result).to.include({ job: "jid-1", state: "OK", result_hash: hashed(bytes) });
    expect(Buffer.from(result!["result_b64"] as string, "base64")).to.deep.equal(Buffer.from(bytes));
    expect(hive.told("worker")).to.include("worker-1 given a job by session 1 (queen)");
  });

  it("tells the end of what runs when its lease is over, and of what it is given then", async () => {
    const bridge = await FakeBridge.start();
    bridge.executor().holding = true;
    const hive = await GpuHive.with(bridge);
    hive.spawn({ ttl_s: 5 });
    hive.pass(100);
    give(hive, "worker-1", vadd("jid-1", [1], [2]));
    await hive.settle(100);
    await hive.settle(7000);
    give(hive, "worker-1", vadd("jid-2", [1], [2]));
    await hive.settle(100);
    expect(states(hive, "worker-1").slice(2)).to.deep.equal(["jid-1 ERR REVOKED", "jid-2 ERR REVOKED"]);
  });

  it("hears of its jobs however often another lessee logs in, opens and follows what it may", async () => {
    const hive = await GpuHive.with(await FakeBridge.start());
    hive.spawn();
    hive.pass(100);
    for (let login = 0; login < 7; login++) {
      const greedy = hive.lessee("worker-1");
      const follow = greedy.opened("/gpu/GPU-0/status.follow");
      const end = greedy.size(follow) as number;
      for (let i = 0; i < 15; i++) greedy.readLater(follow, end);
    }
    for (let login = 0; login < 7; login++) {
      const greedy = hive.lessee("worker-1");
      for (let i = 0; i < 60; i++) greedy.open("/gpu/GPU-0/status");
    }
    hive.spawn({ gpu_id: "GPU-1" });
    hive.pass(100);
    expect(give(hive, "worker-2", vadd("jid-1", [1], [2]))).to.equal("");
    await hive.settle(100);
    await hive.settle(15_000);
    expect(states(hive, "worker-2")).to.deep.equal([
      "jid-1 QUEUED waiting",
      "jid-1 RUNNING scheduled",
      "jid-1 OK inline",
    ]);
  });

  it("goes on with what runs when the bridge was away for a moment, and tells no state twice", async () => {
    const bridge = await FakeBridge.start();
    bridge.executor().holding = true;
    const hive = await GpuHive.with(bridge);
    hive.spawn();
    hive.pass(100);
    give(hive, "worker-1", vadd("jid-1", [1], [2]));
    await hive.settle(100);
    hive.hangUp();
    await hive.settle(600);
    hive.dial(bridge);
    await hive.settle(3000);
    bridge.executor().held[0]!.finish();
    await hive.settle(100);
    await hive.settle(100);
    expect(states(hive, "worker-1")).to.deep.equal([
      "jid-1 QUEUED waiting",
      "jid-1 RUNNING scheduled",
      "jid-1 OK inline",
    ]);
  });

  it("loses what runs with a bridge that dies, and does what it is given when there is another one", async () => {
    const bridge = await FakeBridge.start();
    bridge.executor().holding = true;
    const hive = await GpuHive.with(bridge);
    hive.spawn();
    hive.pass(100);
    give(hive, "worker-1", vadd("jid-1", [1], [2]));
    await hive.settle(100);
    hive.hangUp();
    await hive.settle(12_000);
    expect(states(hive, "worker-1").at(-1)).to.equal("jid-1 ERR LOST the GPU bridge is away");
    give(hive, "worker-1", vadd("jid-2", [1], [2]));
    await hive.settle(1000);
    expect(states(hive, "worker-1").at(-1)).to.equal("jid-2 ERR BUSY the GPU bridge is away");
    hive.dial(await FakeBridge.start());
    await hive.settle(100);
    give(hive, "worker-1", vadd("jid-3", [1], [2]));
    await hive.settle(100);
    await hive.settle(100);
    expect(states(hive, "worker-1").at(-1)).to.equal("jid-3 OK inline");
  });

  it("is given no more than waits for it, and nothing that is no line of its", async () => {
    const hive = await GpuHive.with(await FakeBridge.start());
    hive.spawn();
    hive.order({ spawn: "heartbeat" });
    hive.pass(100);
    hive.queen.echo("pause\n", "/worker/worker-1/ctl");
    const given = Array.from({ length: 10 }, (_, i) => give(hive, "worker-1", vadd(`jid-${i}`, [i], [1])));
    expect(given.filter((why) => why === "").length).to.be.within(8, 9);
    expect(given.filter((why) => why !== "")).to.deep.equal(given.slice(given.indexOf("!EBUSY")));
    expect(give(hive, "worker-2", vadd("jid-1", [1], [2]))).to.equal("!EOPNOTSUPP");
    expect(give(hive, "worker-1", "x".repeat(6145))).to.equal("!EMSGSIZE");
    expect(give(hive, "worker-1", "")).to.equal("!EINVAL");
    hive.queen.echo("resume\n", "/worker/worker-1/ctl");
    for (let i = 0; i < 10; i++) await hive.settle(100);
    const accepted = given.filter((why) => why === "").length;
    expect(records(hive, "/worker/worker-1/result").map(({ job, state }) => [job, state].join(" "))).to.deep.equal(
      Array.from({ length: accepted }, (_, i) => `jid-${i} OK`),
    );
  });

  it("says why a job is refused, and has done nothing of it", async () => {
    const bridge = await FakeBridge.start();
    const hive = await GpuHive.with(bridge);
    hive.spawn();
    hive.pass(100);
    const good = vadd("jid-1", [1, 2], [3, 4]);
    for (const [job, why] of [
      [good.replace(/sha256:[0-9a-f]{4}/, "sha256:0000"), /^jid-1 ERR INVALID jid-1: .*hash/],
      [good.replace('"n":2', '"n":3'), /^jid-1 ERR INVALID jid-1: .*bytes/],
      [good.replace('"vadd"', '"vsub"'), /^jid-1 ERR INVALID .*kernel/],
      [good.replace('"n":2', '"n":0'), /^jid-1 ERR INVALID .*n /],
      [good.replace('"n":2', '"n":4294967296'), /^jid-1 ERR INVALID .*n /],
      ["{", /^ ERR INVALID /],
    ] as const) {
      expect(give(hive, "worker-1", job)).to.equal("");
      await hive.settle(100);
      expect(states(hive, "worker-1").at(-1), job).to.match(why);
    }
    expect(bridge.bridge.gpus[0]!.states.counters).to.include({ queued: 0, refused: 6 });
    expect(hive.told("audit").at(-1)).to.match(
      /^refused write path=\/gpu\/GPU-0\/job role=worker-gpu subject=worker-1 why=Invalid session=0$/,
    );
  });
});

describe("hive: a GPU bridge with more than it may have", () => {
  it("is used as far as that goes, and the log says so", async () => {
    const all = Array.from({ length: 18 }, (_, i) => ({ ...GPUS[0]!, id: `GPU-${i}` }));
    const hive = await GpuHive.with(await FakeBridge.start(all));
    expect(hive.told("gpu")).to.deep.equal(["left out: what is no GPU's id, or beyond 16"]);
    expect(hive.spawn({ gpu_id: "GPU-15" })).to.equal("");
    expect(hive.spawn({ gpu_id: "GPU-16" })).to.equal("!ENOENT");
  });
});
