/**
 * A QuickJS context in an instance of its own, spoken to in raw JSValue pointers: reading an argument costs a few memory
 * accesses, a result one small allocation. Every value that a method returns belongs to the caller, who releases it.
 */
import { isUtf8 } from "node:buffer";
import { GuestError, Thrown } from "./errors.ts";
import type { ErrorKind } from "./errors.ts";
import type { Ffi, Instance } from "./instance.ts";
import type { ClassIds } from "./layout.ts";
import * as layout from "./layout.ts";
import { PRELUDE } from "./prelude.ts";

const EVAL_MODULE = 1;
/** QuickJS refuses deeper recursion; more than this and V8's own stack would end first. */
const STACK_BYTES = 256 * 1024;
const DOUBLE = new Float64Array(1);
const DOUBLE_WORDS = new Int32Array(DOUBLE.buffer);
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

export class Context {
  readonly instance: Instance;
  readonly heapLimit: number;
  protected readonly ffi: Ffi;
  protected readonly rt: number;
  protected readonly ctx: number;
  protected readonly undefinedValue: number;
  protected readonly constructors: Readonly<Record<ErrorKind, number>>;
  private readonly classes: ClassIds;
  private readonly jsonParse: number;
  private readonly detachBuffer: number;

  /** @throws Error if the heap is too small for QuickJS itself. */
  protected constructor(instance: Instance, heapBytes: number) {
    const { ffi } = instance;
    this.instance = instance;
    this.ffi = ffi;
    this.heapLimit = heapBytes;
    this.undefinedValue = ffi.QTS_GetUndefined();
    this.rt = ffi.QTS_NewRuntime();
    const threshold = instance.u32[(this.rt + layout.RUNTIME_GC_THRESHOLD) >> 2] ?? 0;
    ffi.QTS_RuntimeSetMemoryLimit(this.rt, heapBytes);
    ffi.QTS_RuntimeSetMaxStackSize(this.rt, STACK_BYTES);
    this.ctx = ffi.QTS_NewContext(this.rt, 0);
    if (this.ctx === 0) throw new Error(`a heap of ${String(heapBytes)} bytes is too small for QuickJS itself`);
    this.classes = this.probe(threshold);
    const captured = this.evaluate(PRELUDE, "prelude.js", false);
    const at = (index: number): number => this.property(captured, String(index));
    this.constructors = { TypeError: at(0), RangeError: at(1), Error: at(2) };
    this.jsonParse = at(3);
    this.detachBuffer = at(4);
    this.release(captured);
  }

  private probe(threshold: number): ClassIds {
    const { instance, ffi } = this;
    const bufferPointer = instance.malloc(64);
    const buffer = ffi.QTS_NewArrayBuffer(this.ctx, bufferPointer, 64);
    const make = this.evaluate("(b) => new Uint8Array(b, 3, 5)", "probe.js", false);
    const uint8Array = this.call(make, buffer);
    const float64Array = this.evaluate("new Float64Array(2)", "probe.js", false);
    const fraction = this.evaluate("1.5", "probe.js", false);
    const integer = this.evaluate("7", "probe.js", false);
    const text = this.evaluate('"ab\\u0000cdef"', "probe.js", false);
    const cString = ffi.QTS_GetString(this.ctx, text);
    const ids = layout.verifyLayout({
      instance,
      rt: this.rt,
      uint8Array,
      float64Array,
      fraction,
      integer,
      bufferPointer,
      cString,
      limit: this.heapLimit,
      threshold,
    });
    ffi.QTS_FreeCString(this.ctx, cString);
    for (const value of [make, uint8Array, buffer, float64Array, fraction, integer, text]) this.release(value);
    return ids;
  }

  // ---- arguments ----

  /** The i-th argument's tag; an absent one is undefined. */
  tag(argv: number, argc: number, i: number): number {
    if (i >= argc) return layout.TAG_UNDEFINED;
    const tag = this.instance.i32[((argv + 8 * i) >> 2) + 1] ?? 0;
    return layout.isFloatTag(tag) ? layout.TAG_INT : tag;
  }

  /** @throws GuestError if it is no number. */
  number(argv: number, argc: number, i: number, what: string): number {
    if (i < argc) {
      const { i32 } = this.instance;
      const at = (argv + 8 * i) >> 2;
      const tag = i32[at + 1] ?? 0;
      if (tag === layout.TAG_INT) return i32[at] ?? 0;
      if (layout.isFloatTag(tag)) return double(i32[at] ?? 0, tag);
    }
    throw new GuestError("TypeError", `${what} must be a number`);
  }

  /** @throws GuestError if it is no integer from `min` to `max`. */
  integer(argv: number, argc: number, i: number, min: number, max: number, what: string): number {
    const value = this.number(argv, argc, i, what);
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new GuestError("RangeError", `${what} must be an integer from ${String(min)} to ${String(max)}`);
    }
    return value;
  }

  text(argv: number, argc: number, i: number, what: string): string {
    const start = this.cString(argv, argc, i, what);
    const text = this.cStringText(start);
    this.freeCString(start);
    return text;
  }

  /** UTF-8 of a string argument, lone surrogates as three bytes each. Ends with `freeCString`. */
  cString(argv: number, argc: number, i: number, what: string): number {
    const tag = this.tag(argv, argc, i);
    if (tag !== layout.TAG_STRING && tag !== layout.TAG_STRING_ROPE) {
      throw new GuestError("TypeError", `${what} must be a string`);
    }
    const start = this.ffi.QTS_GetString(this.ctx, argv + 8 * i);
    if (start === 0) throw new GuestError("Error", "out of memory");
    return start;
  }

  cStringLength(start: number): number {
    return (this.instance.u32[(start + layout.CSTRING_LENGTH) >> 2] ?? 0) & layout.CSTRING_LENGTH_MASK;
  }

  private cStringText(start: number): string {
    const bytes = this.instance.u8.slice(start, start + this.cStringLength(start));
    replaceSurrogates(bytes, 0, bytes.length);
    return DECODER.decode(bytes);
  }

  freeCString(start: number): void {
    this.ffi.QTS_FreeCString(this.ctx, start);
  }

  /** The JSObject of a Uint8Array argument, for `arrayPointer` and `arrayCount`. */
  uint8Array(argv: number, argc: number, i: number, what: string): number {
    return this.typedArray(argv, argc, i, this.classes.uint8Array, `${what} must be a Uint8Array`);
  }

  float64Array(argv: number, argc: number, i: number, what: string): number {
    return this.typedArray(argv, argc, i, this.classes.float64Array, `${what} must be a Float64Array`);
  }

  private typedArray(argv: number, argc: number, i: number, classId: number, message: string): number {
    if (this.tag(argv, argc, i) === layout.TAG_OBJECT) {
      const object = this.instance.u32[(argv + 8 * i) >> 2] ?? 0;
      const { u8 } = this.instance;
      const at = object + layout.OBJECT_CLASS_ID;
      if (((u8[at] ?? 0) | ((u8[at + 1] ?? 0) << 8)) === classId) return object;
    }
    throw new GuestError("TypeError", message);
  }

  arrayPointer(object: number): number {
    return this.instance.u32[(object + layout.OBJECT_ARRAY_POINTER) >> 2] ?? 0;
  }

  arrayCount(object: number): number {
    return this.instance.u32[(object + layout.OBJECT_ARRAY_COUNT) >> 2] ?? 0;
  }

  // ---- values ----

  /** Room for a JSValue. */
  private cell(): number {
    const at = this.instance.malloc(8);
    if (at === 0) throw new Error("the instance's memory is used up");
    return at;
  }

  newNumber(value: number): number {
    const at = this.cell();
    this.writeNumber(at, value);
    return at;
  }

  protected writeNumber(at: number, value: number): void {
    const { i32 } = this.instance;
    if ((value | 0) === value && !Object.is(value, -0)) {
      i32[at >> 2] = value;
      i32[(at >> 2) + 1] = layout.TAG_INT;
    } else {
      DOUBLE[0] = value;
      i32[at >> 2] = DOUBLE_WORDS[0] ?? 0;
      i32[(at >> 2) + 1] = (DOUBLE_WORDS[1] ?? 0) - layout.FLOAT_ADDEND;
    }
  }

  newBoolean(value: boolean): number {
    return this.newTagged(layout.TAG_BOOL, value ? 1 : 0);
  }

  newNull(): number {
    return this.newTagged(layout.TAG_NULL, 0);
  }

  private newTagged(tag: number, value: number): number {
    const at = this.cell();
    this.instance.i32[at >> 2] = value;
    this.instance.i32[(at >> 2) + 1] = tag;
    return at;
  }

  newString(text: string): number {
    const bytes = Buffer.from(text, "utf8");
    if (!bytes.includes(0)) return this.newStringOf(bytes);
    // The C interface ends strings at NUL; a JSON text has none.
    const json = this.newStringOf(Buffer.from(JSON.stringify(text), "utf8"));
    const value = this.call(this.jsonParse, json);
    this.release(json);
    return value;
  }

  /** @param bytes well-formed UTF-8 without NUL. */
  private newStringOf(bytes: Uint8Array): number {
    const at = this.instance.malloc(bytes.length + 1);
    if (at === 0) throw new GuestError("Error", "out of memory");
    this.instance.u8.set(bytes, at);
    this.instance.u8[at + bytes.length] = 0;
    const value = this.ffi.QTS_NewString(this.ctx, at);
    this.instance.free(at);
    return this.unwrap(value);
  }

  /** Bytes of this instance's memory as a string, ill-formed sequences replaced as WHATWG says. */
  decode(start: number, length: number): number {
    const bytes = this.instance.u8.subarray(start, start + length);
    if (isUtf8(bytes) && !bytes.includes(0)) return this.newStringOf(bytes);
    return this.newString(DECODER.decode(bytes));
  }

  newObject(fields: Readonly<Record<string, number>>): number {
    const object = this.unwrap(this.ffi.QTS_NewObject(this.ctx));
    for (const [key, value] of Object.entries(fields)) this.setProperty(object, key, value);
    return object;
  }

  newArray(values: readonly number[]): number {
    const array = this.unwrap(this.ffi.QTS_NewArray(this.ctx));
    values.forEach((value, index) => {
      this.setProperty(array, String(index), value);
    });
    return array;
  }

  /**
   * An ArrayBuffer that is a view of this instance's memory. The caller keeps the returned value for as long as the
   * runtime lives (QuickJS would free the memory with it) and hands out `duplicate`s.
   */
  newArrayBuffer(pointer: number, length: number): number {
    return this.unwrap(this.ffi.QTS_NewArrayBuffer(this.ctx, pointer, length));
  }

  /** Leave an ArrayBuffer of `newArrayBuffer` without memory; it is freed, so the pointer must be malloc's own. */
  detach(buffer: number): void {
    this.release(this.call(this.detachBuffer, buffer));
  }

  duplicate(value: number): number {
    return this.ffi.QTS_DupValuePointer(this.ctx, value);
  }

  release(value: number): void {
    if (value !== 0) this.ffi.QTS_FreeValuePointer(this.ctx, value);
  }

  protected setProperty(object: number, key: string, value: number): void {
    const name = this.newString(key);
    this.ffi.QTS_SetProp(this.ctx, object, name, value);
    this.release(name);
    this.release(value);
  }

  property(object: number, key: string): number {
    const name = this.newString(key);
    const value = this.ffi.QTS_GetProp(this.ctx, object, name);
    this.release(name);
    return this.unwrap(value);
  }

  typeTag(value: number): number {
    return this.tag(value, 1, 0);
  }

  valueNumber(value: number, what: string): number {
    return this.number(value, 1, 0, what);
  }

  // ---- running ----

  /** @throws Thrown, and whatever a host function threw to stop the guest. */
  call(func: number, argument: number): number {
    const { instance } = this;
    const pointers = instance.malloc(4);
    instance.u32[pointers >> 2] = argument;
    const result = this.ffi.QTS_Call(this.ctx, func, this.undefinedValue, 1, pointers);
    instance.free(pointers);
    return this.unwrap(result);
  }

  /** @returns the script's value, or the module's namespace. */
  evaluate(source: string, name: string, module: boolean): number {
    const bytes = Buffer.from(source, "utf8");
    const at = this.instance.malloc(bytes.length + 1);
    if (at === 0) throw new Error(`no memory for ${name}`);
    this.instance.u8.set(bytes, at);
    this.instance.u8[at + bytes.length] = 0;
    const result = this.ffi.QTS_Eval(this.ctx, at, bytes.length, name, 0, module ? EVAL_MODULE : 0);
    this.instance.free(at);
    return this.unwrap(result);
  }

  protected unwrap(value: number): number {
    if (value === 0) throw new Error("the instance's memory is used up");
    if (this.instance.i32[(value >> 2) + 1] !== layout.TAG_EXCEPTION) return value;
    const thrown = this.ffi.QTS_ResolveException(this.ctx, value);
    this.release(value);
    throw new Thrown(thrown);
  }

  isFunction(value: number): boolean {
    const start = this.ffi.QTS_Typeof(this.ctx, value);
    const is = this.instance.u8[start] === 0x66; // "function" is the only type name with an f
    this.instance.free(start);
    return is;
  }

  /** @throws Thrown a TypeError of the guest. */
  throwType(text: string): never {
    return this.throwError("TypeError", text);
  }

  /** @throws Thrown an error of the guest. */
  throwError(kind: ErrorKind, text: string): never {
    const message = this.newString(text);
    throw new Thrown(this.call(this.constructors[kind], message));
  }

  /** Text of a value as `String(value)` gives it, `undefined` if that throws. */
  toText(value: number): string | undefined {
    const start = this.ffi.QTS_GetString(this.ctx, value);
    if (start === 0) return undefined;
    const text = this.cStringText(start);
    this.freeCString(start);
    return text;
  }
}

function double(low: number, tag: number): number {
  DOUBLE_WORDS[0] = low;
  DOUBLE_WORDS[1] = tag + layout.FLOAT_ADDEND;
  return DOUBLE[0] ?? 0;
}

/** QuickJS encodes a lone surrogate as the three bytes ED A0..BF xx; put U+FFFD (EF BF BD) there instead. */
export function replaceSurrogates(bytes: Uint8Array, start: number, length: number): void {
  for (let i = start; i + 2 < start + length; i++) {
    if (bytes[i] === 0xed && (bytes[i + 1] ?? 0) >= 0xa0) {
      bytes[i] = 0xef;
      bytes[i + 1] = 0xbf;
      bytes[i + 2] = 0xbd;
    }
  }
}
