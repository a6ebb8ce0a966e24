/** Runs TypeScript of the services in QuickJS alone, as the VM does, and tells what memory it has. */
import { resolve } from "node:path";
import { build } from "esbuild";
import { getQuickJS, type QuickJSContext, type QuickJSRuntime } from "quickjs-emscripten";

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
};
`;

export class QuickJs {
  readonly #runtime: QuickJSRuntime;
  readonly #context: QuickJSContext;

  private constructor(runtime: QuickJSRuntime, context: QuickJSContext) {
    this.#runtime = runtime;
    this.#context = context;
  }

  /** @param entry a script whose imports are paths from the repository's top; what it wants to be called by it puts on globalThis */
  static async load(entry: string): Promise<QuickJs> {
    const bundle = await build({
      stdin: { contents: entry, resolveDir: resolve(import.meta.dirname, "../../..") },
      bundle: true,
      write: false,
      format: "iife",
      platform: "neutral",
      target: "es2022",
    });
    const runtime = (await getQuickJS()).newRuntime();
    const vm = new QuickJs(runtime, runtime.newContext());
    vm.run(bundle.outputFiles[0]!.text);
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
