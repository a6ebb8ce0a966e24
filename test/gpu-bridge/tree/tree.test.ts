import { expect } from "chai";
import { JOB_LINE_BYTES } from "../../../gpu-bridge/limits.ts";
import { O_RDWR, O_TRUNC, O_WRONLY, SETATTR_SIZE } from "../../../services/secure9p/constants.ts";
import { Visitor, WAITS } from "../../services/ninedoor/support.ts";
import {
  bytesOf,
  hashed,
  INFO,
  linesOf,
  settle,
  type StatusLine,
  testBridge,
  type TestBridge,
  vadd,
} from "../support.ts";

const READ_WRITE = O_RDWR;

describe("a bridge's tree over 9P", () => {
  let test: TestBridge;
  let hive: Visitor;
  beforeEach(async () => {
    test = await testBridge({}, [INFO, { ...INFO, id: "GPU-1" }]);
    hive = new Visitor(test.bridge.tree, "gpu-bridge");
    expect(hive.attached).to.equal("");
  });
  afterEach(() => expect(hive.errors).to.deep.equal([]));

  const lease = (worker: string, gpu = "GPU-0"): string =>
    hive.echo(`LEASE ${worker} mem_mb=64 streams=2 ttl_s=60\n`, `${gpu}/ctl`);
  const line = (fields: unknown): string => `${JSON.stringify(fields)}\n`;
  const states = (gpu = "GPU-0"): string[] =>
    linesOf<StatusLine>(hive.cat(`${gpu}/status`)).map(({ job, state }) => `${job} ${state}`);
  const result = (path: string): string => hive.cat(path);

  it("has a folder for each GPU, with all its files", () => {
    expect(hive.list("")).to.deep.equal(["GPU-0", "GPU-1"]);
    const files = [
      "info",
      "ctl",
      "lease",
      "lease.follow",
      "status",
      "status.follow",
      "job",
      "blob",
      "lessee",
      "counters",
    ];
    expect(hive.list("GPU-1")).to.deep.equal(files);
    expect(hive.list("GPU-1/blob", 60)).to.deep.equal(["0", "1", "2", "3", "4", "5", "6", "7"]);
    expect(hive.list("GPU-1/blob/7")).to.deep.equal(["in", "out"]);
    for (const path of [
      "GPU-2",
      "GPU-0/jobs",
      "GPU-0/blob/8",
      "GPU-0/blob/0/in/x",
      "GPU-0/info/x",
      "GPU-0/lessee/a b",
    ]) {
      expect(hive.open(path), path).to.equal("!ENOENT");
    }
    for (const path of ["", "GPU-0", "GPU-0/info", "GPU-0/lease", "GPU-0/status", "GPU-0/counters"]) {
      expect(hive.open(path, O_WRONLY), path).to.be.oneOf(["!EPERM", "!EINVAL"]);
    }
  });

  it("says what a GPU is", () => {
    const { uuid, vendor, name } = INFO;
    expect(JSON.parse(hive.cat("GPU-0/info"))).to.deep.equal({
      vendor,
      name,
      uuid,
      memory_mb: 1024,
      sm_count: 4,
      driver: "1.0",
      runtime: "2.0",
      backend: "mock",
    });
  });

  it("takes what the Queen writes to ctl, a line at a time, and says in lease what became of it", () => {
    const ctl = hive.opened("GPU-0/ctl", O_WRONLY | O_TRUNC);
    expect(hive.write(ctl, "LEASE worker-1 mem_mb=64 ")).to.equal("25");
    expect(hive.write(ctl, "streams=2 ttl_s=60 priority=5\n")).to.equal("30");
    expect(hive.write(ctl, "LEASE worker-2 mem_mb=1000 streams=1 ttl_s=1\n")).to.equal("!EBUSY");
    expect(hive.write(ctl, "LEASE worker-2 mem_mb=2000 streams=1 ttl_s=1\n")).to.equal("!EINVAL");
    expect(hive.write(ctl, "RELEASE worker-2\n")).to.equal("!ENOENT");
    expect(hive.write(ctl, `RELEASE ${"x".repeat(2000)}\n`)).to.equal("!EMSGSIZE");
    expect(hive.write(ctl, Uint8Array.of(0xff, 0x0a))).to.equal("!EINVAL");
    expect(hive.write(ctl, "PRIORITY worker-1 9\n")).to.equal("20");
    expect(hive.write(ctl, "RELEASE worker-1\n")).to.equal("17");
    // Never came to an end.
    hive.write(ctl, "RESET");
    hive.clunk(ctl);
    const common = {
      schema: "gpu-lease/v1",
      gpu_id: "GPU-0",
      worker_id: "worker-1",
      mem_mb: 64,
      streams: 2,
      ttl_s: 60,
    };
    expect(linesOf(hive.cat("GPU-0/lease"))).to.deep.equal([
      { ...common, state: "ACTIVE", priority: 5 },
      { ...common, state: "ACTIVE", priority: 9 },
      { ...common, state: "RELEASED", priority: 9 },
    ]);
    expect(test.said).to.deep.equal([
      "GPU-0: leased to worker-1 for 60 s",
      "GPU-0: refused: mem_mb=1000 is more than is free, 960",
      "GPU-0: refused: mem_mb=2000 is more than the GPU has, 1024",
      "GPU-0: refused: worker-2 holds no lease",
      "GPU-0: worker-1's lease is released",
    ]);
    expect(hive.cat("GPU-1/lease")).to.equal("");
  });

  it("runs a job whose input and result are blobs, and tells a follower of each state", async () => {
    lease("worker-1");
    const input = bytesOf([1, 2, 3, 4, 5, 6, 7, 8]);
    const blob = hive.opened("GPU-0/blob/0/in", READ_WRITE);
    expect(hive.write(blob, input.subarray(20), 20)).to.equal("12");
    expect(hive.write(blob, input.subarray(0, 20), 0)).to.equal("20");
    expect(hive.size(blob)).to.equal(32);
    const follow = hive.opened("GPU-0/status.follow");
    const waiting = hive.readLater(follow, 0);
    expect(waiting.result).to.equal(WAITS);
    const fields = {
      params: { n: 4 },
      bytes_hash: hashed(input),
      payload_b64: undefined,
      inputs: ["blob/0"],
      outputs: ["blob/1"],
    };
    const job = line(vadd("jid-1", fields));
    expect(hive.echo(job, "GPU-0/job")).to.equal(String(job.length));
    hive.pump();
    expect(waiting.result).to.contain('"state":"QUEUED"');
    await settle();
    expect(states()).to.deep.equal(["jid-1 QUEUED", "jid-1 RUNNING", "jid-1 OK"]);
    const sums = bytesOf([6, 8, 10, 12]);
    expect(result("GPU-0/blob/1/out")).to.equal(Buffer.from(sums).toString("utf8"));
    expect(linesOf<StatusLine>(hive.cat("GPU-0/status")).at(-1)!.result_hash).to.equal(hashed(sums));
    expect(hive.size(hive.walk("GPU-0/blob/1/out") as number)).to.equal(16);
    expect(hive.open("GPU-0/blob/1/out", O_WRONLY)).to.equal("!EPERM");
  });

  it("takes a job of 6 KiB in pieces, and none that is longer, half or no text", () => {
    lease("worker-1");
    const job = hive.opened("GPU-0/job", O_WRONLY);
    const whole = line(vadd("long")).replace(/\n$/, "").padEnd(JOB_LINE_BYTES);
    expect(hive.write(job, `${whole.slice(0, 4000)}`)).to.equal("4000");
    expect(hive.write(job, `${whole.slice(4000)}\n`)).to.equal(String(JOB_LINE_BYTES - 4000 + 1));
    expect(hive.write(job, `${whole} \n`)).to.equal("!EMSGSIZE");
    expect(hive.write(job, Uint8Array.of(0x22, 0xff, 0x0a))).to.equal("!EINVAL");
    // Two at once: one is taken, and the client sends the rest again.
    const two = line(vadd("a")) + line(vadd("b"));
    expect(hive.write(job, two)).to.equal(String(line(vadd("a")).length));
    hive.write(job, JSON.stringify(vadd("half")));
    hive.clunk(job);
    expect(states().filter((state) => state.endsWith("QUEUED"))).to.deep.equal(["long QUEUED", "a QUEUED"]);
    expect(hive.echo(line(vadd("again")), "GPU-0/job", O_WRONLY | O_TRUNC)).to.match(/^\d+$/);
    expect(hive.read(hive.opened("GPU-0/job"), 0)).to.equal("");
  });

  it("gives nobody job and blobs without a lease, and closes what is open when the lease ends", () => {
    const paths = ["GPU-0/job", "GPU-0/blob/0/in", "GPU-0/blob/0/out"];
    for (const path of paths) expect(hive.open(path), path).to.equal("!EPERM");
    for (const end of ["RELEASE worker-1\n", "RESET\n", ""]) {
      expect(lease("worker-1")).to.match(/^\d+$/);
      const job = hive.opened("GPU-0/job", O_WRONLY);
      const blob = hive.opened("GPU-0/blob/0/in", READ_WRITE);
      const out = hive.opened("GPU-0/blob/0/out");
      hive.write(blob, "secret");
      if (end === "") test.clock.pass(60_000);
      else hive.echo(end, "GPU-0/ctl");
      expect(hive.write(job, line(vadd("late")))).to.equal("!ESHUTDOWN");
      expect(hive.write(blob, "x")).to.equal("!ESHUTDOWN");
      expect(hive.read(blob, 0)).to.equal("!ESHUTDOWN");
      expect(hive.setattr(blob, SETATTR_SIZE, 0)).to.equal("!ESHUTDOWN");
      expect(hive.read(out, 0)).to.equal("!ESHUTDOWN");
      for (const path of paths) expect(hive.open(path), path).to.equal("!EPERM");
      for (const fid of [job, blob, out]) expect(hive.clunk(fid)).to.equal("");
    }
    expect(states()).to.deep.equal([]);
    // What was written to the old lease's blobs is not the next one's, nor are its fids.
    lease("worker-2");
    expect(hive.cat("GPU-0/blob/0/in")).to.equal("");
    expect(test.bridge.memory.used).to.equal(0);
  });

  it("has a folder for each of several lessees, which is theirs alone", async () => {
    const job = line(vadd("jid-1"));
    expect(hive.open("GPU-0/lessee/worker-1/job", O_WRONLY)).to.equal("!EPERM");
    lease("worker-1");
    const alone = hive.opened("GPU-0/job", O_WRONLY);
    lease("worker-2");
    expect(hive.list("GPU-0/lessee")).to.deep.equal(["worker-1", "worker-2"]);
    // Nobody can tell whose it would be; what was opened before is the first one's still.
    expect(hive.open("GPU-0/job", O_WRONLY)).to.equal("!EPERM");
    expect(hive.open("GPU-0/blob/0/in", O_WRONLY)).to.equal("!EPERM");
    hive.write(alone, job);
    hive.echo(job, "GPU-0/lessee/worker-2/job");
    hive.echo("one", "GPU-0/lessee/worker-1/blob/0/in");
    hive.echo("two", "GPU-0/lessee/worker-2/blob/0/in");
    expect(hive.cat("GPU-0/lessee/worker-1/blob/0/in")).to.equal("one");
    expect(hive.cat("GPU-0/lessee/worker-2/blob/0/in")).to.equal("two");
    await settle();
    const seen = linesOf<StatusLine>(hive.cat("GPU-0/status")).filter(({ state }) => state === "OK");
    expect(seen.map(({ worker }) => worker)).to.deep.equal(["worker-1", "worker-2"]);
    const [first, second] = ["worker-1", "worker-2"].map((name) => hive.opened(`GPU-0/lessee/${name}/blob/0/in`));
    hive.echo("RELEASE worker-1\n", "GPU-0/ctl");
    expect(hive.read(first!, 0)).to.equal("!ESHUTDOWN");
    expect(hive.read(second!, 0)).to.equal("two");
    expect(hive.open("GPU-0/lessee/worker-1/job", O_WRONLY)).to.equal("!EPERM");
    expect(hive.list("GPU-0/lessee")).to.deep.equal(["worker-2"]);
    expect(hive.cat("GPU-0/blob/0/in")).to.equal("two");
  });

  it("keeps its files the same while leases come and go, and forgets names that nobody leases to", () => {
    lease("worker-1");
    const own = hive.qid("GPU-0/lessee/worker-1/job").path;
    const job = hive.qid("GPU-0/job").path;
    for (let i = 0; i < 300; i++) hive.clunk(hive.walk(`GPU-0/lessee/other-${i}/job`) as number);
    hive.echo("RESET\n", "GPU-0/ctl");
    lease("worker-1");
    expect(hive.qid("GPU-0/lessee/worker-1/job").path).to.equal(own);
    expect(hive.qid("GPU-0/job").path).to.equal(job);
    hive.echo("RESET\n", "GPU-0/ctl");
    for (let i = 0; i < 300; i++) hive.clunk(hive.walk(`GPU-0/lessee/more-${i}/job`) as number);
    expect(hive.qid("GPU-0/lessee/worker-1/job").path).to.not.equal(own);
  });

  it("gives a blob's file another version with each change, and lets it be cut as a shell does", async () => {
    lease("worker-1");
    const version = (path: string): number => hive.qid(path).version;
    const before = version("GPU-0/blob/2/in");
    hive.echo("some words", "GPU-0/blob/2/in");
    expect(version("GPU-0/blob/2/in")).to.be.greaterThan(before);
    hive.echo("few", "GPU-0/blob/2/in", O_WRONLY | O_TRUNC);
    expect(hive.cat("GPU-0/blob/2/in")).to.equal("few");
    const fid = hive.opened("GPU-0/blob/2/in", READ_WRITE);
    expect(hive.setattr(fid, SETATTR_SIZE, 2)).to.equal("");
    expect(hive.setattr(fid, SETATTR_SIZE, 2 ** 30)).to.equal("!EMSGSIZE");
    expect(hive.write(fid, "x", 16 * 1024 * 1024)).to.equal("!EMSGSIZE");
    expect(hive.read(fid, 0)).to.equal("fe");
    const empty = version("GPU-0/blob/2/out");
    hive.echo(line(vadd("a", { outputs: ["blob/2"] })), "GPU-0/job");
    await settle();
    const one = hive.opened("GPU-0/blob/2/out");
    expect(version("GPU-0/blob/2/out")).to.be.greaterThan(empty);
    const sums = hive.read(one, 0);
    const more = { outputs: ["blob/2"], ...other() };
    hive.echo(line(vadd("b", more)), "GPU-0/job");
    await settle();
    // Who reads a result reads that one to its end.
    expect(hive.read(one, 0)).to.equal(sums);
    expect(result("GPU-0/blob/2/out")).to.not.equal(sums);
  });

  it("counts what it did and refused", async () => {
    lease("worker-1");
    hive.echo(line(vadd("a")), "GPU-0/job");
    hive.echo(line(vadd("a")), "GPU-0/job");
    await settle();
    const counters = new Map(hive.cat("GPU-0/counters").split("\n").map((text) => text.split(" ") as [string, string])); // prettier-ignore
    expect(counters.get("leases_active")).to.equal("1");
    expect(counters.get("states_ok")).to.equal("1");
    expect(counters.get("states_refused")).to.equal("1");
    expect(counters.get("memory_used")).to.equal("0");
  });

  it("says 16 sentences at once and one a second, how many it left out, and counts them", () => {
    const leftOut = (): string | undefined => /^said_left_out (\d+)$/m.exec(hive.cat("GPU-0/counters"))?.[1];
    for (let i = 1; i <= 8; i++) {
      lease("worker-1");
      hive.echo("RELEASE worker-1\n", "GPU-0/ctl");
    }
    expect(test.said).to.have.length(16);
    expect(test.said.join()).to.not.contain("left out");
    expect(leftOut()).to.equal("0");
    for (let i = 1; i <= 13; i++) expect(hive.echo("RELEASE worker-1\n", "GPU-0/ctl")).to.equal("!ENOENT");
    // Another GPU has a rate of its own.
    lease("worker-1", "GPU-1");
    expect(leftOut()).to.equal("13");
    test.clock.pass(1000);
    lease("worker-1");
    lease("worker-2");
    test.clock.pass(2000);
    for (const worker of ["worker-1", "worker-2", "worker-3"]) hive.echo(`RELEASE ${worker}\n`, "GPU-0/ctl");
    expect(test.said.slice(16)).to.deep.equal([
      "GPU-1: leased to worker-1 for 60 s",
      "GPU-0: leased to worker-1 for 60 s (13 more left out)",
      "GPU-0: worker-1's lease is released (1 more left out)",
      "GPU-0: worker-2's lease is released",
    ]);
    expect(leftOut()).to.equal("15");
    expect(linesOf(hive.cat("GPU-0/lease"))).to.have.length(20);
  });

  it("goes on for the next connection, and is closed as a whole", async () => {
    lease("worker-1");
    test.executor.holding = true;
    hive.echo(line(vadd("a")), "GPU-0/job");
    hive.session.close();
    hive = new Visitor(test.bridge.tree);
    expect(states()).to.deep.equal(["a QUEUED", "a RUNNING"]);
    await test.bridge.close();
    expect(states().at(-1)).to.equal("a ERR");
    expect(test.executor.closed).to.equal(true);
    expect(test.clock.timers).to.equal(0);
  });
});

function other(): Record<string, unknown> {
  const input = bytesOf([5, 6, 7, 8]);
  return { bytes_hash: hashed(input), payload_b64: Buffer.from(input).toString("base64") };
}
