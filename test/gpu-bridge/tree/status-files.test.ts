import { expect } from "chai";
import type { Gpu } from "../../../gpu-bridge/gpu.ts";
import { O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, SETATTR_SIZE } from "../../../services/secure9p/constants.ts";
import { Visitor, WAITS } from "../../services/ninedoor/support.ts";
import { linesOf, settle, type StatusLine, testBridge, type TestBridge, vadd } from "../support.ts";

const DENIED = "!EPERM";
const OVER = "!ESHUTDOWN";

describe("status of a lessee", () => {
  let test: TestBridge;
  let gpu: Gpu;
  let hive: Visitor;
  beforeEach(async () => {
    test = await testBridge();
    gpu = test.bridge.gpus[0]!;
    hive = new Visitor(test.bridge.tree, "gpu-bridge");
  });
  afterEach(() => expect(hive.errors).to.deep.equal([]));

  const own = (worker: string, file: string): string => `GPU-0/lessee/${worker}/${file}`;
  const command = (line: string): string => hive.echo(`${line}\n`, "GPU-0/ctl");
  const lease = (worker: string, words = "mem_mb=16 streams=1 ttl_s=60"): string => command(`LEASE ${worker} ${words}`);
  const submit = (worker: string, fields: Record<string, unknown>): string =>
    hive.echo(`${JSON.stringify(fields)}\n`, own(worker, "job"));
  const shown = (lines: string): string[] =>
    linesOf<StatusLine>(lines).map(({ worker, job, state, detail }) => `${worker} ${job} ${state} ${detail}`);
  const status = (worker: string): string[] => shown(hive.cat(own(worker, "status")));

  it("has the states of its own jobs and why its lines were refused; the GPU's has everybody's", async () => {
    lease("worker-1");
    lease("worker-2");
    submit("worker-1", vadd("a"));
    submit("worker-2", vadd("b"));
    expect(submit("worker-2", vadd("c", { kernel: "fft" }))).to.equal("!EINVAL");
    await settle();
    expect(status("worker-1")).to.deep.equal([
      "worker-1 a QUEUED waiting",
      "worker-1 a RUNNING scheduled",
      "worker-1 a OK inline",
    ]);
    expect(status("worker-2")).to.have.members([
      "worker-2 b QUEUED waiting",
      "worker-2 b RUNNING scheduled",
      "worker-2 b OK inline",
      'worker-2  ERR INVALID /kernel must be vadd or matmul, not "fft"',
    ]);
    const all = shown(hive.cat("GPU-0/status"));
    expect(all).to.have.members([...status("worker-1"), ...status("worker-2")]);
    // The same lines, byte by byte.
    for (const worker of ["worker-1", "worker-2"]) {
      const lines = hive.cat("GPU-0/status").split("\n").filter((line) => line.includes(worker)); // prettier-ignore
      expect(hive.cat(own(worker, "status"))).to.equal(lines.map((line) => `${line}\n`).join(""));
    }
  });

  it("tells who waits, each of its own alone, and why a line is refused before the write is answered", () => {
    lease("worker-1");
    lease("worker-2");
    const [first, second] = ["worker-1", "worker-2"].map((worker) => {
      const fid = hive.opened(own(worker, "status.follow"));
      return hive.readLater(fid, 0);
    });
    submit("worker-1", vadd("a"));
    expect(first!.result).to.contain('"state":"QUEUED"');
    expect(second!.result).to.equal(WAITS);
    const order: string[] = [];
    const follow = hive.opened(own("worker-1", "status.follow"));
    const job = hive.opened(own("worker-1", "job"), O_WRONLY);
    const end = hive.size(follow) as number;
    hive.client.read(follow, end, 4096, (_, error) => order.push(`read ${error?.code ?? "told"}`));
    hive.pump();
    expect(order).to.deep.equal([]);
    const line = Buffer.from("{}\n");
    hive.client.write(job, 0, line, 0, line.length, (_, error) => order.push(`write ${error?.code ?? "taken"}`));
    hive.pump();
    expect(order).to.deep.equal(["read told", "write EINVAL"]);
    expect(shown(hive.read(follow, end))[0]).to.match(/^worker-1 {2}ERR INVALID /);
  });

  it("shows its lessee each line of its that is refused, and everybody only so many of them", () => {
    lease("worker-1");
    for (let i = 0; i < 100; i++) submit("worker-1", {});
    expect(status("worker-1")).to.have.length(100);
    expect(shown(hive.cat("GPU-0/status"))).to.have.length(16);
  });

  it("keeps the last 180 KiB, and says to a reader that it was overtaken", () => {
    lease("worker-1");
    const fid = hive.opened(own("worker-1", "status"));
    for (let i = 0; i < 2000; i++) submit("worker-1", {});
    const kept = hive.cat(own("worker-1", "status"));
    expect(kept.length).to.be.within(180 * 1024 - 4096, 180 * 1024);
    expect(hive.read(fid, 0)).to.equal("!ESTALE");
    expect(hive.read(fid, 0)).to.equal(kept.slice(0, 4096));
  });

  for (const [how, end] of [
    ["released", () => command("RELEASE worker-1")],
    ["reset", () => command("RESET")],
    ["expired", () => test.clock.pass(60_000)],
  ] as const) {
    it(`gives all that a lease was told when it is ${how}, and then Closed, to reads that wait too`, () => {
      test.executor.holding = true;
      lease("worker-1");
      for (const job of ["runs", "waits"]) submit("worker-1", vadd(job, { timeout_ms: 600_000 }));
      const follow = hive.opened(own("worker-1", "status.follow"));
      const plain = hive.opened(own("worker-1", "status"));
      const told = hive.size(follow) as number;
      const next = hive.readLater(follow, told);
      const beyond = hive.readLater(follow, told + 100_000);
      expect([next.result, beyond.result, hive.read(plain, told)]).to.deep.equal([WAITS, WAITS, ""]);
      end();
      hive.pump();
      expect(shown(next.result)).to.deep.equal(["worker-1 runs ERR REVOKED"]);
      expect(beyond.result).to.equal(OVER);
      for (const fid of [follow, plain]) {
        const size = hive.size(fid) as number;
        expect(shown(hive.read(fid, told))).to.deep.equal(["worker-1 runs ERR REVOKED", "worker-1 waits ERR REVOKED"]);
        expect([hive.read(fid, size), hive.read(fid, size, 0)]).to.deep.equal([OVER, OVER]);
        // What is open stays so until it is closed.
        expect(shown(hive.read(fid, 0))).to.have.length(5);
        expect(hive.clunk(fid)).to.equal("");
      }
      for (const file of ["status", "status.follow"]) expect(hive.open(own("worker-1", file))).to.equal(DENIED);
    });
  }

  it("is closed to who waits for a lease that ends without a line", () => {
    lease("worker-1");
    const waiting = hive.readLater(hive.opened(own("worker-1", "status.follow")), 0);
    expect(waiting.result).to.equal(WAITS);
    command("RELEASE worker-1");
    expect(waiting.result).to.equal(OVER);
  });

  it("ends in this order: the line of lease, those of its jobs, its blobs, and then what is open", () => {
    test.executor.holding = true;
    lease("worker-1");
    submit("worker-1", vadd("a", { outputs: ["blob/1"] }));
    hive.echo("some bytes", own("worker-1", "blob/0/in"));
    const order: string[] = [];
    const say = (what: string): void => void order.push(`${what}, blobs ${test.bridge.memory.used > 0}`);
    const ending = gpu.leases.of("worker-1")!;
    gpu.leaseRing.watch({ appended: () => say("lease") });
    ending.status.watch({ appended: () => say("status") });
    gpu.states.ring.watch({ appended: () => say("everybody's status") });
    ending.life.onEnd(() => order.push("over"));
    command("RELEASE worker-1");
    expect(order).to.deep.equal(["lease, blobs true", "status, blobs true", "everybody's status, blobs true", "over"]);
    expect(() => gpu.blobs(ending)).to.throw("over");
  });

  it("begins empty with each lease, and what was open of the one before stays that one's", async () => {
    lease("worker-1");
    submit("worker-1", vadd("first"));
    await settle();
    const old = hive.opened(own("worker-1", "status.follow"));
    const size = hive.size(old) as number;
    const { path, version } = hive.qid(own("worker-1", "status"));
    command("RELEASE worker-1");
    lease("worker-1");
    expect(hive.cat(own("worker-1", "status"))).to.equal("");
    expect(hive.size(hive.walk(own("worker-1", "status")) as number)).to.equal(0);
    const again = hive.qid(own("worker-1", "status"));
    expect(again.path).to.equal(path);
    expect(again.version).to.be.greaterThan(version);
    const waiting = hive.readLater(hive.opened(own("worker-1", "status.follow")), 0);
    submit("worker-1", vadd("second"));
    expect(shown(waiting.result)).to.deep.equal(["worker-1 second QUEUED waiting"]);
    expect(hive.size(old)).to.equal(size);
    expect(hive.read(old, size)).to.equal(OVER);
    expect(shown(hive.read(old, 0))).to.have.length(3);
  });

  it("is nobody's without a lease, and can be read alone", () => {
    for (const file of ["status", "status.follow"]) {
      expect(hive.open(own("worker-1", file)), file).to.equal(DENIED);
      const fid = hive.walk(own("worker-1", file)) as number;
      expect(hive.size(fid)).to.equal(0);
      expect(hive.walk(own("worker-1", `${file}/deeper`))).to.equal("!ENOENT");
    }
    lease("worker-1");
    for (const file of ["status", "status.follow"]) {
      for (const flags of [O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC]) {
        expect(hive.open(own("worker-1", file), flags), file).to.equal(DENIED);
      }
      const fid = hive.opened(own("worker-1", file));
      expect([hive.setattr(fid, SETATTR_SIZE), hive.read(fid, 0, 0)]).to.deep.equal([DENIED, ""]);
      expect(hive.write(fid, "x")).to.match(/^!/);
    }
    expect(hive.open(own("worker-2", "status"))).to.equal(DENIED);
    expect(hive.list(own("worker-1", ""))).to.deep.equal(["job", "blob", "status", "status.follow"]);
  });

  it("stands in a folder that lists exactly who holds a lease, in as many pages as it takes", () => {
    const workers = Array.from({ length: 16 }, (_, i) => `worker-${i}`);
    // Walked to before, with a lease and without one.
    for (const name of ["worker-7", "nobody"]) hive.clunk(hive.walk(own(name, "status")) as number);
    const listed = (): readonly string[] => {
      const pages = [60, 120, 4096].map((count) => hive.list("GPU-0/lessee", count) as string[]);
      expect(pages[0]).to.deep.equal(pages[2]);
      expect(pages[1]).to.deep.equal(pages[2]);
      return [...pages[0]!].sort();
    };
    expect(listed()).to.deep.equal([]);
    for (const worker of workers) expect(lease(worker)).to.match(/^\d+$/);
    expect(listed()).to.deep.equal([...workers].sort());
    command("RELEASE worker-3");
    command("RELEASE worker-15");
    lease("another");
    const now = ["another", ...workers.filter((worker) => worker !== "worker-3" && worker !== "worker-15")];
    expect(listed()).to.deep.equal([...now].sort());
    test.clock.pass(60_000);
    expect(listed()).to.deep.equal([]);
  });
});
