/**
 * What a bridge needs of whatever has GPUs: which there are, and something that runs kernels on one. Everything that runs is one of
 * two kernels on 32-bit floats, so that every backend can be held to the same numbers.
 */

/** The largest input or result, in bytes. */
export const BLOB_BYTES = 16 * 1024 * 1024;
const FLOAT_BYTES = 4;

/** `a` and `b` of n floats each, one after the other → n floats, their sums. */
export interface VectorAdd {
  readonly kernel: "vadd";
  readonly n: number;
}

/** A of m×k floats, then B of k×n, both by rows → m×n floats, their product. */
export interface MatrixMultiply {
  readonly kernel: "matmul";
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

export type Kernel = VectorAdd | MatrixMultiply;
export type Dimensions = readonly [x: number, y: number, z: number];

export interface Task {
  readonly kernel: Kernel;
  /** Of the launch, where the backend has such; its own choice if absent. */
  readonly grid?: Dimensions;
  readonly block?: Dimensions;
  /** Exactly {@link inputBytes}, little-endian. */
  readonly input: Uint8Array;
}

/** What `/gpu/<id>/info` shows. */
export interface GpuInfo {
  /** e.g. `GPU-0`: letters, digits, `-` and `_`. */
  readonly id: string;
  readonly vendor: string;
  readonly name: string;
  readonly uuid: string;
  readonly memoryMb: number;
  readonly smCount: number;
  readonly driver: string;
  readonly runtime: string;
  readonly backend: "nvml" | "cpu" | "mock";
}

/** Why a task came to nothing, in one sentence without its end. */
export class ExecutionError extends Error {}

/** Runs tasks on one GPU. Several may be asked for at once; at most `streams` of the lease are. */
export interface Executor {
  /**
   * @returns the result, exactly {@link outputBytes}
   * @throws ExecutionError, or the signal's reason once it is aborted and nothing of the task runs any more
   */
  run(task: Task, signal: AbortSignal): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface Backend {
  readonly gpus: readonly GpuInfo[];
  /** @throws Error with one sentence */
  open(gpu: GpuInfo): Promise<Executor>;
  close(): Promise<void>;
}

/** What a kernel takes, in bytes; not a safe integer if its dimensions are absurd. */
export function inputBytes(kernel: Kernel): number {
  if (kernel.kernel === "vadd") return 2 * kernel.n * FLOAT_BYTES;
  return (kernel.m * kernel.k + kernel.k * kernel.n) * FLOAT_BYTES;
}

export function outputBytes(kernel: Kernel): number {
  return (kernel.kernel === "vadd" ? kernel.n : kernel.m * kernel.n) * FLOAT_BYTES;
}
