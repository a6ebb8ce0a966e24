/**
 * A worker of the simulator: the very bundle that `worker.elf` runs on seL4, an ES module, in a QuickJS instance of its
 * own. What ends it in JavaScript becomes the call FAILED with its text, as the worker component makes it; a step that is
 * broken off makes no call at all, as a loop on seL4 would.
 */
import { FRAME_BYTES, STEP_POLLS } from "../component.ts";
import type { Message, Program } from "../component.ts";
import { byteFunctions } from "../host/bytes.ts";
import { describeValue } from "../host/context.ts";
import { EMPTY_LINE_TABLE, LineTable } from "../lines.ts";
import { replaceSurrogates } from "../quickjs/context.ts";
import { Thrown } from "../quickjs/errors.ts";
import { TAG_INT, TAG_OBJECT } from "../quickjs/layout.ts";
import { Runtime } from "../quickjs/runtime.ts";
import { COMPONENT_MAGIC } from "./pong.ts";

/** After the magic line of a boot file that is a component: what follows is a worker's bundle. */
const MODULE_LINE = "// module bundle\n";
/** Heap beside the arena: bytecode, which lies in shared memory on seL4, and the room to compile it. */
const COMPILER_HEAP = 1024 * 1024;
/** What a report of an exhausted arena may take beyond it (`Runtime.liftLimit`), and slack. */
const REPORT_BYTES = 2 * 1024 * 1024;
const JOBS_AT_ONCE = 64;
/** What QuickJS needs on seL4. */
const ARENA_MIN = 256 * 1024;
const TOO_SMALL = "worker: the arena is too small, it needs 256 KiB";

const FAILED = 0x203;
const FAILED_MAX = 2048;
const CALL_LABEL_FIRST = 256;
const U32_MAX = 0xffffffff;

/** What a worker does not find; the engine on seL4 leaves it out. */
const ABSENT =
  "delete globalThis.Date; delete Math.random; delete globalThis.RegExp; delete globalThis.Proxy; " +
  "delete globalThis.WeakRef; delete globalThis.FinalizationRegistry; delete String.prototype.normalize;";

/** @returns the boot file that is this bundle as a component. */
export function workerImage(bundle: string): string {
  return COMPONENT_MAGIC + MODULE_LINE + bundle;
}

/** @returns the bundle in such a file, `undefined` if the file is another kind of component. */
export function bundleOf(image: string): string | undefined {
  const head = COMPONENT_MAGIC + MODULE_LINE;
  return image.startsWith(head) ? image.slice(head.length) : undefined;
}

export interface WorkerOptions {
  readonly bundle: string;
  /** Line table of its stacks. */
  readonly lines: Uint8Array | undefined;
  readonly arenaBytes: number;
  readonly args: readonly number[];
}

export class WorkerProgram implements Program {
  hung = false;
  private readonly runtime: Runtime;
  private readonly bundle: string;
  private readonly arenaBytes: number;
  private readonly lines: LineTable;
  private readonly frameAt: number;
  private stepFunction = 0;
  private polls = 0;
  /** Bytes of the text, once it has failed. */
  private failed: number | undefined;

  static async create(options: WorkerOptions): Promise<WorkerProgram> {
    const made: { program?: WorkerProgram } = {};
    const runtime = await Runtime.create({
      heapBytes: COMPILER_HEAP + options.arenaBytes,
      extraBytes: FRAME_BYTES + REPORT_BYTES,
      interrupt: () => made.program?.outOfBudget() ?? false,
    });
    made.program = new WorkerProgram(runtime, options);
    return made.program;
  }

  private constructor(runtime: Runtime, { bundle, lines, arenaBytes, args }: WorkerOptions) {
    this.runtime = runtime;
    this.bundle = bundle;
    this.arenaBytes = arenaBytes;
    this.lines = new LineTable(lines ?? EMPTY_LINE_TABLE, "worker.js");
    this.frameAt = runtime.instance.malloc(FRAME_BYTES);
    runtime.instance.u8.fill(0, this.frameAt, this.frameAt + FRAME_BYTES);
    const { copy, utf8Encode, utf8Decode, utf8Validate, plainRun } = byteFunctions(runtime);
    runtime.release(runtime.evaluate(ABSENT, "worker.js", false));
    runtime.defineGlobal(
      "sys",
      {
        copy,
        utf8Encode,
        utf8Decode,
        utf8Validate,
        plainRun,
        describe: (argv, argc) => runtime.newString(argc > 0 ? describeValue(this.lines, runtime, argv) : "undefined"),
      },
      {
        engine: runtime.newString("sim"),
        abi: runtime.newNumber(1),
        args: runtime.newArray(args.map((word) => runtime.newNumber(word))),
        frame: runtime.newArrayBuffer(this.frameAt, FRAME_BYTES),
      },
    );
  }

  private outOfBudget(): boolean {
    if (++this.polls > STEP_POLLS) this.hung = true;
    return this.hung;
  }

  readFrame(into: Uint8Array, at: number): void {
    into.set(this.runtime.instance.u8.subarray(this.frameAt, this.frameAt + FRAME_BYTES), at);
  }

  writeFrame(from: Uint8Array, at: number): void {
    this.runtime.instance.u8.set(from.subarray(at, at + FRAME_BYTES), this.frameAt);
  }

  step([label = 0, word = 0]: readonly number[]): Message[] {
    this.polls = 0;
    if (this.failed === undefined) {
      try {
        // The first step's words are the arguments, which the bundle finds in `sys`.
        return this.stepFunction === 0 ? this.begin() : this.run(label, word);
      } catch (error) {
        if (this.hung) return [];
        this.failed = this.report(error);
      }
    }
    return this.failure(this.failed);
  }

  private failure(bytes: number): Message[] {
    return [{ kind: "call", words: [FAILED, bytes, 0, 0, 0] }];
  }

  private begin(): Message[] {
    const { runtime } = this;
    if (this.arenaBytes < ARENA_MIN) {
      this.failed = this.write(TOO_SMALL);
      return this.failure(this.failed);
    }
    const namespace = runtime.evaluate(this.bundle, "worker.js", true);
    this.stepFunction = runtime.property(namespace, "step");
    runtime.release(namespace);
    if (!runtime.isFunction(this.stepFunction)) {
      runtime.throwType("worker.js: the bundle exports no function `step`");
    }
    return this.run(0, 0);
  }

  private run(label: number, word: number): Message[] {
    const { runtime } = this;
    const result = runtime.callWith(this.stepFunction, label, word);
    const call = this.integer(result, 0, CALL_LABEL_FIRST, "the label");
    const first = this.integer(result, 1, 0, "the word");
    runtime.release(result);
    runtime.runJobs(JOBS_AT_ONCE);
    runtime.settle();
    return [{ kind: "call", words: [call, first, 0, 0, 0] }];
  }

  /** An element of what `step` returned. @throws Thrown a TypeError or RangeError of the guest. */
  private integer(result: number, index: number, min: number, what: string): number {
    const { runtime } = this;
    if (runtime.typeTag(result) !== TAG_OBJECT) runtime.throwType("step: must return label and word");
    const value = runtime.property(result, String(index));
    if (runtime.typeTag(value) !== TAG_INT) runtime.throwType(`step: ${what} must be a number`);
    const number = runtime.valueNumber(value, what);
    runtime.release(value);
    if (Number.isInteger(number) && number >= min && number <= U32_MAX) return number;
    const range = `from ${String(min)} to ${String(U32_MAX)}`;
    return runtime.throwError("RangeError", `step: ${what} must be an integer ${range}`);
  }

  /** @returns bytes of the text in the frame. */
  private report(error: unknown): number {
    const { runtime } = this;
    runtime.liftLimit();
    if (error instanceof Thrown) return this.write(describeValue(this.lines, runtime, error.value));
    if (error instanceof RangeError || error instanceof WebAssembly.RuntimeError) return this.write(String(error));
    throw error;
  }

  /** @returns the bytes of it that are in the frame now. */
  private write(text: string): number {
    const bytes = Buffer.from(text, "utf8");
    let length = Math.min(bytes.length, FAILED_MAX);
    // Cut before a character, not within it.
    while (length < bytes.length && length > 0 && ((bytes[length] ?? 0) & 0xc0) === 0x80) length--;
    const { u8 } = this.runtime.instance;
    u8.set(bytes.subarray(0, length), this.frameAt);
    replaceSurrogates(u8, this.frameAt, length);
    return length;
  }
}
