/**
 * NVIDIA's GPUs: found by NVML, run on by CUDA. Both libraries come with the driver and are loaded here and not before, so a
 * machine without them gets one sentence.
 */
import type { Backend, Executor, GpuInfo } from "../../backend.ts";
import { OpenExecutors } from "../task.ts";
import { Cuda, CUDA_LIBRARY } from "./cuda.ts";
import { BackendUnavailable, CudaError } from "./errors.ts";
import { CudaExecutor } from "./executor.ts";
import { type Ffi, ffiOfThisMachine } from "./ffi.ts";
import { NVML_LIBRARY, readNvml } from "./nvml.ts";

export interface NvmlOptions {
  /** Name or path of the library; `libnvidia-ml.so.1` if absent. */
  readonly nvmlLibrary?: string;
  /** Name or path of the library; `libcuda.so.1` if absent. */
  readonly cudaLibrary?: string;
  /** How long the kernel of an aborted task may still run before the GPU is given up; 10 s if absent. */
  readonly endMs?: number;
  /** What calls the libraries; koffi if absent. @throws BackendUnavailable */
  readonly ffi?: () => Promise<Ffi>;
}

interface Usable {
  readonly info: GpuInfo;
  /** CUdevice */
  readonly device: number;
}

export class NvmlBackend implements Backend {
  readonly gpus: readonly GpuInfo[];
  /** A sentence for each GPU that is there and cannot be used. */
  readonly unusable: readonly string[];
  readonly #cuda: Cuda;
  readonly #devices: ReadonlyMap<string, number>;
  readonly #endMs: number;
  readonly #executors = new OpenExecutors();

  private constructor(cuda: Cuda, usable: readonly Usable[], unusable: readonly string[], endMs: number) {
    this.#cuda = cuda;
    this.gpus = usable.map(({ info }) => info);
    this.unusable = unusable;
    this.#devices = new Map(usable.map(({ info, device }) => [info.id, device]));
    this.#endMs = endMs;
  }

  /** @throws BackendUnavailable with one sentence if there is no GPU that could be used */
  static async discover(options: NvmlOptions = {}): Promise<NvmlBackend> {
    const { nvmlLibrary = NVML_LIBRARY, cudaLibrary = CUDA_LIBRARY, endMs = 10_000, ffi = ffiOfThisMachine } = options;
    const calls = await ffi();
    const report = readNvml(calls, nvmlLibrary);
    const unusable = [...report.silent];
    const usable: Usable[] = [];
    if (report.devices.length === 0) throw new BackendUnavailable(unusable[0] ?? "NVML finds no GPU in this machine");
    const cuda = new Cuda(calls, cudaLibrary);
    try {
      const devices = cuda.devices();
      for (const { index, name, uuid, memoryMb } of report.devices) {
        const device = devices.get(uuid);
        if (device === undefined) {
          // CUDA_VISIBLE_DEVICES, a MIG mode, or an architecture that this driver's CUDA has dropped.
          unusable.push(`GPU ${index}: ${name} (${uuid}) is not among those that CUDA can use`);
          continue;
        }
        const info: GpuInfo = {
          id: `GPU-${index}`,
          vendor: "NVIDIA",
          name,
          uuid,
          memoryMb,
          smCount: cuda.multiprocessors(device),
          driver: report.driver,
          runtime: `CUDA ${report.cuda}`,
          backend: "nvml",
        };
        usable.push({ info, device });
      }
    } catch (error) {
      if (error instanceof CudaError) throw new BackendUnavailable(error.message);
      throw error;
    }
    if (usable.length === 0) throw new BackendUnavailable(unusable[0] ?? "there is no GPU that CUDA can use");
    return new NvmlBackend(cuda, usable, unusable, endMs);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is to be a rejection
  async open(gpu: GpuInfo): Promise<Executor> {
    const device = this.#devices.get(gpu.id);
    if (device === undefined) throw new Error(`there is no ${gpu.id}`);
    return this.#executors.add(() => new CudaExecutor(this.#cuda, device, { endMs: this.#endMs }));
  }

  close(): Promise<void> {
    return this.#executors.close();
  }
}
