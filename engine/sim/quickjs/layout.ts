/**
 * Where QuickJS keeps what its C interface does not tell: the type and data of typed arrays, the length of strings, the
 * heap's counters. `verifyLayout` proves every offset with probe values before the first guest runs, so an update of the
 * library that moves one fails with a sentence instead of reading wrong memory.
 */
import type { Instance } from "./instance.ts";

/** JSValue with NaN boxing (quickjs.h): the tag is the upper word. */
export const TAG_FIRST = -9;
export const TAG_STRING = -7;
export const TAG_STRING_ROPE = -6;
export const TAG_OBJECT = -1;
export const TAG_INT = 0;
export const TAG_BOOL = 1;
export const TAG_NULL = 2;
export const TAG_UNDEFINED = 3;
export const TAG_EXCEPTION = 6;
const TAG_FLOAT64 = 8;
/** What is added to a tag to get a double's upper word. */
export const FLOAT_ADDEND = 0x7ff80000 - TAG_FIRST + 1;

export function isFloatTag(tag: number): boolean {
  return (tag - TAG_FIRST) >>> 0 >= TAG_FLOAT64 - TAG_FIRST;
}

/** struct JSRuntime: the allocator's counters and the size at which a collection starts by itself. */
export const RUNTIME_MALLOC_COUNT = 16;
export const RUNTIME_MALLOC_SIZE = 20;
export const RUNTIME_MALLOC_LIMIT = 24;
/** The allocator's free word, where `accounting.ts` keeps the most there ever was in use. */
export const RUNTIME_MALLOC_PEAK = 28;
export const RUNTIME_GC_THRESHOLD = 108;
const GC_THRESHOLD_INITIAL = 256 * 1024;

/** struct JSObject of a typed array. */
export const OBJECT_CLASS_ID = 6;
export const OBJECT_ARRAY_POINTER = 36;
export const OBJECT_ARRAY_COUNT = 40;

/** From a C string that JS_ToCString returned back to the length of its JSString. */
export const CSTRING_LENGTH = -12;
export const CSTRING_LENGTH_MASK = 0x7fffffff;

export interface ClassIds {
  readonly uint8Array: number;
  readonly float64Array: number;
}

/** What `verifyLayout` is given to look at. */
export interface Probes {
  readonly instance: Instance;
  readonly rt: number;
  /** Pointers to JSValues: `new Uint8Array(buffer, 3, 5)`, `new Float64Array(2)`, the number 1.5, the number 7. */
  readonly uint8Array: number;
  readonly float64Array: number;
  readonly fraction: number;
  readonly integer: number;
  /** Where that buffer's memory is. */
  readonly bufferPointer: number;
  /** JS_ToCString of the seven characters `ab\0cdef`. */
  readonly cString: number;
  readonly limit: number;
  /** The collection threshold before the context was made. */
  readonly threshold: number;
}

/** @throws Error if QuickJS lays its memory out differently. */
export function verifyLayout(probes: Probes): ClassIds {
  const { i32, u32, u8 } = probes.instance;
  const check = (what: string, holds: boolean): void => {
    if (!holds)
      throw new Error(`quickjs-emscripten lays out ${what} differently: engine/sim/quickjs/layout.ts must follow`);
  };
  check("the allocator's state", u32[(probes.rt + RUNTIME_MALLOC_LIMIT) >> 2] === probes.limit);
  check("the collection threshold", probes.threshold === GC_THRESHOLD_INITIAL);
  check("integers", i32[(probes.integer >> 2) + 1] === TAG_INT && i32[probes.integer >> 2] === 7);
  // 1.5 is 0x3ff80000_00000000.
  check("floats", ((i32[(probes.fraction >> 2) + 1] ?? 0) + FLOAT_ADDEND) >>> 0 === 0x3ff80000);
  const classId = (value: number): number => {
    check("objects", i32[(value >> 2) + 1] === TAG_OBJECT);
    const object = u32[value >> 2] ?? 0;
    return (u8[object + OBJECT_CLASS_ID] ?? 0) | ((u8[object + OBJECT_CLASS_ID + 1] ?? 0) << 8);
  };
  const object = u32[probes.uint8Array >> 2] ?? 0;
  check("typed arrays", u32[(object + OBJECT_ARRAY_POINTER) >> 2] === probes.bufferPointer + 3);
  check("typed arrays", u32[(object + OBJECT_ARRAY_COUNT) >> 2] === 5);
  const length = (u32[(probes.cString + CSTRING_LENGTH) >> 2] ?? 0) & CSTRING_LENGTH_MASK;
  check("strings", length === 7 && u8[probes.cString + 3] === 0x63);
  const ids = { uint8Array: classId(probes.uint8Array), float64Array: classId(probes.float64Array) };
  check("typed arrays", ids.uint8Array !== ids.float64Array);
  return ids;
}
