/**
 * One WebAssembly instance of QuickJS with a memory of fixed size: it never grows, so views on it never detach.
 * Every machine, every rebuild of a machine's runtime and every component gets an instance of its own.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { countAllocations } from "./accounting.ts";
import { RELEASE_SYNC } from "quickjs-emscripten";
import type { EmscriptenModuleCallbacks } from "quickjs-emscripten";

const WASM_PAGE = 65536;
/** What the module's import of its memory asks for at least. */
const INITIAL_BYTES = 16 * 1024 * 1024;

/** The part of the library's C interface that is used here; every pointer is an offset into the memory. */
export interface Ffi {
  QTS_NewRuntime(): number;
  QTS_NewContext(rt: number, intrinsics: number): number;
  QTS_RuntimeSetMemoryLimit(rt: number, limit: number): void;
  QTS_RuntimeSetMaxStackSize(rt: number, bytes: number): void;
  QTS_RuntimeEnableInterruptHandler(rt: number): void;
  QTS_RuntimeComputeMemoryUsage(rt: number, ctx: number): number;
  QTS_Eval(ctx: number, code: number, length: number, name: string, detectModule: number, flags: number): number;
  QTS_Call(ctx: number, func: number, self: number, argc: number, argvPointers: number): number;
  QTS_ResolveException(ctx: number, value: number): number;
  QTS_Throw(ctx: number, error: number): number;
  QTS_IsJobPending(rt: number): number;
  QTS_ExecutePendingJob(rt: number, max: number, lastContext: number): number;
  QTS_NewObject(ctx: number): number;
  QTS_NewArray(ctx: number): number;
  QTS_NewArrayBuffer(ctx: number, pointer: number, length: number): number;
  QTS_NewString(ctx: number, utf8: number): number;
  QTS_GetString(ctx: number, value: number): number;
  QTS_FreeCString(ctx: number, utf8: number): void;
  QTS_GetProp(ctx: number, object: number, name: number): number;
  QTS_SetProp(ctx: number, object: number, name: number, value: number): void;
  QTS_GetGlobalObject(ctx: number): number;
  QTS_NewFunction(ctx: number, name: string, length: number, constructor: boolean, id: number): number;
  QTS_DupValuePointer(ctx: number, value: number): number;
  QTS_FreeValuePointer(ctx: number, value: number): void;
  QTS_Typeof(ctx: number, value: number): number;
  QTS_GetUndefined(): number;
}

export interface Instance {
  readonly ffi: Ffi;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  /** Memory outside the JavaScript heap's accounting. @returns 0 if there is none. */
  malloc(bytes: number): number;
  free(pointer: number): void;
}

let compiled: WebAssembly.Module | undefined;

/** The library's own WebAssembly file, found from the library: package managers may or may not hoist it. */
function quickjsModule(): WebAssembly.Module {
  if (!compiled) {
    const library = createRequire(import.meta.url).resolve("quickjs-emscripten");
    const file = createRequire(library).resolve("@jitl/quickjs-wasmfile-release-sync/wasm");
    compiled = new WebAssembly.Module(countAllocations(readFileSync(file)));
  }
  return compiled;
}

/**
 * @param bytes room for the JavaScript heap and what is allocated beside it; the interpreter's own 8 MiB come on top.
 */
export async function newInstance(bytes: number, callbacks: EmscriptenModuleCallbacks): Promise<Instance> {
  const wasm = quickjsModule();
  const pages = Math.ceil(Math.max(INITIAL_BYTES, bytes + INITIAL_BYTES / 2) / WASM_PAGE);
  const wasmMemory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const imported = await RELEASE_SYNC.importModuleLoader();
  const inner = "default" in imported ? imported.default : imported;
  const load = "default" in inner ? inner.default : inner;
  const FFI = await RELEASE_SYNC.importFFI();
  const module = await load({
    wasmMemory,
    instantiateWasm(imports, onSuccess) {
      const instance = new WebAssembly.Instance(wasm, imports);
      onSuccess(instance);
      return instance.exports;
    },
  });
  module.callbacks = callbacks;
  const { buffer } = wasmMemory;
  return {
    ffi: new FFI(module),
    u8: new Uint8Array(buffer),
    i32: new Int32Array(buffer),
    u32: new Uint32Array(buffer),
    f64: new Float64Array(buffer),
    malloc: (size) => module._malloc(size),
    free: (pointer) => {
      module._free(pointer);
    },
  };
}
