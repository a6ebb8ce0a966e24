/**
 * The calls of the CUDA driver API that are made, each checked: https://docs.nvidia.com/cuda/cuda-driver-api/. All of them are
 * made by the thread that loads the library, with the context pushed for as long as they take and popped before anybody waits.
 */
import type { Dimensions } from "../../backend.ts";
import { BackendUnavailable, CudaError, describe } from "./errors.ts";
import { CUDA_ERRORS } from "./cuda-errors.ts";
import { type Ffi, loadLibrary, type Value } from "./ffi.ts";
import type { LaunchLimits } from "./launch.ts";

export const CUDA_LIBRARY = "libcuda.so.1";

const SIGNATURES = {
  cuInit: ["uint"],
  cuDeviceGetCount: ["void *"],
  cuDeviceGet: ["void *", "int"],
  cuDeviceGetUuid_v2: ["void *", "int"],
  cuDeviceGetAttribute: ["void *", "int", "int"],
  cuCtxCreate_v2: ["void *", "uint", "int"],
  cuCtxDestroy_v2: ["void *"],
  cuCtxPushCurrent_v2: ["void *"],
  cuCtxPopCurrent_v2: ["void *"],
  cuModuleLoadData: ["void *", "void *"],
  cuModuleGetFunction: ["void *", "void *", "void *"],
  cuMemAlloc_v2: ["void *", "size_t"],
  cuMemFree_v2: ["uint64_t"],
  cuMemcpyHtoDAsync_v2: ["uint64_t", "void *", "size_t", "void *"],
  cuMemcpyDtoHAsync_v2: ["void *", "uint64_t", "size_t", "void *"],
  cuLaunchKernel: [
    ...["void *", "uint", "uint", "uint", "uint", "uint", "uint", "uint", "void *", "void *", "void *"],
  ] as ("void *" | "uint")[],
  cuStreamCreate: ["void *", "uint"],
  cuStreamQuery: ["void *"],
  cuStreamDestroy_v2: ["void *"],
} as const;

export type CudaCall = keyof typeof SIGNATURES;
/** An opaque pointer of the driver's. */
export type Handle = bigint;

/** CUdevice_attribute */
const ATTRIBUTE = {
  maxThreadsPerBlock: 1,
  maxBlock: [2, 3, 4],
  maxGrid: [5, 6, 7],
  multiprocessorCount: 16,
} as const;
/** CU_CTX_SCHED_BLOCKING_SYNC: where the driver has to wait it sleeps. */
const BLOCKING_SYNC = 4;
/** CU_STREAM_NON_BLOCKING: tasks do not wait for each other through the default stream. */
const NON_BLOCKING = 1;
const MAX_DEVICES = 64;

/** A parameter of a kernel: 64 bits wide if a bigint, else 32. */
export type Parameter = bigint | number;

function terminated(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

function uuidText(bytes: Uint8Array): string {
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `GPU-${hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")}`;
}

export class Cuda {
  readonly #ffi: Ffi;
  readonly #library: Readonly<Record<CudaCall, (...values: Value[]) => number>>;

  /** @throws BackendUnavailable if the library is not there or finds nothing to run on */
  constructor(ffi: Ffi, path: string) {
    this.#ffi = ffi;
    this.#library = loadLibrary(ffi, "CUDA", path, SIGNATURES);
    const code = this.#library.cuInit(0);
    if (code !== 0) throw new BackendUnavailable(describe(CUDA_ERRORS, "cuInit", code));
  }

  /** @throws CudaError */
  #call(name: CudaCall, ...values: Value[]): void {
    const code = this.#library[name](...values);
    if (code !== 0) throw new CudaError(describe(CUDA_ERRORS, name, code), code);
  }

  #handle(name: CudaCall, ...values: Value[]): Handle {
    const handle = new BigUint64Array(1);
    this.#call(name, handle, ...values);
    return handle[0] ?? 0n;
  }

  #number(name: CudaCall, ...values: Value[]): number {
    const number = new Int32Array(1);
    this.#call(name, number, ...values);
    return number[0] ?? 0;
  }

  /** CUdevice of each GPU that CUDA can use, by its UUID as NVML writes it. */
  devices(): Map<string, number> {
    const devices = new Map<string, number>();
    const count = Math.min(this.#number("cuDeviceGetCount"), MAX_DEVICES);
    for (let ordinal = 0; ordinal < count; ordinal++) {
      const device = this.#number("cuDeviceGet", ordinal);
      const uuid = new Uint8Array(16);
      this.#call("cuDeviceGetUuid_v2", uuid, device);
      devices.set(uuidText(uuid), device);
    }
    return devices;
  }

  #attribute(attribute: number, device: number): number {
    return this.#number("cuDeviceGetAttribute", attribute, device);
  }

  multiprocessors(device: number): number {
    return this.#attribute(ATTRIBUTE.multiprocessorCount, device);
  }

  limits(device: number): LaunchLimits {
    const three = ([x, y, z]: Dimensions): Dimensions => [
      this.#attribute(x, device),
      this.#attribute(y, device),
      this.#attribute(z, device),
    ];
    return {
      threads: this.#attribute(ATTRIBUTE.maxThreadsPerBlock, device),
      block: three(ATTRIBUTE.maxBlock),
      grid: three(ATTRIBUTE.maxGrid),
    };
  }

  /** It is current then, as after {@link push}. */
  createContext(device: number): Handle {
    return this.#handle("cuCtxCreate_v2", BLOCKING_SYNC, device);
  }

  /** Whatever was made in it goes with it. @returns whether the driver did it */
  destroyContext(context: Handle): boolean {
    return this.#library.cuCtxDestroy_v2(context) === 0;
  }

  push(context: Handle): void {
    this.#call("cuCtxPushCurrent_v2", context);
  }

  pop(): void {
    this.#handle("cuCtxPopCurrent_v2");
  }

  loadModule(ptx: string): Handle {
    return this.#handle("cuModuleLoadData", terminated(ptx));
  }

  functionOf(module: Handle, name: string): Handle {
    return this.#handle("cuModuleGetFunction", module, terminated(name));
  }

  allocate(bytes: number): Handle {
    return this.#handle("cuMemAlloc_v2", bytes);
  }

  free(memory: Handle): void {
    this.#call("cuMemFree_v2", memory);
  }

  createStream(): Handle {
    return this.#handle("cuStreamCreate", NON_BLOCKING);
  }

  destroyStream(stream: Handle): void {
    this.#call("cuStreamDestroy_v2", stream);
  }

  /** @param bytes of memory that is not pinned, so the driver has its own copy when this returns */
  copyIn(memory: Handle, bytes: Uint8Array, stream: Handle): void {
    this.#call("cuMemcpyHtoDAsync_v2", memory, bytes, bytes.length, stream);
  }

  /** @param stream idle: the driver waits for it otherwise */
  copyOut(bytes: Uint8Array, memory: Handle, stream: Handle): void {
    this.#call("cuMemcpyDtoHAsync_v2", bytes, memory, bytes.length, stream);
  }

  /** Puts a kernel on a stream and does not wait for it; the driver copies the parameters before it returns. */
  launch(kernel: Handle, grid: Dimensions, block: Dimensions, stream: Handle, parameters: readonly Parameter[]): void {
    const values = new BigUint64Array(parameters.map(BigInt));
    const base = this.#ffi.address(values);
    // Little-endian, so a 32-bit parameter is at the address of its 64 bits.
    const pointers = new BigUint64Array(parameters.map((_, index) => base + BigInt(8 * index)));
    this.#call("cuLaunchKernel", kernel, ...grid, ...block, 0, stream, pointers, null);
    // Keeps what the pointers point to until here.
    values.fill(0n);
  }

  /** @returns 0 when all is done, CUDA_ERROR_NOT_READY while it is not, else why it failed */
  query(stream: Handle): number {
    return this.#library.cuStreamQuery(stream);
  }

  failure(name: CudaCall, code: number): CudaError {
    return new CudaError(describe(CUDA_ERRORS, name, code), code);
  }
}
