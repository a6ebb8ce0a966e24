import { expect } from "chai";
import { inputBytes, type Executor, type Task } from "../../../gpu-bridge/backend.ts";
import { NvmlBackend, type NvmlOptions } from "../../../gpu-bridge/backends/nvml/backend.ts";
import { CUDA_ERRORS } from "../../../gpu-bridge/backends/nvml/cuda-errors.ts";
import { BackendUnavailable } from "../../../gpu-bridge/backends/nvml/errors.ts";
import { ffiOfThisMachine } from "../../../gpu-bridge/backends/nvml/ffi.ts";
import { NVML_ERRORS } from "../../../gpu-bridge/backends/nvml/nvml-errors.ts";
import { backendAcceptance } from "./backend.acceptance.ts";
import { bytesOf, expectRefused, expectResult, rejection } from "./exact.ts";
import { StubLibraries } from "./stub-libraries.ts";

const skip = await StubLibraries.missing();
const stubs = skip === undefined ? await StubLibraries.build() : undefined;

function discover(options: NvmlOptions = {}): Promise<NvmlBackend> {
  return NvmlBackend.discover({ ...stubs, ...options });
}

function expectNothingLeft({ mayWait = false } = {}): void {
  if (stubs === undefined) return;
  expect(stubs.ask("nvml.live"), "uses of NVML").to.equal(0);
  expect(stubs.ask("cuda.live"), "contexts, modules, streams and memory").to.equal(0);
  expect(stubs.ask("cuda.current"), "contexts that are current").to.equal(0);
  if (!mayWait) expect(stubs.ask("cuda.waits"), "calls that waited for a kernel").to.equal(0);
}

async function expectUnavailable(promise: Promise<unknown>, sentence: string | RegExp): Promise<void> {
  const error = await rejection(promise);
  expect(error).to.be.instanceOf(BackendUnavailable);
  if (typeof sentence === "string") expect((error as Error).message).to.equal(sentence);
  else expect((error as Error).message).to.match(sentence);
}

backendAcceptance("nvml and CUDA over stub libraries", discover, {
  skip,
  hold: () => {
    stubs?.set("POLLS", 100);
    return () => stubs?.unset("POLLS");
  },
  afterwards: () => {
    expectNothingLeft();
    expect(stubs?.ask("cuda.orphans"), "streams and memory that went with their context").to.equal(0);
    stubs?.reset();
  },
});

after(() => stubs?.remove());

(stubs === undefined ? describe.skip : describe)("NvmlBackend", () => {
  const libraries = stubs!;
  const signal = new AbortController().signal;
  const floats = Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  const task: Task = { kernel: { kernel: "matmul", m: 2, k: 2, n: 2 }, input: bytesOf(floats) };

  async function expectWorks(executor: Executor): Promise<void> {
    expectResult(task.kernel, floats, await executor.run(task, signal));
  }

  afterEach(() => libraries.reset());

  it("tells what NVML knows, and the multiprocessors of the GPU that CUDA knows by the same UUID", async () => {
    const backend = await discover();
    expect(backend.gpus).to.deep.equal(
      [0, 1].map((index) => ({
        id: `GPU-${index}`,
        vendor: "NVIDIA",
        name: `Stub GPU ${index}`,
        uuid: `GPU-c0ffee00-1234-5678-9abc-00000000000${index}`,
        memoryMb: 24 * 1024 + index,
        smCount: 100 + index,
        driver: "580.65.06",
        runtime: "CUDA 13.0",
        backend: "nvml",
      })),
    );
    expect(backend.unusable).to.deep.equal([]);
    expectNothingLeft();
  });

  it("leaves out a GPU that CUDA does not have, and says so", async () => {
    libraries.set("CUDA_GPUS", 1);
    const backend = await discover();
    expect(backend.gpus.map(({ id }) => id)).to.deep.equal(["GPU-1"]);
    const uuid = "GPU-c0ffee00-1234-5678-9abc-000000000000";
    expect(backend.unusable).to.deep.equal([`GPU 0: Stub GPU 0 (${uuid}) is not among those that CUDA can use`]);
    const executor = await backend.open(backend.gpus[0]!);
    await expectWorks(executor);
    await backend.close();
    expectNothingLeft();
  });

  it("leaves out a GPU that does not answer, and goes on with the others", async () => {
    libraries.fail("nvmlDeviceGetName=15@1");
    const backend = await discover();
    expect(backend.gpus.map(({ id }) => id)).to.deep.equal(["GPU-1"]);
    expect(backend.unusable).to.deep.equal([
      "GPU 0: nvmlDeviceGetName: the GPU has fallen off the bus or is no longer reachable (NVML_ERROR_GPU_IS_LOST, 15)",
    ]);
    await backend.close();
  });

  it("says in a sentence that there is no koffi, no library, no driver, no function or no GPU", async () => {
    const noKoffi = new BackendUnavailable("koffi cannot be loaded");
    await expectUnavailable(discover({ ffi: () => Promise.reject(noKoffi) }), noKoffi.message);
    await expectUnavailable(
      discover({ nvmlLibrary: "/nowhere/libnvidia-ml.so.1" }),
      /^NVML \(\/nowhere\/libnvidia-ml\.so\.1\) cannot be loaded, so there is no NVIDIA driver here: [^\n]+$/,
    );
    await expectUnavailable(
      discover({ cudaLibrary: "/nowhere/libcuda.so.1" }),
      /^CUDA \(\/nowhere\/libcuda\.so\.1\) cannot be loaded, so there is no NVIDIA driver here: [^\n]+$/,
    );
    await expectUnavailable(
      discover({ cudaLibrary: libraries.nvmlLibrary }),
      `CUDA (${libraries.nvmlLibrary}) has no cuInit; the NVIDIA driver is too old for this bridge`,
    );
    libraries.fail("nvmlInit_v2=9");
    await expectUnavailable(
      discover(),
      "nvmlInit_v2: the NVIDIA driver is not loaded (NVML_ERROR_DRIVER_NOT_LOADED, 9)",
    );
    libraries.unset("FAIL");
    libraries.set("GPUS", 0);
    await expectUnavailable(discover(), "NVML finds no GPU in this machine");
    libraries.set("GPUS", 1);
    libraries.set("CUDA_GPUS", 0);
    await expectUnavailable(discover(), "cuInit: no GPU that CUDA could use was found (CUDA_ERROR_NO_DEVICE, 100)");
    expectNothingLeft();
  });

  it("has a sentence for every code of NVML", async () => {
    for (const [code, [name, sentence]] of Object.entries(NVML_ERRORS)) {
      libraries.fail(`nvmlDeviceGetCount_v2=${code}`);
      await expectUnavailable(discover(), `nvmlDeviceGetCount_v2: ${sentence} (${name}, ${code})`);
    }
    libraries.fail("nvmlInit_v2=77");
    await expectUnavailable(discover(), "nvmlInit_v2 failed with code 77, which is none of those that are known");
    expectNothingLeft();
  });

  it("has a sentence for every code of CUDA, and works again after each", async () => {
    const backend = await discover();
    const executor = await backend.open(backend.gpus[0]!);
    for (const [code, [name, sentence]] of Object.entries(CUDA_ERRORS)) {
      libraries.fail(`cuMemAlloc_v2=${code}`);
      await expectRefused(executor.run(task, signal), `cuMemAlloc_v2: ${sentence} (${name}, ${code})`);
      expect(libraries.ask("cuda.live_work"), `after ${name}`).to.equal(0);
      libraries.unset("FAIL");
      await expectWorks(executor);
    }
    libraries.fail("cuMemAlloc_v2=12345");
    const unknown = "cuMemAlloc_v2 failed with code 12345, which is none of those that are known";
    await expectRefused(executor.run(task, signal), unknown);
    await backend.close();
    expectNothingLeft();
  });

  const nvmlCalls = [
    ...["nvmlInit_v2", "nvmlSystemGetDriverVersion", "nvmlSystemGetCudaDriverVersion_v2", "nvmlDeviceGetCount_v2"],
    ...["nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetName", "nvmlDeviceGetUUID", "nvmlDeviceGetMemoryInfo"],
  ];
  const discoveryCalls = ["cuInit", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetUuid_v2", "cuDeviceGetAttribute"];
  for (const call of [...nvmlCalls, ...discoveryCalls]) {
    it(`finds nothing and leaves nothing if ${call} fails`, async () => {
      libraries.fail(`${call}=999`);
      await expectUnavailable(discover(), new RegExp(`${call}: something went wrong within the driver`));
      expectNothingLeft();
    });
  }

  it("does not mind that NVML cannot be shut down", async () => {
    libraries.fail("nvmlShutdown=999");
    await (await discover()).close();
    expectNothingLeft();
  });

  const openCalls = [
    "cuDeviceGetAttribute",
    "cuCtxCreate_v2",
    "cuModuleLoadData",
    "cuModuleGetFunction",
    "cuCtxPopCurrent_v2",
  ];
  for (const call of openCalls) {
    it(`opens nothing and leaves nothing if ${call} fails`, async () => {
      const backend = await discover();
      libraries.fail(`${call}=801`);
      const error = (await rejection(backend.open(backend.gpus[0]!))) as Error;
      expect(error.message).to.equal(
        `${call}: the GPU or the driver does not offer this (CUDA_ERROR_NOT_SUPPORTED, 801)`,
      );
      expectNothingLeft();
      libraries.unset("FAIL");
      await expectWorks(await backend.open(backend.gpus[0]!));
      await backend.close();
      expectNothingLeft();
    });
  }

  /** How often a task makes each call. After {@link RELEASE}, the last one of all, it has its result already. */
  const RELEASE = 7;
  const taskCalls = [
    ["cuCtxPushCurrent_v2", RELEASE],
    ["cuCtxPopCurrent_v2", RELEASE],
    ["cuStreamCreate", 1],
    ["cuMemAlloc_v2", 2],
    ["cuMemcpyHtoDAsync_v2", 1],
    ["cuLaunchKernel", 1],
    ["cuStreamQuery", 4],
    ["cuMemcpyDtoHAsync_v2", 1],
  ] as const;
  for (const [call, times] of taskCalls) {
    // One that concerns the call, and one after which the context is lost.
    for (const code of [801, 719]) {
      it(`gives everything back when ${call} fails with ${code}, and works again`, async () => {
        const backend = await discover();
        const executor = await backend.open(backend.gpus[0]!);
        for (let time = 1; time <= times; time++) {
          libraries.countAnew();
          libraries.fail(`${call}=${code}@${time}`);
          if (time === RELEASE) await expectWorks(executor);
          else await expectRefused(executor.run(task, signal), new RegExp(`^${call}: .*, ${code}\\)$`));
          libraries.unset("FAIL");
          expect(libraries.ask("cuda.live_work"), `after call ${time}`).to.equal(0);
          await expectWorks(executor);
        }
        await backend.close();
        // Of these two it cannot be known whether the kernel still runs.
        const mayWait = call === "cuCtxPopCurrent_v2" || call === "cuStreamQuery" || call === "cuCtxPushCurrent_v2";
        expectNothingLeft({ mayWait });
      });
    }
  }

  it("makes each call as often as these tests think", async () => {
    const backend = await discover();
    const executor = await backend.open(backend.gpus[0]!);
    for (const [call, times] of taskCalls) {
      libraries.countAnew();
      libraries.fail(`${call}=801@${times + 1}`);
      await expectWorks(executor);
      await expectRefused(executor.run(task, signal), /801/);
    }
    await backend.close();
  });

  for (const [call, times] of [
    ["cuMemFree_v2", 2],
    ["cuStreamDestroy_v2", 1],
  ] as const) {
    it(`gives the context back with what ${call} does not, once nothing runs in it`, async () => {
      const backend = await discover();
      const executor = await backend.open(backend.gpus[0]!);
      for (let time = 1; time <= times; time++) {
        libraries.countAnew();
        libraries.fail(`${call}=801@${time}`);
        await Promise.all([expectWorks(executor), expectWorks(executor)]);
        expect(libraries.ask("cuda.live"), "before there is another task").to.equal(0);
        await expectWorks(executor);
      }
      await backend.close();
      expectNothingLeft();
    });
  }

  it("closes although a context cannot be destroyed", async () => {
    const backend = await discover();
    await backend.open(backend.gpus[0]!);
    libraries.fail("cuCtxDestroy_v2=709");
    await backend.close();
    expect(libraries.ask("cuda.live")).to.equal(2);
  });

  it("tells the task alone that there is no new context, and tries again for the next one", async () => {
    const backend = await discover();
    const executor = await backend.open(backend.gpus[0]!);
    libraries.fail("cuStreamQuery=700@1");
    await expectRefused(executor.run(task, signal), /CUDA_ERROR_ILLEGAL_ADDRESS/);
    libraries.fail("cuModuleLoadData=222");
    await expectRefused(executor.run(task, signal), /^cuModuleLoadData: the driver is too old for the kernels/);
    libraries.unset("FAIL");
    await expectWorks(executor);
    await backend.close();
    expectNothingLeft({ mayWait: true });
  });

  it("fails one of two tasks when the context is lost, and keeps it until the other one is through", async () => {
    const backend = await discover();
    const executor = await backend.open(backend.gpus[0]!);
    libraries.countAnew();
    // Each asks its stream once before the other one's turn.
    libraries.fail("cuStreamQuery=719@2");
    await Promise.all([expectWorks(executor), expectRefused(executor.run(task, signal), /CUDA_ERROR_LAUNCH_FAILED/)]);
    expect(libraries.ask("cuda.live")).to.equal(0);
    await expectWorks(executor);
    await backend.close();
    expectNothingLeft({ mayWait: true });
  });

  it("says that the GPU has no memory left, to those that get none", async () => {
    const backend = await discover();
    const executor = await backend.open(backend.gpus[0]!);
    libraries.set("MEMORY", inputBytes(task.kernel) + 16 + 8);
    const both = [expectWorks(executor), expectRefused(executor.run(task, signal), /CUDA_ERROR_OUT_OF_MEMORY/)];
    await Promise.all(both);
    await expectWorks(executor);
    await backend.close();
    expectNothingLeft();
  });

  it("gives a GPU up whose kernel does not end, without ever waiting for it", async () => {
    const backend = await discover({ endMs: 5 });
    const executor = await backend.open(backend.gpus[0]!);
    const other = await backend.open(backend.gpus[1]!);
    libraries.set("POLLS", -1);
    const abort = new AbortController();
    const running = executor.run(task, abort.signal);
    abort.abort(new Error("revoked"));
    const sentence = "a kernel did not end within 5 ms after it was aborted; the bridge has to be started again";
    await expectRefused(running, sentence);
    libraries.unset("POLLS");
    await expectRefused(executor.run(task, signal), sentence);
    await expectWorks(other);
    await backend.close();
    expect(libraries.ask("cuda.waits")).to.equal(0);
    expect(libraries.ask("cuda.live_work"), "what the kernel still uses").to.equal(3);
  });

  it("lets two GPUs work at once, each in its own context", async () => {
    const backend = await discover();
    const executors = await Promise.all(backend.gpus.map((gpu) => backend.open(gpu)));
    await Promise.all([...executors, ...executors].map(expectWorks));
    await backend.close();
    expectNothingLeft();
  });

  it("reaches the libraries by koffi, which is loaded once", async () => {
    expect(await ffiOfThisMachine()).to.equal(await ffiOfThisMachine());
  });
});
