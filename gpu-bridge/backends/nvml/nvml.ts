/** What NVML knows of this machine's GPUs: https://docs.nvidia.com/deploy/nvml-api/. */
import { BackendUnavailable, describe } from "./errors.ts";
import { type Ffi, loadLibrary } from "./ffi.ts";
import { NVML_ERRORS } from "./nvml-errors.ts";

export const NVML_LIBRARY = "libnvidia-ml.so.1";

const SIGNATURES = {
  nvmlInit_v2: [],
  nvmlShutdown: [],
  nvmlSystemGetDriverVersion: ["void *", "uint"],
  nvmlSystemGetCudaDriverVersion_v2: ["void *"],
  nvmlDeviceGetCount_v2: ["void *"],
  nvmlDeviceGetHandleByIndex_v2: ["uint", "void *"],
  nvmlDeviceGetName: ["void *", "void *", "uint"],
  nvmlDeviceGetUUID: ["void *", "void *", "uint"],
  nvmlDeviceGetMemoryInfo: ["void *", "void *"],
} as const;

type Call = keyof typeof SIGNATURES;

/** NVML_DEVICE_NAME_V2_BUFFER_SIZE and NVML_DEVICE_UUID_V2_BUFFER_SIZE, the largest of all texts. */
const TEXT_BYTES = 96;
/** A machine with more is not one that this was made for; what is beyond is left out. */
const MAX_DEVICES = 64;
const MIB = 1024n * 1024n;

export interface NvmlDevice {
  readonly index: number;
  readonly name: string;
  /** `GPU-` and a UUID. */
  readonly uuid: string;
  readonly memoryMb: number;
}

export interface NvmlReport {
  /** e.g. `580.65.06` */
  readonly driver: string;
  /** The CUDA version that the driver goes up to, e.g. `13.0`. */
  readonly cuda: string;
  readonly devices: readonly NvmlDevice[];
  /** A sentence for each GPU that did not answer. */
  readonly silent: readonly string[];
}

function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const text = new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  // It goes into JSON lines and tables.
  return text.replace(/\p{Cc}/gu, " ").trim();
}

/** @throws BackendUnavailable with one sentence if the library, the driver or any answer is not there */
export function readNvml(ffi: Ffi, path: string): NvmlReport {
  const library = loadLibrary(ffi, "NVML", path, SIGNATURES);
  const call = (name: Call, ...values: Parameters<(typeof library)[Call]>): void => {
    const code = library[name](...values);
    if (code !== 0) throw new BackendUnavailable(describe(NVML_ERRORS, name, code));
  };
  const text = (name: Call, ...before: Parameters<(typeof library)[Call]>): string => {
    const bytes = new Uint8Array(TEXT_BYTES);
    call(name, ...before, bytes, TEXT_BYTES);
    return textOf(bytes);
  };
  call("nvmlInit_v2");
  try {
    const driver = text("nvmlSystemGetDriverVersion");
    const version = new Int32Array(1);
    call("nvmlSystemGetCudaDriverVersion_v2", version);
    const [cuda = 0] = version;
    const count = new Uint32Array(1);
    call("nvmlDeviceGetCount_v2", count);
    const devices: NvmlDevice[] = [];
    const silent: string[] = [];
    for (let index = 0; index < Math.min(count[0] ?? 0, MAX_DEVICES); index++) {
      try {
        const handle = new BigUint64Array(1);
        call("nvmlDeviceGetHandleByIndex_v2", index, handle);
        const device = handle[0] ?? 0n;
        const name = text("nvmlDeviceGetName", device);
        const uuid = text("nvmlDeviceGetUUID", device);
        // nvmlMemory_t: total, free, used.
        const memory = new BigUint64Array(3);
        call("nvmlDeviceGetMemoryInfo", device, memory);
        devices.push({ index, name, uuid, memoryMb: Number((memory[0] ?? 0n) / MIB) });
      } catch (error) {
        if (!(error instanceof BackendUnavailable)) throw error;
        silent.push(`GPU ${index}: ${error.message}`);
      }
    }
    // 1000 × major + 10 × minor.
    return { driver, cuda: `${Math.trunc(cuda / 1000)}.${Math.trunc((cuda % 1000) / 10)}`, devices, silent };
  } finally {
    // Nothing is open any more, so there is nothing that its failing could lose.
    library.nvmlShutdown();
  }
}
