/**
 * A context with host functions whose collection is under the engine's control and whose heap has a hard limit. An
 * exception that a host function throws reaches the guest as the class it names.
 */
import { Context } from "./context.ts";
import { GuestError, Thrown } from "./errors.ts";
import type { Instance } from "./instance.ts";
import { newInstance } from "./instance.ts";
import * as layout from "./layout.ts";

/** What a report of an exhausted heap may take beyond the limit. */
const REPORT_BYTES = 1024 * 1024;
/** Of the limit: above it a turn is followed by a collection. */
const MARK = 0.75;
const USAGE_KINDS = [
  ["atoms", "atom"],
  ["strings", "str"],
  ["objects", "obj"],
  ["properties", "prop"],
  ["shapes", "shape"],
  ["functions", "js_func"],
] as const;
/** Takes the arguments' place (`argc` JSValues from `argv` on); returns a new JSValue's pointer, 0 for undefined. */
export type HostFunction = (argv: number, argc: number) => number;

export interface RuntimeOptions {
  /** Limit of the JavaScript heap. */
  readonly heapBytes: number;
  /** Memory beside it: DMA, boot files, the source while it is compiled. */
  readonly extraBytes: number;
  /** Called when the memory is there and QuickJS is not yet. */
  readonly onHeap?: () => void;
  /** Called now and then while the guest runs; true ends it. */
  readonly interrupt: () => boolean;
}

export class Runtime extends Context {
  private readonly functions: { readonly name: string; readonly call: HostFunction }[] = [];
  /** Eight bytes for a JSContext pointer, two JSValues for a call's arguments, two pointers to them. */
  private readonly cells: number;
  /** Heap use at which a turn is followed by a collection though the bundle did not ask for it. */
  private collectAt: number;

  static async create(options: RuntimeOptions): Promise<Runtime> {
    const made: { runtime?: Runtime } = {};
    const unused = (): never => {
      throw new Error("a bundle has no modules to load");
    };
    const instance = await newInstance(options.heapBytes + options.extraBytes, {
      callFunction: (_asyncify, _ctx, _self, argc, argv, id) =>
        (made.runtime?.dispatch(id, argv, argc) ?? 0) as ReturnType<typeof unused>,
      shouldInterrupt: () => (options.interrupt() ? 1 : 0),
      freeHostRef: () => undefined,
      loadModuleSource: unused,
      normalizeModule: unused,
    });
    options.onHeap?.();
    made.runtime = new Runtime(instance, options);
    return made.runtime;
  }

  private constructor(instance: Instance, options: RuntimeOptions) {
    super(instance, options.heapBytes);
    this.cells = instance.malloc(32);
    instance.u32[(this.cells + 24) >> 2] = this.cells + 8;
    instance.u32[(this.cells + 28) >> 2] = this.cells + 16;
    this.ffi.QTS_RuntimeEnableInterruptHandler(this.rt);
    this.collectAt = MARK * this.heapLimit;
    this.setThreshold();
  }

  // ---- host functions ----

  /** Make functions and values reachable as properties of a global object. */
  defineGlobal(
    name: string,
    functions: Readonly<Record<string, HostFunction>>,
    values: Readonly<Record<string, number>>,
  ): void {
    const object = this.ffi.QTS_NewObject(this.ctx);
    for (const [key, call] of Object.entries(functions)) {
      const value = this.ffi.QTS_NewFunction(this.ctx, key, 0, false, this.functions.push({ name: key, call }) - 1);
      this.setProperty(object, key, value);
    }
    for (const [key, value] of Object.entries(values)) this.setProperty(object, key, value);
    const global = this.ffi.QTS_GetGlobalObject(this.ctx);
    this.setProperty(global, name, object);
    this.release(global);
  }

  private dispatch(id: number, argv: number, argc: number): number {
    const entry = this.functions[id];
    if (!entry) throw new Error(`host function ${String(id)} does not exist`);
    try {
      return entry.call(argv, argc);
    } catch (error) {
      const value = this.errorValue(entry.name, error);
      const thrown = this.ffi.QTS_Throw(this.ctx, value);
      this.release(value);
      return thrown;
    }
  }

  /** What the guest shall catch for an error of a host function. @throws what is not for the guest. */
  private errorValue(name: string, error: unknown): number {
    if (error instanceof Thrown) return error.value;
    if (!(error instanceof GuestError)) throw error;
    try {
      const message = this.newString(`${name}: ${error.message}`);
      const value = this.call(this.constructors[error.kind], message);
      this.release(message);
      return value;
    } catch (second) {
      // No memory for the message.
      return this.errorValue(name, second);
    }
  }

  // ---- running ----

  /** Call with two numbers. Allocates nothing but the result, which the caller releases. @throws Thrown */
  callWith(func: number, a: number, b: number): number {
    this.writeNumber(this.cells + 8, a);
    this.writeNumber(this.cells + 16, b);
    return this.unwrap(this.ffi.QTS_Call(this.ctx, func, this.undefinedValue, 2, this.cells + 24));
  }

  /** Call with two numbers, expecting one: the turn. */
  callNumbers(func: number, a: number, b: number, what: string): number {
    const result = this.callWith(func, a, b);
    try {
      return this.valueNumber(result, what);
    } finally {
      this.release(result);
    }
  }

  /** @returns whether jobs remain. @throws Thrown */
  runJobs(max: number): boolean {
    if (this.ffi.QTS_IsJobPending(this.rt) === 0) return false;
    const result = this.ffi.QTS_ExecutePendingJob(this.rt, max, this.cells);
    const tag = this.typeTag(result);
    if (tag !== layout.TAG_INT) throw new Thrown(result);
    this.release(result);
    return this.ffi.QTS_IsJobPending(this.rt) !== 0;
  }

  // ---- memory ----

  get heapUsed(): number {
    return this.instance.u32[(this.rt + layout.RUNTIME_MALLOC_SIZE) >> 2] ?? 0;
  }

  get heapBlocks(): number {
    return this.instance.u32[(this.rt + layout.RUNTIME_MALLOC_COUNT) >> 2] ?? 0;
  }

  get heapPeak(): number {
    return this.instance.u32[(this.rt + layout.RUNTIME_MALLOC_PEAK) >> 2] ?? 0;
  }

  /** QuickJS collects by itself only within a turn that takes half of what {@link settle} leaves; then it forgets that. */
  private setThreshold(bytes = this.collectAt + (this.heapLimit - this.collectAt) / 2): void {
    this.instance.u32[(this.rt + layout.RUNTIME_GC_THRESHOLD) >> 2] = bytes;
  }

  /**
   * After a turn: collect if the heap is nearly full. The mark for that stays where it is until then.
   * @returns as {@link collect}, undefined if it was not necessary.
   */
  settle(): number | undefined {
    if (this.heapUsed > this.collectAt) return this.collect();
    this.setThreshold();
    return undefined;
  }

  /**
   * Collect cycles. QuickJS collects when an object is made over the threshold; the threshold is put to nothing for that.
   * @returns microseconds that it took, of real time, also where the machine's own time stands still.
   */
  collect(): number {
    const start = performance.now();
    this.setThreshold(0);
    this.release(this.ffi.QTS_NewObject(this.ctx));
    const { heapUsed, heapLimit } = this;
    // Above three quarters each collection halves the room to the limit, so that they stay few.
    this.collectAt = MARK * heapLimit;
    if (heapUsed > this.collectAt) this.collectAt = heapUsed + (heapLimit - heapUsed) / 2;
    this.setThreshold();
    return Math.round((performance.now() - start) * 1000);
  }

  /** Room for a last report: telling costs memory too. */
  liftLimit(): void {
    this.ffi.QTS_RuntimeSetMemoryLimit(this.rt, this.heapLimit + REPORT_BYTES);
  }

  /** QuickJS throws `null` or an InternalError when its heap is full. */
  isOutOfMemory(value: number): boolean {
    const tag = this.typeTag(value);
    return (
      tag === layout.TAG_NULL || (tag === layout.TAG_OBJECT && this.toText(value) === "InternalError: out of memory")
    );
  }

  /** Who holds what; what QuickJS does not tell by kind is the rest. To be called after `liftLimit`. */
  usageByKind(): { kind: string; count?: number; bytes: number }[] {
    const { heapUsed } = this;
    const usage = this.unwrap(this.ffi.QTS_RuntimeComputeMemoryUsage(this.rt, this.ctx));
    const field = (key: string): number => {
      const value = this.property(usage, key);
      const number = this.valueNumber(value, key);
      this.release(value);
      return number;
    };
    const kinds = USAGE_KINDS.map(([kind, key]) => ({
      kind,
      count: field(`${key}_count`),
      bytes: field(`${key}_size`),
    }));
    this.release(usage);
    const known = kinds.reduce((sum, { bytes }) => sum + bytes, 0);
    return [...kinds, { kind: "buffers, arrays", bytes: Math.max(heapUsed - known, 0) }];
  }
}
