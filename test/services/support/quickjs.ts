/** Runs TypeScript of the services in QuickJS alone, as the VM does, and tells what memory it has. */
import { resolve } from "node:path";
import { build } from "esbuild";
import { getQuickJS, type QuickJSContext, type QuickJSRuntime } from "quickjs-emscripten";
import { Thrown } from "../../../engine/sim/quickjs/errors.ts";
import { Runtime } from "../../../engine/sim/quickjs/runtime.ts";

/** The port `Bytes` for ASCII, of nothing but what QuickJS has. */
export const ASCII_BYTES = `
const bytes = {
  copy: (into, at, from, start, length) => into.set(from.subarray(start, start + length), at),
  checksum: () => 0,
  encode(text, into, at) {
    for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i);
    return text.length;
  },
  decode(from, start, length) {
    let text = "";
    for (let i = 0; i < length; i++) text += String.fromCharCode(from[start + i]);
    return text;
  },
  validate: () => true,
  plain(from, start, length) {
    let at = start;
    while (at < start + length && from[at] >= 0x20 && from[at] < 0x7f) at++;
    return at - start;
  },
};
`;

async function bundle(entry: string): Promise<string> {
  const built = await build({
    stdin: { contents: entry, resolveDir: resolve(import.meta.dirname, "../../..") },
    bundle: true,
    write: false,
    format: "iife",
    platform: "neutral",
    target: "es2022",
  });
  return built.outputFiles[0]!.text;
}

export class QuickJs {
  readonly #runtime: QuickJSRuntime;
  readonly #context: QuickJSContext;

  private constructor(runtime: QuickJSRuntime, context: QuickJSContext) {
    this.#runtime = runtime;
    this.#context = context;
  }

  /** @param entry a script whose imports are paths from the repository's top; what it wants to be called by it puts on globalThis */
  static async load(entry: string): Promise<QuickJs> {
    const source = await bundle(entry);
    const runtime = (await getQuickJS()).newRuntime();
    const vm = new QuickJs(runtime, runtime.newContext());
    vm.run(source);
    return vm;
  }

  /** @returns the value of the last expression, by way of JSON. @throws what the script threw */
  run(script: string): unknown {
    const context = this.#context;
    return context.unwrapResult(context.evalCode(script)).consume((value) => context.dump(value) as unknown);
  }

  /** Bytes of its heap that are in use. */
  get heapUsed(): number {
    const usage = this.#runtime.computeMemoryUsage();
    const size = usage.consume((value) => this.#context.getProp(value, "memory_used_size"));
    return size.consume((value) => this.#context.getNumber(value));
  }

  dispose(): void {
    this.#context.dispose();
    this.#runtime.dispose();
  }
}

const HEAP_BYTES = 64 * 1024 * 1024;

/** The same with a heap that is counted to the byte and that collects no cycles before it is told to. */
export class CountedHeap {
  readonly #runtime: Runtime;

  private constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  static async load(entry: string): Promise<CountedHeap> {
    const runtime = await Runtime.create({ heapBytes: HEAP_BYTES, extraBytes: HEAP_BYTES / 4, interrupt: () => false });
    const vm = new CountedHeap(runtime);
    vm.run(await bundle(entry));
    return vm;
  }

  /** @throws Error what the script threw */
  run(script: string): void {
    const runtime = this.#runtime;
    try {
      runtime.release(runtime.evaluate(script, "test.js", false));
    } catch (error) {
      throw error instanceof Thrown ? new Error(runtime.toText(error.value)) : error;
    }
  }

  /** Bytes that a script leaves in use each time it is run, until cycles are collected. */
  leftBy(script: string): number {
    const TIMES = 20;
    // What is made once and kept, and the garbage of that, is there before.
    for (let i = 0; i < TIMES; i++) this.run(script);
    this.#runtime.collect();
    const before = this.#runtime.heapUsed;
    for (let i = 0; i < TIMES; i++) this.run(script);
    return (this.#runtime.heapUsed - before) / TIMES;
  }
}
