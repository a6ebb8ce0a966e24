/**
 * The one place that knows koffi, which calls C from JavaScript. It is an optional dependency, so it is loaded when a library is
 * wanted and not before, and its types are not leaned on: what is used of it is stated here.
 */
import { BackendUnavailable } from "./errors.ts";

/** A function of C that returns an int and takes what `Value` can be; arrays go as pointers to their own bytes. */
export type Native = (...values: Value[]) => number;
export type Value = number | bigint | null | Uint8Array | Uint32Array | Int32Array | BigUint64Array;
export type Type = "int" | "uint" | "size_t" | "uint64_t" | "void *";

interface Library {
  func(name: string, result: Type, parameters: readonly Type[]): Native;
}

export interface Ffi {
  load(path: string): Library;
  /** Of an array's own bytes, for as long as the array is there. */
  address(array: Uint8Array | Uint32Array | BigUint64Array): bigint;
  config(settings: { readonly sync_stack_size: number }): unknown;
}

/** The driver compiles kernels on the caller's stack; this is what Linux gives a program. */
const STACK_BYTES = 8 * 1024 * 1024;
const PACKAGE = "koffi";
let loaded: Promise<Ffi> | undefined;

async function loadKoffi(): Promise<Ffi> {
  const { default: ffi } = (await import(PACKAGE)) as { default: Ffi };
  try {
    ffi.config({ sync_stack_size: STACK_BYTES });
  } catch {
    // Something else has loaded a library before, and koffi's own size stays.
  }
  return ffi;
}

/** @throws BackendUnavailable if koffi is not installed or does not run here */
export async function ffiOfThisMachine(): Promise<Ffi> {
  try {
    return await (loaded ??= loadKoffi());
  } catch (error) {
    loaded = undefined;
    const [why] = (error instanceof Error ? error.message : String(error)).split("\n");
    throw new BackendUnavailable(`koffi, which NVML and CUDA are reached through, cannot be loaded: ${why}`);
  }
}

/**
 * @param what the library is, as a user calls it
 * @param signatures the parameters of each function; all of them return an int
 * @throws BackendUnavailable if the library is not there or lacks one of them
 */
export function loadLibrary<Name extends string>(
  ffi: Ffi,
  what: string,
  path: string,
  signatures: Readonly<Record<Name, readonly Type[]>>,
): Readonly<Record<Name, Native>> {
  let library: Library;
  try {
    library = ffi.load(path);
  } catch (error) {
    const why = (error instanceof Error ? error.message : String(error)).replace("Failed to load shared library: ", "");
    throw new BackendUnavailable(`${what} (${path}) cannot be loaded, so there is no NVIDIA driver here: ${why}`);
  }
  const functions: Partial<Record<Name, Native>> = {};
  for (const name of Object.keys(signatures) as Name[]) {
    try {
      functions[name] = library.func(name, "int", signatures[name]);
    } catch {
      throw new BackendUnavailable(`${what} (${path}) has no ${name}; the NVIDIA driver is too old for this bridge`);
    }
  }
  return functions as Record<Name, Native>;
}
