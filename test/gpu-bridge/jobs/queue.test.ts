import { expect } from "chai";
import { ExecutionError } from "../../../gpu-bridge/backend.ts";
import type { Gpu } from "../../../gpu-bridge/gpu.ts";
import { type BridgeLimits, INLINE_BYTES, LIMITS } from "../../../gpu-bridge/limits.ts";
import { STATUS_RING_BYTES } from "../../../gpu-bridge/leases/leases.ts";
import { bytesOf, hashed, linesOf, settle, type StatusLine, testBridge, type TestBridge, vadd } from "../support.ts";

describe("jobs of a GPU", () => {
  let test: TestBridge;
  let gpu: Gpu;
  async function begin(limits: Partial<BridgeLimits> = {}): Promise<void> {
    test = await testBridge(limits);
    gpu = test.bridge.gpus[0]!;
  }
  beforeEach(() => begin());

  function lease(worker: string, words = "mem_mb=64 streams=4 ttl_s=60"): void {
    expect(gpu.control(`LEASE ${worker} ${words}`)).to.equal(undefined);
  }

  function submit(worker: string, fields: Record<string, unknown>): string {
    return gpu.submit(gpu.leases.of(worker)!, JSON.stringify(fields))?.name ?? "taken";
  }

  function status(): StatusLine[] {
    const { ring } = gpu.states;
    let text = "";
    ring.send({ put: (bytes, start, length) => ((text += Buffer.from(bytes).toString("utf8", start, start + length)), length) }, ring.start, ring.end - ring.start); // prettier-ignore
    return linesOf<StatusLine>(text);
  }

  const states = (job: string): string[] =>
    status()
      .filter((line) => line.job === job)
      .map(({ state, detail }) => `${state} ${detail}`);
  /** In which order jobs started. */
  const started = (): string[] => status().flatMap(({ state, job }) => (state === "RUNNING" ? [job] : []));

  it("go through their states once and in order, and an inline result is in the last line with its hash", async () => {
    lease("worker-1");
    expect(submit("worker-1", vadd("jid-1"))).to.equal("taken");
    test.clock.pass(3);
    await settle();
    const result = bytesOf([11, 22]);
    const common = { job: "jid-1", worker: "worker-1" };
    expect(status()).to.deep.equal([
      { ...common, state: "QUEUED", detail: "waiting", ts_ms: 1_700_000_000_000 },
      { ...common, state: "RUNNING", detail: "scheduled", ts_ms: 1_700_000_000_000 },
      {
        ...common,
        state: "OK",
        detail: "inline",
        ts_ms: 1_700_000_000_003,
        result_b64: Buffer.from(result).toString("base64"),
        result_hash: hashed(result),
      },
    ]);
    expect(test.bridge.memory.used).to.equal(0);
    expect(test.clock.timers).to.equal(1);
  });

  it("have room in their lease's status for all that they can still say while nobody reads it", async () => {
    lease("worker-1");
    const { status: ring } = gpu.leases.of("worker-1")!;
    const n = INLINE_BYTES / 4;
    const input = bytesOf(Array.from({ length: 2 * n }, (_, i) => i));
    const largest = { params: { n }, bytes_hash: hashed(input), payload_b64: Buffer.from(input).toString("base64") };
    const { leaseWaiting, running } = LIMITS;
    const ids = Array.from({ length: leaseWaiting + running }, (_, i) => `${"j".repeat(60)}-${i}`);
    for (const id of ids) expect(submit("worker-1", vadd(id, largest))).to.equal("taken");
    const read = ring.end;
    for (let i = 0; i < ids.length; i++) {
      test.clock.pass(3);
      await settle();
    }
    expect(ids.map((id) => states(id).at(-1))).to.deep.equal(ids.map(() => "OK inline"));
    // And once more beside it, for what was not read before either.
    expect(2 * (ring.end - read)).to.be.within(100_000, STATUS_RING_BYTES);
    expect(ring.start).to.be.at.most(read);
  });

  it("are refused before anything runs if length or hash is another, and are heard of in a line of no job", () => {
    lease("worker-1");
    const short = bytesOf([1, 2, 10]);
    expect(submit("worker-1", vadd("a", { payload_b64: Buffer.from(short).toString("base64") }))).to.equal("Invalid");
    expect(submit("worker-1", vadd("b", { bytes_hash: `sha256:${"0".repeat(64)}` }))).to.equal("Invalid");
    expect(submit("worker-1", vadd("c", { kernel: "fft" }))).to.equal("Invalid");
    const inputs = { payload_b64: undefined, inputs: ["blob/0"], outputs: ["blob/0"] };
    expect(submit("worker-1", vadd("d", inputs))).to.equal("Invalid");
    expect(status().map(({ job, state, detail }) => `${job}|${state} ${detail}`)).to.deep.equal([
      "|ERR INVALID a: the input has 12 bytes, not 16",
      `|ERR INVALID b: the input's hash is ${hashed(bytesOf([1, 2, 10, 20]))}, not sha256:${"0".repeat(64)}`,
      '|ERR INVALID /kernel must be vadd or matmul, not "fft"',
      "|ERR INVALID d: the input has 0 bytes, not 16",
    ]);
    expect(test.executor.most).to.equal(0);
    expect(test.bridge.memory.used).to.equal(0);
    // Nothing is known of them, so each may come again as it should be.
    expect(submit("worker-1", vadd("a"))).to.equal("taken");
  });

  it("read several blobs one behind the other and leave their result in one", async () => {
    lease("worker-1");
    const { slots } = gpu.blobs(gpu.leases.of("worker-1")!);
    const [a, b] = [bytesOf([1, 2, 3, 4]), bytesOf([5, 6, 7, 8])];
    slots[3]!.in.write(0, a, 0, a.length);
    slots[1]!.in.write(0, b, 0, b.length);
    const fields = {
      kernel: "matmul",
      params: { m: 2, k: 2, n: 2 },
      bytes_hash: hashed(Buffer.concat([a, b])),
      payload_b64: undefined,
      inputs: ["blob/3", "blob/1"],
      outputs: ["blob/7"],
    };
    expect(submit("worker-1", vadd("m", fields))).to.equal("taken");
    await settle();
    const result = bytesOf([19, 22, 43, 50]);
    expect(slots[7]!.out?.bytes).to.deep.equal(result);
    const last = status().at(-1)!;
    expect([last.state, last.detail, last.result_hash]).to.deep.equal(["OK", "blob/7", hashed(result)]);
    expect(test.bridge.memory.used).to.equal(2 * 4096 + 16);
    gpu.control("RELEASE worker-1");
    expect(test.bridge.memory.used).to.equal(0);
  });

  it("end with TIMEOUT when they run too long, and their place is free when nothing of them runs", async () => {
    await begin({ running: 1 });
    lease("worker-1");
    test.executor.holding = test.executor.stubborn = true;
    submit("worker-1", vadd("slow", { timeout_ms: 50 }));
    submit("worker-1", vadd("next"));
    test.clock.pass(49);
    expect(states("slow")).to.have.length(2);
    test.clock.pass(1);
    expect(states("slow").at(-1)).to.equal("ERR TIMEOUT");
    expect(test.executor.held[0]!.signal.aborted).to.equal(true);
    await settle();
    // The time of one that waits does not run.
    test.clock.pass(5000);
    expect(states("next")).to.deep.equal(["QUEUED waiting"]);
    test.executor.held[0]!.finish();
    await settle();
    expect(states("slow")).to.deep.equal(["QUEUED waiting", "RUNNING scheduled", "ERR TIMEOUT"]);
    expect(states("next")).to.deep.equal(["QUEUED waiting", "RUNNING scheduled"]);
    test.executor.held[1]!.finish();
    await settle();
    expect(states("next").at(-1)).to.equal("OK inline");
    expect(gpu.jobs.counters.timeout).to.equal(1);
  });

  it("that wait or run end with REVOKED when their lease does, whichever way, and late results count nowhere", async () => {
    for (const [how, worker] of [["RELEASE w1", "w1"], ["RESET", "w2"], ["", "w3"]] as const) {
      await begin({ running: 1 });
      lease(worker);
      test.executor.holding = test.executor.stubborn = true;
      submit(worker, vadd("runs", { outputs: ["blob/0"] }));
      submit(worker, vadd("waits", { outputs: ["blob/0"] }));
      if (how === "") test.clock.pass(60_000);
      else expect(gpu.control(how)).to.equal(undefined);
      // The time of the job is shorter than that of the lease.
      const end = how === "" ? "ERR TIMEOUT" : "ERR REVOKED";
      expect(states("runs")).to.deep.equal(["QUEUED waiting", "RUNNING scheduled", end]);
      expect(states("waits")).to.deep.equal(["QUEUED waiting", "ERR REVOKED"]);
      test.executor.held[0]!.finish();
      await settle();
      expect(status()).to.have.length(5);
      expect([gpu.jobs.running, gpu.jobs.waiting, test.bridge.memory.used]).to.deep.equal([0, 0, 0]);
      expect(test.clock.timers).to.equal(0);
    } // prettier-ignore
  });

  it("end with what the backend says, and with what it should not have done", async () => {
    lease("worker-1");
    test.executor.holding = true;
    for (const job of ["says", "throws", "short"]) submit("worker-1", vadd(job));
    const [says, throws, short] = test.executor.held;
    says!.fail(new ExecutionError("the kernel met an illegal address"));
    throws!.fail(new TypeError("x is not a function\nat y"));
    short!.finish(new Uint8Array(3));
    await settle();
    expect(states("says").at(-1)).to.equal("ERR EXECUTION the kernel met an illegal address");
    expect(states("throws").at(-1)).to.equal("ERR BACKEND x is not a function?at y");
    expect(states("short").at(-1)).to.equal("ERR BACKEND it made 3 bytes, not 8");
    expect([gpu.jobs.running, gpu.jobs.counters.failed, test.bridge.memory.used]).to.deep.equal([0, 3, 0]);
  });

  it("have ids that are known as long as they wait, run, and for a while after; other leases have their own", async () => {
    await begin({ known: 2 });
    lease("worker-1");
    lease("worker-2");
    submit("worker-1", vadd("a"));
    expect(submit("worker-1", vadd("a"))).to.equal("Invalid");
    expect(submit("worker-2", vadd("a"))).to.equal("taken");
    await settle();
    expect(submit("worker-1", vadd("a"))).to.equal("Invalid");
    expect(states("").at(-1)).to.equal("ERR INVALID a: a is the id of a job that is known");
    submit("worker-1", vadd("b"));
    submit("worker-1", vadd("c"));
    await settle();
    expect(submit("worker-1", vadd("a"))).to.equal("taken");
  });

  it("are refused with Busy where too many wait, of one lease and of all, and nothing is lost", async () => {
    await begin({ running: 1, leaseWaiting: 2, waiting: 3 });
    lease("worker-1");
    lease("worker-2");
    test.executor.holding = true;
    for (const job of ["a", "b", "c"]) expect(submit("worker-1", vadd(job))).to.equal("taken");
    expect(submit("worker-1", vadd("d"))).to.equal("Busy");
    expect(states("").at(-1)).to.equal("ERR BUSY d: 2 of its jobs wait");
    expect(submit("worker-2", vadd("e"))).to.equal("taken");
    expect(submit("worker-2", vadd("f"))).to.equal("Busy");
    expect(states("").at(-1)).to.equal("ERR BUSY f: 3 jobs wait for the GPU");
    expect([gpu.jobs.counters.busy, gpu.jobs.waitingPeak]).to.deep.equal([2, 3]);
    for (let i = 0; i < 4; i++) {
      test.executor.held[i]!.finish();
      await settle();
    }
    expect(status().filter(({ state }) => state === "OK")).to.have.length(4);
    expect(submit("worker-1", vadd("d"))).to.equal("taken");
  });

  it("need memory: of the lease to be taken and to start, of the bridge for their results", async () => {
    await begin({ memoryBytes: 10_000 });
    lease("worker-1", "mem_mb=1 streams=4 ttl_s=60");
    const large = vadd("large", { params: { n: 100_000 }, outputs: ["blob/0"] });
    expect(submit("worker-1", large)).to.equal("Invalid");
    expect(states("").at(-1)).to.equal(
      "ERR INVALID large: input and result need more memory than the lease has, 1 MiB",
    );
    const blob = gpu.blobs(gpu.leases.of("worker-1")!).slots[0]!.in;
    const input = new Uint8Array(4096);
    blob.write(0, input, 0, input.length);
    test.executor.holding = true;
    const fields = {
      params: { n: 512 },
      payload_b64: undefined,
      inputs: ["blob/0"],
      outputs: ["blob/0"],
      bytes_hash: hashed(input),
    };
    // 4096 for the blob, 2048 for each result.
    expect(submit("worker-1", vadd("a", fields))).to.equal("taken");
    expect(submit("worker-1", vadd("b", fields))).to.equal("taken");
    expect(submit("worker-1", vadd("c", fields))).to.equal("Busy");
    expect(states("").at(-1)).to.equal("ERR BUSY c: no memory is left for the result");
    expect(blob.write(0, input, 0, 1)?.name).to.equal("Busy");
    for (const held of test.executor.held) held.finish();
    await settle();
    expect(test.bridge.memory.used).to.equal(4096 + 2048);
    expect(blob.write(0, input, 0, 1)).to.equal(undefined);
  });

  it("cannot take the memory of other leases", async () => {
    await begin({ leaseMemoryBytes: 5000, memoryBytes: 10_000 });
    lease("worker-1");
    lease("worker-2");
    const [own, others] = ["worker-1", "worker-2"].map((worker) => gpu.blobs(gpu.leases.of(worker)!).slots);
    expect(own![0]!.in.write(0, new Uint8Array(1), 0, 1)).to.equal(undefined);
    expect(own![1]!.in.write(0, new Uint8Array(1), 0, 1)?.name).to.equal("Busy");
    expect(others![0]!.in.write(0, new Uint8Array(1), 0, 1)).to.equal(undefined);
    expect(test.bridge.memory.used).to.equal(2 * 4096);
    gpu.control("RESET");
    expect(test.bridge.memory.used).to.equal(0);
  });

  it("run as many at once as the lease has streams, in their order", async () => {
    lease("worker-1", "mem_mb=64 streams=2 ttl_s=60");
    test.executor.holding = true;
    for (const job of ["a", "b", "c", "d"]) submit("worker-1", vadd(job));
    expect(started()).to.deep.equal(["a", "b"]);
    test.executor.held[1]!.finish();
    await settle();
    expect(started()).to.deep.equal(["a", "b", "c"]);
    expect(test.executor.most).to.equal(2);
  });

  it("of leases that always have some waiting start by their weights, and none starves", async () => {
    await begin({ running: 1, leaseWaiting: 100, waiting: 300 });
    lease("high", "mem_mb=64 streams=4 ttl_s=60 priority=3");
    lease("low", "mem_mb=64 streams=4 ttl_s=60");
    for (let i = 0; i < 60; i++) {
      submit("low", vadd(`low-${i}`));
      submit("high", vadd(`high-${i}`));
    }
    while (started().length < 50) await settle();
    const first = started().slice(0, 50);
    expect(first.filter((job) => job.startsWith("high"))).to.have.length.within(38, 41);
    for (let i = 0; i + 6 <= 50; i++) expect(first.slice(i, i + 6).some((job) => job.startsWith("low"))).to.equal(true);
  });

  it("of a lease that was idle save nothing up, and a priority that changes holds for what waits", async () => {
    await begin({ running: 1, leaseWaiting: 100, waiting: 300 });
    lease("a");
    lease("b");
    test.executor.holding = true;
    const step = async (): Promise<void> => {
      test.executor.held.at(-1)!.finish();
      await settle();
    };
    for (let i = 0; i < 30; i++) submit("a", vadd(`a-${i}`));
    for (let i = 0; i < 10; i++) await step();
    for (let i = 0; i < 30; i++) submit("b", vadd(`b-${i}`));
    const share = async (steps: number): Promise<number> => {
      const before = started().length;
      for (let i = 0; i < steps; i++) await step();
      return started()
        .slice(before)
        .filter((job) => job.startsWith("b")).length;
    };
    expect(await share(8)).to.equal(4);
    expect(gpu.control("PRIORITY b 2")).to.equal(undefined);
    expect(await share(12)).to.be.within(8, 10);
  });

  it("that are refused without end are counted, and a ring is not full of them", () => {
    lease("worker-1");
    for (let i = 0; i < 1000; i++) submit("worker-1", vadd("bad id"));
    expect(status()).to.have.length(16);
    expect(gpu.states.counters).to.deep.include({ refused: 1000, refused_unshown: 984, err: 0 });
    test.clock.pass(1000);
    submit("worker-1", vadd("bad id"));
    expect(status()).to.have.length(17);
  });
});
