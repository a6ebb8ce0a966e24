/**
 * What jobs of a GPU cost, from the least that there is upwards: an executor that is asked directly, the same jobs through a bridge's
 * tree over 9P in this process, and all the way: from the Queen through a hive and its worker to a bridge's process and back.
 */
import {
  type Backend,
  type Executor,
  type GpuInfo,
  inputBytes,
  type Kernel,
  outputBytes,
} from "../../gpu-bridge/backend.ts";
import { matmul, vadd } from "../../gpu-bridge/backends/arithmetic.ts";
import { CpuBackend } from "../../gpu-bridge/backends/cpu.ts";
import { Bridge } from "../../gpu-bridge/bridge.ts";
import type { BenchGpu, BenchJob } from "./bench-gpu.ts";
import { bridgedGpu } from "./bridged-gpu.ts";
import { type Keys, perSecond, throughput, warmUp } from "./door-measures.ts";
import type { Figure } from "./figures.ts";
import { withHiveGpu } from "./hive-gpu.ts";
import { median } from "./statistics.ts";

/** Has one job done and looks at its result. */
export type Submit = () => Promise<void>;

export interface GpuAmounts {
  /** Jobs of each kernel. */
  readonly vadds: number;
  readonly matmuls: number;
  /** Bytes that go through a blob, up to its 16 MiB. */
  readonly blobBytes: number;
}

export const GPU_AMOUNTS: GpuAmounts = { vadds: 2000, matmuls: 30, blobBytes: 16 * 1024 * 1024 };
export const HIVE_AMOUNTS: GpuAmounts = { vadds: 200, matmuls: 10, blobBytes: 1024 * 1024 };

/** Jobs under way at once: as many as a bridge runs. */
const AT_ONCE = 4;
const LEASE_MB = 64;
/** How often a blob is written and read; the median counts. */
const BLOB_TIMES = 5;
const VADD: Kernel = { kernel: "vadd", n: 4 };
export const VADD_JOB = jobOf(VADD);
const ALONE = ", the executor alone";
const THROUGH = "through the hive";
const MATMUL: Kernel = { kernel: "matmul", m: 256, k: 256, n: 256 };

export interface JobTimes {
  /** Milliseconds of each job. */
  readonly took: readonly number[];
  readonly perSecond: number;
}

/** So many jobs, `atOnce` of them at once, after some that do not count. @throws what a job throws, once nothing is under way */
export async function measureJobs(submit: Submit, jobs: number, atOnce: number): Promise<JobTimes> {
  const took: number[] = [];
  await lanes(warmUp(jobs), atOnce, submit);
  const since = performance.now();
  await lanes(jobs, atOnce, async () => {
    const begun = performance.now();
    await submit();
    took.push(performance.now() - begun);
  });
  return { took, perSecond: (jobs * 1000) / (performance.now() - since) };
}

async function lanes(jobs: number, atOnce: number, submit: Submit): Promise<void> {
  let left = jobs;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await submit();
  };
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, lane));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}

/** Jobs one after the other and several at once. @param what e.g. `vadd of 4, the executor alone` */
export async function jobFigures(what: string, submit: Submit, jobs: number): Promise<Figure[]> {
  const { took } = await measureJobs(submit, jobs, 1);
  const many = await measureJobs(submit, jobs, AT_ONCE);
  return [
    { name: `gpu: ${what} p50`, value: median(took), unit: "ms" },
    { name: `gpu: ${what}, 1 at once`, value: perSecond(took), unit: "/s" },
    { name: `gpu: ${what}, ${AT_ONCE} at once`, value: many.perSecond, unit: "/s" },
  ];
}

/** @param backend whose first GPU runs the jobs; it is closed with that */
export async function gpuFigures(
  amounts: GpuAmounts = GPU_AMOUNTS,
  backend: Backend = new CpuBackend(),
): Promise<Figure[]> {
  const jobs = benchJobs();
  const bridge = await Bridge.open(backend, { said: () => undefined });
  try {
    return [...(await alone(backend, jobs, amounts)), ...(await bridged(bridge, jobs, amounts))];
  } finally {
    await bridge.close();
  }
}

export interface HiveBench {
  /** Of the loopback, where the hive's console is. */
  readonly port: number;
  readonly keys: Keys;
  /** What the hive's process, if it is one of its own, has used of a processor so far. */
  readonly cpuSeconds?: () => number;
}

/** All the way, beside the executor alone on the same machine. */
export async function hiveGpuFigures(
  { port, keys, cpuSeconds }: HiveBench,
  amounts: GpuAmounts = HIVE_AMOUNTS,
): Promise<Figure[]> {
  const jobs = benchJobs();
  const backend = new CpuBackend();
  const least = await alone(backend, jobs, amounts).finally(() => backend.close());
  const all = await withHiveGpu({ port, keys, memMb: LEASE_MB, streams: AT_ONCE }, async (gpu) => [
    ...(await lesseeFigures(THROUGH, gpu, jobs, amounts)),
    ...(cpuSeconds === undefined ? [] : [await processor(cpuSeconds, () => gpu.inline(jobs.vadd), amounts.vadds)]),
  ]);
  const ratio = (what: string, of: string): Figure => ({
    name: `gpu: ${what} ${THROUGH}, of the executor alone`,
    value: valueOf(all, of) / valueOf(least, `gpu: ${what}${ALONE} p50`),
    unit: "times",
  });
  return [
    ...least,
    ...all,
    ratio("vadd of 4", `gpu: vadd of 4 ${THROUGH} p50`),
    ratio("matmul of 256", `gpu: matmul of 256 ${THROUGH}, blobs included, p50`),
  ];
}

/** What is not in that of a job's time is waiting. */
async function processor(cpuSeconds: () => number, submit: Submit, jobs: number): Promise<Figure> {
  const before = cpuSeconds();
  await lanes(jobs, 1, submit);
  const value = ((cpuSeconds() - before) * 1000) / jobs;
  return { name: `gpu: vadd of 4 ${THROUGH}, processor of the hive`, value, unit: "ms" };
}

function valueOf(figures: readonly Figure[], name: string): number {
  const figure = figures.find((one) => one.name === name);
  if (figure === undefined) throw new Error(`there is no figure ${name}`);
  return figure.value;
}

async function alone(backend: Backend, jobs: BenchJobs, amounts: GpuAmounts): Promise<Figure[]> {
  const executor = await backend.open(firstOf(backend));
  try {
    return [
      ...(await jobFigures(`vadd of 4${ALONE}`, () => run(executor, jobs.vadd), amounts.vadds)),
      ...(await jobFigures(`matmul of 256${ALONE}`, () => run(executor, jobs.matmul), amounts.matmuls)),
    ];
  } finally {
    await executor.close();
  }
}

function firstOf({ gpus: [gpu] }: Backend): GpuInfo {
  if (gpu === undefined) throw new Error("there is no GPU");
  return gpu;
}

async function bridged({ tree, gpus }: Bridge, jobs: BenchJobs, amounts: GpuAmounts): Promise<Figure[]> {
  const lessee = await bridgedGpu(tree, gpus[0]!.info.id, LEASE_MB, AT_ONCE);
  try {
    return await lesseeFigures("over 9P", lessee.gpu, jobs, amounts);
  } finally {
    lessee.close();
  }
}

async function lesseeFigures(where: string, gpu: BenchGpu, jobs: BenchJobs, amounts: GpuAmounts): Promise<Figure[]> {
  const figures = await jobFigures(`vadd of 4 ${where}`, () => gpu.inline(jobs.vadd), amounts.vadds);
  // Its blobs are filled anew for each, so there is one at a time.
  const { took } = await measureJobs(() => gpu.byBlobs(jobs.matmul), amounts.matmuls, 1);
  const bytes = jobs.matmul.input.length + jobs.matmul.result.length;
  figures.push(
    { name: `gpu: matmul of 256 ${where}, blobs included, p50`, value: median(took), unit: "ms" },
    { name: `gpu: matmul of 256 ${where}, blobs included`, value: bytes / median(took) / 1000, unit: "MB/s" },
  );
  return [...figures, ...(await blobFigures(where, gpu, amounts.blobBytes))];
}

async function blobFigures(where: string, gpu: BenchGpu, size: number): Promise<Figure[]> {
  const bytes = new Uint8Array(size).fill(1);
  const back = new Uint8Array(size);
  const figures: Figure[] = [];
  // The first time it grows, and that does not count.
  await gpu.put(bytes, AT_ONCE);
  for (const atOnce of [1, AT_ONCE]) {
    const puts: number[] = [];
    const gets: number[] = [];
    for (let time = 0; time < BLOB_TIMES; time++) {
      puts.push(await throughput(() => gpu.put(bytes, atOnce)));
      back.fill(0);
      gets.push(await throughput(() => gpu.get(back, atOnce)));
      if (Buffer.compare(back, bytes) !== 0) throw new Error("the blob has other bytes");
    }
    figures.push({ name: `gpu: writes of a blob ${where}, ${atOnce} at once`, value: median(puts), unit: "MB/s" });
    figures.push({ name: `gpu: reads of a blob ${where}, ${atOnce} at once`, value: median(gets), unit: "MB/s" });
  }
  return figures;
}

async function run(executor: Executor, { kernel, input, result }: BenchJob): Promise<void> {
  const got = await executor.run({ kernel, input }, new AbortController().signal);
  if (Buffer.compare(got, result) !== 0) throw new Error(`the executor's ${kernel.kernel} has another result`);
}

interface BenchJobs {
  readonly vadd: BenchJob;
  readonly matmul: BenchJob;
}

function benchJobs(): BenchJobs {
  return { vadd: VADD_JOB, matmul: jobOf(MATMUL) };
}

/** With numbers of which every sum is exact, so that all backends have the same result. */
function jobOf(kernel: Kernel): BenchJob {
  const input = Float32Array.from({ length: inputBytes(kernel) / 4 }, (_, i) => (i % 13) - 6);
  const { m, k, n } = kernel.kernel === "matmul" ? kernel : { m: 0, k: 0, n: kernel.n };
  const result = kernel.kernel === "matmul" ? matmul(input, m, k, n) : vadd(input, n);
  if (result.byteLength !== outputBytes(kernel)) throw new Error(`a result of ${result.byteLength} bytes`);
  return { kernel, input: new Uint8Array(input.buffer), result: new Uint8Array(result.buffer) };
}
