/**
 * Runs the suite inside a bundle, one test after the other, a step per turn, and reports each as a TAP-like line on the
 * debug console. A test that needs time or events is a generator: it yields a deadline and is handed the next turn.
 */

/** The turn that a test was resumed by. */
export interface Turn {
  readonly raised: number;
  readonly nowUs: number;
}

export type Steps = Generator<number, void, Turn>;

export interface Test {
  readonly name: string;
  /** Why it cannot run on this engine or machine. */
  readonly skip?: string | undefined;
  readonly run: () => Steps | undefined;
}

export const TIMER = 1;
export const COMPONENT = 2;

/** A test that ends within one turn. */
export function test(name: string, run: () => void): Test {
  return {
    name,
    run: () => {
      run();
      return undefined;
    },
  };
}

/** A test that takes turns. `skip` says why it cannot run here. */
export function steps(name: string, run: () => Steps, skip?: string): Test {
  return { name, run, skip };
}

class Failure extends Error {
  override readonly name = "Failure";
}

export function fail(message: string): never {
  throw new Failure(message);
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return String(value);
}

export function equal(actual: unknown, expected: unknown, what: string): void {
  if (!Object.is(actual, expected)) fail(`${what}: ${show(actual)} instead of ${show(expected)}`);
}

export function holds(condition: boolean, what: string): void {
  if (!condition) fail(what);
}

export function between(value: number, low: number, high: number, what: string): void {
  if (!(value >= low && value <= high)) fail(`${what}: ${value} is not from ${low} to ${high}`);
}

export function bytesEqual(actual: Uint8Array, expected: readonly number[] | Uint8Array, what: string): void {
  equal(Array.from(actual).join(" "), Array.from(expected).join(" "), what);
}

/** The class of what `work` must throw, and that its message starts with the function's name. */
export function throws(
  kind: "TypeError" | "RangeError" | "Error",
  name: string,
  work: () => unknown,
  what: string,
): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Error)) fail(`${what}: threw ${show(error)}`);
    equal(error.name, kind, `${what}: kind of "${error.message}"`);
    holds(error.message.startsWith(`${name}: `), `${what}: "${error.message}" does not start with "${name}: "`);
    return;
  }
  fail(`${what}: nothing was thrown`);
}

/** A host function as the bundle's callers could misuse it: with any arguments. */
export function loose(name: Exclude<keyof typeof host, "engine" | "abi">): (...values: readonly unknown[]) => unknown {
  const call: unknown = Reflect.get(host, name);
  if (typeof call !== "function") return fail(`host.${name} is no function`);
  return (...values) => Reflect.apply(call, host, values) as unknown;
}

/** Numbers that repeat (xorshift32), for inputs nobody chose. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

export class Suite {
  private readonly tests: readonly Test[];
  private next = 0;
  private current: Steps | undefined;
  private passed = 0;
  private failed = 0;
  private skipped = 0;

  constructor(tests: readonly Test[]) {
    this.tests = tests;
  }

  private report(line: string): void {
    host.log(`${line}\n`);
  }

  private finish(error: unknown): void {
    const { name } = this.tests[this.next++] ?? fail("no test runs");
    this.current = undefined;
    if (error === undefined) {
      this.passed++;
      this.report(`ok ${this.next} - ${name}`);
      return;
    }
    this.failed++;
    const text = error instanceof Failure ? error.message : host.describe(error);
    this.report(`not ok ${this.next} - ${name}: ${text.replace(/\n\s*/g, " | ")}`);
  }

  /** @returns the next deadline, `undefined` when all tests are done and the summary is printed. */
  turn(turn: Turn): number | undefined {
    const test = this.tests[this.next];
    if (test === undefined) {
      this.report(`compliance: ${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`);
      return undefined;
    }
    if (test.skip !== undefined) {
      this.next++;
      this.skipped++;
      this.report(`ok ${this.next} - ${test.name} # SKIP ${test.skip}`);
      return 0;
    }
    try {
      let deadline: number | undefined;
      if (this.current === undefined) this.current = test.run();
      if (this.current !== undefined) {
        const result = this.current.next(turn);
        if (!result.done) deadline = result.value;
      }
      if (deadline !== undefined) return deadline;
      this.finish(undefined);
    } catch (error) {
      this.finish(error ?? new Failure("out of memory"));
    }
    return 0;
  }
}
