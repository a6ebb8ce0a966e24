import { expect } from "chai";
import { type Backend, ExecutionError, type Executor } from "../../../gpu-bridge/backend.ts";
import { MockBackend } from "../../../gpu-bridge/backends/mock.ts";
import { gpuFigures, jobFigures, measureJobs } from "../../../scripts/lib/gpu-bench.ts";

const FEW = { vadds: 6, matmuls: 2, blobBytes: 100_000 };

/** A mock backend whose results go through a function. */
function changed(change: (result: Uint8Array, nth: number) => Uint8Array): Backend & { closed: boolean } {
  const mock = new MockBackend({ gpus: 1 });
  let nth = 0;
  return {
    gpus: mock.gpus,
    closed: false,
    async open(gpu): Promise<Executor> {
      const executor = await mock.open(gpu);
      return {
        run: async (task, signal) => change(await executor.run(task, signal), nth++),
        close: () => executor.close(),
      };
    },
    close() {
      this.closed = true;
      return mock.close();
    },
  };
}

async function failure(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "none",
    (error: unknown) => (error as Error).message,
  );
}

describe("benchmark of jobs", function () {
  this.timeout(30_000);

  it("measures the processor's executor alone and through a bridge, and its blobs", async () => {
    const figures = await gpuFigures(FEW);
    expect(figures.map(({ name, unit }) => `${name} ${unit}`)).to.deep.equal([
      "gpu: vadd of 4, the executor alone p50 ms",
      "gpu: vadd of 4, the executor alone, 1 at once /s",
      "gpu: vadd of 4, the executor alone, 4 at once /s",
      "gpu: matmul of 256, the executor alone p50 ms",
      "gpu: matmul of 256, the executor alone, 1 at once /s",
      "gpu: matmul of 256, the executor alone, 4 at once /s",
      "gpu: vadd of 4 over 9P p50 ms",
      "gpu: vadd of 4 over 9P, 1 at once /s",
      "gpu: vadd of 4 over 9P, 4 at once /s",
      "gpu: matmul of 256 over 9P, blobs included, p50 ms",
      "gpu: matmul of 256 over 9P, blobs included MB/s",
      "gpu: writes of a blob over 9P, 1 at once MB/s",
      "gpu: reads of a blob over 9P, 1 at once MB/s",
      "gpu: writes of a blob over 9P, 4 at once MB/s",
      "gpu: reads of a blob over 9P, 4 at once MB/s",
    ]);
    for (const { name, value } of figures) expect(value, name).to.be.within(Number.MIN_VALUE, Number.MAX_VALUE);
  });

  it("has no figure of a result that is wrong, be it the executor's or what the bridge has of it", async () => {
    const spoil = (result: Uint8Array): Uint8Array => result.map((byte, at) => (at === 2 ? byte ^ 1 : byte));
    const alone = changed(spoil);
    expect(await failure(gpuFigures(FEW, alone))).to.equal("the executor's vadd has another result");
    expect(alone.closed).to.equal(true);
    // What runs alone comes first: so many warm up and so many count, once one by one and once beside each other.
    const direct = 4 * (FEW.vadds + FEW.matmuls);
    const bridged = changed((result, nth) => (nth < direct ? result : spoil(result)));
    expect(await failure(gpuFigures(FEW, bridged))).to.equal("jid-1 has another result");
    const later = changed((result, nth) => (nth < direct + 4 * FEW.vadds ? result : spoil(result)));
    expect(await failure(gpuFigures(FEW, later))).to.equal(`jid-${4 * FEW.vadds + 1} has another result`);
  });

  it("ends with what a job says that came to nothing", async () => {
    const direct = 4 * (FEW.vadds + FEW.matmuls);
    const broken = changed((result, nth) => {
      if (nth < direct + 3) return result;
      throw new ExecutionError("the fan stands still");
    });
    expect(await failure(gpuFigures(FEW, broken))).to.equal("jid-4 came to nothing: EXECUTION the fan stands still");
    expect(broken.closed).to.equal(true);
  });

  it("has exactly so many jobs under way, and waits for those beside one that fails", async () => {
    let under = 0;
    let most = 0;
    let done = 0;
    const submit = async (): Promise<void> => {
      most = Math.max(most, ++under);
      await new Promise((resolve) => setImmediate(resolve));
      under--;
      done++;
    };
    const { took, perSecond } = await measureJobs(submit, 10, 3);
    expect([took.length, most, done, under]).to.deep.equal([10, 3, 20, 0]);
    expect(perSecond).to.be.greaterThan(0);
    const failing = async (): Promise<void> => {
      await submit();
      if (done === 25) throw new Error("one fails");
    };
    expect(await failure(measureJobs(failing, 10, 4))).to.equal("one fails");
    expect(under).to.equal(0);
    expect((await jobFigures("x", submit, 3)).map(({ name }) => name)).to.deep.equal([
      "gpu: x p50",
      "gpu: x, 1 at once",
      "gpu: x, 4 at once",
    ]);
  });
});
