/**
 * One component: a script in a QuickJS instance of its own, which meets the root only in messages and in the frame that
 * is copied at each of them. It runs in steps from one call to the next; a step that does not end within its budget is
 * broken off and the component stands still for good, still `running`, as a hung one on seL4 would.
 *
 * The script defines `step(label, w0, w1, w2, w3)`, called first with the spawn arguments (label 0) and then with each
 * reply; it returns its next call as `[label, w0, w1, w2, w3]` or `null` to go on without one. It finds `arena` and
 * `frame` (Uint8Arrays), `send(label)` for a message that is no call, and `fault(kind, ip, address, detail, access)`,
 * which does not return.
 */
import { GuestError, Stop, Thrown } from "./quickjs/errors.ts";
import { Runtime } from "./quickjs/runtime.ts";
import { TAG_NULL } from "./quickjs/layout.ts";

export const FRAME_BYTES = 16384;
export const PAGE = 4096;
/** Polls of the interpreter (10,000 jumps or calls each) that one step may take. */
export const STEP_POLLS = 200;
/** Heap for the script itself. */
const SCRIPT_HEAP = 768 * 1024;
/** Where a component on seL4 would have these (engine/native/components/layout.h): for the numbers in faults. */
export const IMAGE = 0x400000;
const STACK_BOTTOM = 0x980000 - 0x20000;
const ARENA = 0xa00000;
/** Exception syndromes (Arm ARM, ESR_EL1): a write where no page is mapped, at translation level 3. */
const WRITE_LEVEL_3 = 0x92000047;

export const FAULT_VM = 1;
const FAULT_EXCEPTION = 4;

/** A message for the root: what it is, its label or fault, four more words. */
export interface Message {
  readonly kind: "call" | "fault" | "send";
  readonly words: readonly [number, number, number, number, number];
}

/** What runs in a component. */
export interface Program {
  /** A step was broken off. */
  readonly hung: boolean;
  /** Copy the frame's 16 KiB out of the component, and into it. */
  readFrame(into: Uint8Array, at: number): void;
  writeFrame(from: Uint8Array, at: number): void;
  /** Run from a reply (at first label 0 and the arguments) to the next call. @returns what it sent, the call or fault last. */
  step(words: readonly number[]): Message[];
}

class Faulted extends Stop {
  readonly words: Message["words"];
  constructor(words: Message["words"]) {
    super("the component faulted");
    this.words = words;
  }
}

export class ComponentProgram implements Program {
  private readonly runtime: Runtime;
  private readonly frameAt: number;
  private readonly stepFunction: number;
  private readonly arenaBytes: number;
  private polls = 0;
  private readonly sent: Message[] = [];

  hung = false;

  static async create(source: string, image: string, arenaBytes: number): Promise<ComponentProgram> {
    const made: { program?: ComponentProgram } = {};
    const runtime = await Runtime.create({
      heapBytes: SCRIPT_HEAP + arenaBytes,
      extraBytes: FRAME_BYTES,
      interrupt: () => made.program?.outOfBudget() ?? false,
    });
    made.program = new ComponentProgram(runtime, source, image, arenaBytes);
    return made.program;
  }

  private constructor(runtime: Runtime, source: string, image: string, arenaBytes: number) {
    this.runtime = runtime;
    this.arenaBytes = arenaBytes;
    this.frameAt = runtime.instance.malloc(FRAME_BYTES);
    runtime.instance.u8.fill(0, this.frameAt, this.frameAt + FRAME_BYTES);
    runtime.defineGlobal(
      "sys",
      {
        send: (argv, argc) => {
          this.sent.push({ kind: "send", words: [runtime.number(argv, argc, 0, "label"), 0, 0, 0, 0] });
          return 0;
        },
        fault: (argv, argc) => {
          const word = (i: number): number => runtime.number(argv, argc, i, "a word");
          throw new Faulted([word(0), word(1), word(2), word(3), word(4)]);
        },
      },
      {
        frame: runtime.newArrayBuffer(this.frameAt, FRAME_BYTES),
        arenaBytes: runtime.newNumber(arenaBytes),
      },
    );
    this.stepFunction = runtime.evaluate(
      `(() => {
        const { send, fault, frame: shared, arenaBytes } = sys;
        const arena = new Uint8Array(arenaBytes);
        const frame = new Uint8Array(shared);
        ${source}
        return (words) => step(...words);
      })()`,
      image,
      false,
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

  /** It may go on without a call. */
  step(words: readonly number[]): Message[] {
    this.polls = 0;
    this.sent.length = 0;
    try {
      this.run(words);
    } catch (error) {
      if (!this.hung) this.sent.push({ kind: "fault", words: this.faultOf(error) });
    }
    return this.sent.splice(0);
  }

  private run(words: readonly number[]): void {
    const { runtime } = this;
    const argument = runtime.newArray(words.map((word) => runtime.newNumber(word)));
    const result = runtime.call(this.stepFunction, argument);
    runtime.release(argument);
    if (runtime.typeTag(result) !== TAG_NULL) {
      const word = (i: number): number => {
        const value = runtime.property(result, String(i));
        const number = runtime.valueNumber(value, "a word");
        runtime.release(value);
        return number >>> 0;
      };
      this.sent.push({ kind: "call", words: [word(0), word(1), word(2), word(3), word(4)] });
    }
    runtime.release(result);
    runtime.settle();
  }

  /** What seL4 would have reported for it. */
  private faultOf(error: unknown): Message["words"] {
    if (error instanceof Faulted) return error.words;
    if (error instanceof Thrown) {
      const text =
        this.runtime.typeTag(error.value) === TAG_NULL ? "out of memory" : (this.runtime.toText(error.value) ?? "");
      if (text.includes("out of memory")) {
        return [FAULT_VM, IMAGE, ARENA + this.arenaBytes, WRITE_LEVEL_3, 2];
      }
      if (text.includes("stack overflow")) return [FAULT_VM, IMAGE, STACK_BOTTOM - 16, WRITE_LEVEL_3, 2];
    } else if (
      !(error instanceof GuestError) &&
      !(error instanceof RangeError) &&
      !(error instanceof WebAssembly.RuntimeError)
    ) {
      throw error;
    }
    return [FAULT_EXCEPTION, IMAGE, 0, 0, 0];
  }
}
