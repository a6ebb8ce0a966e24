/**
 * What every backend owes the bridge. A backend's test calls this with a way to make it; where it cannot run, the reason is the
 * name of the skipped suite.
 */

import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import { ExecutionError, inputBytes, type Backend, type Executor, type Kernel } from "../../../gpu-bridge/backend.ts";
import { MAX_TASKS } from "../../../gpu-bridge/backends/task.ts";
import { Random } from "../../fuzz/random.ts";
import { SEED } from "../../fuzz/seed.ts";
import { bytesOf, expectRefused, expectResult, floatsOf, randomFloats, rejection } from "./exact.ts";

export interface AcceptanceOptions {
  /** Why it cannot run here, if it cannot. */
  readonly skip?: string | undefined;
  /** Makes what is started from now on take longer than a few turns, or until it is aborted. @returns what undoes it */
  readonly hold?: () => () => void;
  /** After each test, with everything closed. */
  readonly afterwards?: () => void;
}

/** Takes seconds on a processor and milliseconds on a GPU. */
const LONG: Kernel = { kernel: "matmul", m: 2048, k: 1024, n: 2048 };
const SMALL: Kernel = { kernel: "matmul", m: 3, k: 4, n: 5 };

export function backendAcceptance(
  name: string,
  make: () => Backend | Promise<Backend>,
  { skip, hold, afterwards }: AcceptanceOptions = {},
): void {
  if (skip !== undefined) {
    describe.skip(`backend ${name}, skipped: ${skip}`, () => {
      it("runs tasks", () => undefined);
    });
    return;
  }

  describe(`backend ${name}`, () => {
    const random = new Random(SEED);
    const signal = new AbortController().signal;
    let backend: Backend;
    let executor: Executor;

    beforeEach(async () => {
      backend = await make();
      executor = await backend.open(backend.gpus[0]!);
    });

    afterEach(async () => {
      await backend.close();
      afterwards?.();
    });

    const randomInput = (kernel: Kernel): Float32Array => randomFloats(random, inputBytes(kernel) / 4);

    async function check(kernel: Kernel, input = randomInput(kernel)): Promise<void> {
      expectResult(kernel, input, await executor.run({ kernel, input: bytesOf(input) }, signal));
    }

    it("describes its GPUs, each with an identifier of its own", () => {
      expect(backend.gpus).to.not.be.empty;
      for (const gpu of backend.gpus) {
        expect(gpu.id).to.match(/^[A-Za-z0-9_-]+$/);
        for (const text of [gpu.vendor, gpu.name, gpu.uuid, gpu.driver, gpu.runtime])
          expect(text).to.match(/^\P{Cc}+$/u);
        expect(gpu.memoryMb).to.be.greaterThan(0);
        expect(gpu.smCount).to.be.greaterThan(0);
      }
      expect(new Set(backend.gpus.map(({ id }) => id)).size).to.equal(backend.gpus.length);
      expect(new Set(backend.gpus.map(({ uuid }) => uuid)).size).to.equal(backend.gpus.length);
    });

    it("opens no GPU that it does not have", async () => {
      const error = await rejection(backend.open({ ...backend.gpus[0]!, id: "GPU-none" }));
      expect(error).to.be.instanceOf(Error).with.property("message", "there is no GPU-none");
    });

    for (const n of [1, 2, 255, 256, 257, 4099]) it(`adds vectors of ${n}`, () => check({ kernel: "vadd", n }));

    const sizes = [
      [1, 1, 1],
      [1, 7, 1],
      [3, 1, 5],
      [16, 16, 16],
      [17, 31, 15],
      [33, 129, 65],
      [1, 300, 70],
      [301, 2, 1],
    ] as const;
    for (const [m, k, n] of sizes) {
      it(`multiplies ${m}×${k} by ${k}×${n}`, () => check({ kernel: "matmul", m, k, n }));
    }

    it("multiplies by the identity to the same bytes, in a grid that is stated", async () => {
      const n = 20;
      const kernel: Kernel = { kernel: "matmul", m: n, k: n, n };
      const a = randomFloats(random, n * n);
      const identity = Float32Array.from({ length: n * n }, (_, index) => (index % (n + 1) === 0 ? 1 : 0));
      const input = bytesOf(Float32Array.from([...a, ...identity]));
      const result = await executor.run({ kernel, grid: [2, 3, 1], block: [16, 8, 1], input }, signal);
      expect(floatsOf(result)).to.deep.equal(a);
    });

    it("takes the largest vectors", () => check({ kernel: "vadd", n: 2 ** 21 }));

    it("takes the largest matrices of each shape", async function () {
      this.timeout(60_000);
      await check({ kernel: "matmul", m: 2048, k: 1, n: 2048 });
      await check({ kernel: "matmul", m: 2 ** 22 - 1, k: 1, n: 1 });
      await check({ kernel: "matmul", m: 1, k: 1, n: 2 ** 22 - 1 });
      await check({ kernel: "matmul", m: 1, k: 2 ** 21, n: 1 });
    });

    it("lets NaN and infinities through", async () => {
      const a = [NaN, Infinity, -Infinity, 1, 3e38, -0];
      const b = [1, -1, Infinity, Infinity, 3e38, -0];
      await check({ kernel: "vadd", n: a.length }, Float32Array.from([...a, ...b]));
      // 2×2 by 2×2: NaN through a row, ∞ · 0, ∞ − ∞.
      await check({ kernel: "matmul", m: 2, k: 2, n: 2 }, Float32Array.from([NaN, 1, Infinity, Infinity, 0, 1, 1, -1]));
    });

    it("keeps what is too small to be normal", () =>
      check({ kernel: "vadd", n: 2 }, Float32Array.from([1e-45, 2 ** -130, 1e-45, 2 ** -131])));

    it("does not change its input, and takes one that stands within other bytes", async () => {
      const floats = randomInput(SMALL);
      const all = new Uint8Array(inputBytes(SMALL) + 5);
      all.set(bytesOf(floats), 3);
      const before = all.slice();
      expectResult(SMALL, floats, await executor.run({ kernel: SMALL, input: all.subarray(3, -2) }, signal));
      expect(all).to.deep.equal(before);
    });

    it("refuses input of another length", async () => {
      for (const length of [0, 1, inputBytes(SMALL) - 4, inputBytes(SMALL) + 1]) {
        const sentence = `matmul takes 128 bytes, not ${length}`;
        await expectRefused(executor.run({ kernel: SMALL, input: new Uint8Array(length) }, signal), sentence);
      }
      await check(SMALL);
    });

    it("refuses dimensions that are none, and those that are too large", async () => {
      const refused = (kernel: Kernel, sentence: string | RegExp): Promise<void> =>
        expectRefused(executor.run({ kernel, input: new Uint8Array(8) }, signal), sentence);
      for (const n of [0, -1, 1.5, NaN, 2 ** 53]) {
        await refused({ kernel: "vadd", n }, `n is ${n}, not a whole number from 1 on`);
        await refused({ kernel: "matmul", m: 1, k: n, n: 1 }, `k is ${n}, not a whole number from 1 on`);
      }
      await refused({ kernel: "vadd", n: 2 ** 21 + 1 }, "vadd of that size takes 16777224 bytes, more than 16777216");
      await refused(
        { kernel: "matmul", m: 2049, k: 1, n: 2048 },
        "matmul of that size gives 16785408 bytes, more than 16777216",
      );
      await refused(
        { kernel: "matmul", m: 2 ** 52, k: 2 ** 52, n: 1 },
        /^matmul of that size takes \d.* bytes, more than 16777216$/,
      );
    });

    it("starts nothing that is aborted already", async () => {
      const reason = new Error("too late");
      const task = { kernel: SMALL, input: new Uint8Array(inputBytes(SMALL)) };
      expect(await rejection(executor.run(task, AbortSignal.abort(reason)))).to.equal(reason);
      await check(SMALL);
    });

    it("ends a task that is aborted in the middle, for that reason, and goes on with others", async function () {
      this.timeout(60_000);
      const kernel = hold === undefined ? LONG : SMALL;
      const undo = hold?.();
      const reason = new Error("revoked");
      const abort = new AbortController();
      const running = executor.run({ kernel, input: new Uint8Array(inputBytes(kernel)) }, abort.signal);
      await nextTurn();
      abort.abort(reason);
      expect(await rejection(running)).to.equal(reason);
      undo?.();
      await check(SMALL);
    });

    it("runs several at once, each for itself, and refuses one too many", async () => {
      const kernels = Array.from({ length: MAX_TASKS }, (_, i): Kernel => {
        return i % 2 === 0 ? { kernel: "vadd", n: 100 + i } : { kernel: "matmul", m: i, k: 5, n: 9 };
      });
      const inputs = kernels.map(randomInput);
      const running = kernels.map((kernel, i) => executor.run({ kernel, input: bytesOf(inputs[i]!) }, signal));
      const over = executor.run({ kernel: SMALL, input: bytesOf(randomInput(SMALL)) }, signal);
      await expectRefused(over, `${MAX_TASKS} tasks run already`);
      const results = await Promise.all(running);
      results.forEach((result, i) => expectResult(kernels[i]!, inputs[i]!, result));
      await check(SMALL);
    });

    it("ends what runs when it is closed, and refuses everything after that", async function () {
      this.timeout(60_000);
      const kernel = hold === undefined ? LONG : SMALL;
      const undo = hold?.();
      const task = { kernel, input: new Uint8Array(inputBytes(kernel)) };
      const running = [executor.run(task, signal), executor.run(task, signal)].map(rejection);
      await nextTurn();
      await executor.close();
      undo?.();
      for (const error of await Promise.all(running)) {
        expect(error).to.be.instanceOf(ExecutionError).with.property("message", "the executor was closed");
      }
      await expectRefused(executor.run(task, signal), "the executor was closed");
      await executor.close();
    });

    it("lets executors of one GPU come and go beside each other", async () => {
      const other = await backend.open(backend.gpus[0]!);
      await other.close();
      await check(SMALL);
    });

    it("opens nothing once it is closed", async () => {
      await backend.close();
      const error = await rejection(backend.open(backend.gpus[0]!));
      expect(error).to.be.instanceOf(Error).with.property("message", "the backend was closed");
    });
  });
}
