/**
 * A worker's bundle that does what its first argument says: what a worker is promised, and the ways in which one can go
 * wrong. Its labels mean something to `workers.ts` alone.
 */
import { LABEL, MODE } from "./worker-protocol.ts";

const [mode, word] = sys.args;
const frame = new Uint8Array(sys.frame);
const next: [label: number, word: number] = [0, 0];
const kept: unknown[] = [];

function call(label: number, word = 0): readonly [number, number] {
  next[0] = label;
  next[1] = word;
  return next;
}

function inner(text: string): never {
  throw new TypeError(text);
}

function deeper(depth: number): number {
  return 1 + deeper(depth + 1);
}

/** Memory until there is none. */
function exhaust(): void {
  for (;;) kept.push(new Uint8Array(1024), { a: kept.length });
}

/** Calls `sys` as a caller in plain JavaScript could. */
function misuse(...values: readonly unknown[]): string {
  try {
    Reflect.apply(Reflect.get(sys, "copy") as (...values: unknown[]) => unknown, sys, values);
  } catch (error) {
    return String(error);
  }
  return "nothing";
}

/** What a worker finds of the world, as one text. */
function world(): string {
  const sysKeys = Object.keys(sys).sort().join();
  const found = [
    "Date",
    "RegExp",
    "Proxy",
    "WeakRef",
    "FinalizationRegistry",
    "host",
    "console",
    "setTimeout",
    "process",
    "WebAssembly",
    "std",
    "os",
  ].filter((name) => Reflect.get(globalThis, name) !== undefined);
  const values = [sys.engine === engineExpected(), sys.abi, sys.args.join(), frame.length, "random" in Math];
  return [sysKeys, found.join(), values.join(), misuse(frame, 0, frame, 0, 16385), misuse(1)].join("|");
}

function engineExpected(): string {
  return word === 1 ? "sel4" : "sim";
}

function say(text: string): readonly [number, number] {
  return call(LABEL.TEXT, sys.utf8Encode(text, frame, 0));
}

function first(): readonly [number, number] {
  switch (mode) {
    case MODE.throwNull:
      // eslint-disable-next-line @typescript-eslint/only-throw-error
      throw null;
    case MODE.throwLong:
      throw new Error("é".repeat(5000));
    case MODE.world:
      return say(world());
    case MODE.badLabel:
      return [255, 0];
    case MODE.noCall:
      return undefined as unknown as readonly [number, number];
    default:
      return call(LABEL.HELLO, word);
  }
}

let ran = "";
let steps = 0;

/** What is asked after the greeting was answered. */
function later(label: number, word: number): readonly [number, number] {
  switch (mode) {
    case MODE.throws:
      return inner("on purpose");
    case MODE.loops:
      for (;;);
    case MODE.loopsInNative:
      return call(LABEL.TEXT, [].indexOf.call({ length: 1e15 } as never[], 1 as never));
    case MODE.exhausts:
      exhaust();
      return call(LABEL.HELLO);
    case MODE.overflows:
      return call(LABEL.HELLO, deeper(0));
    case MODE.recovers:
      try {
        exhaust();
      } catch {
        kept.length = 0;
      }
      return call(LABEL.HELLO, ++steps);
    case MODE.jobs:
      if (ran !== "") return say(ran);
      void Promise.resolve()
        .then(() => (ran += "first "))
        .then(() => (ran += "second"));
      return call(LABEL.HELLO, 0);
    case MODE.garbage: {
      // Cycles: only a collection takes them back.
      for (let i = 0; i < 100; i++) {
        const one: { other?: unknown; bytes: Uint8Array } = { bytes: new Uint8Array(512) };
        one.other = { one };
      }
      return call(LABEL.HELLO, ++steps);
    }
    case MODE.text: {
      const text = sys.utf8Decode(frame, 0, word);
      const valid = sys.utf8Validate(frame, 0, word);
      sys.copy(frame, 100, frame, 0, word);
      return say(`${text} ${valid} ${frame[100] === frame[0]} ${sys.describe(new RangeError("r")).split("\n")[0]}`);
    }
    case MODE.counts:
      return call(label, word);
    default:
      for (let i = 0; i < frame.length; i++) frame[i] = ~frame[i]!;
      return call(label, word);
  }
}

if (mode === MODE.throwsAtOnce) inner("while it was loaded");

/** See {@link WorkerBundle}. */
export function step(label: number, word: number): readonly [label: number, word: number] {
  return label === 0 ? first() : later(label, word);
}
