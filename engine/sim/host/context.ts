/** What the host functions work on: the machine's parts, alive across rebuilds, and the runtime that calls them. */
import type { Bus } from "../bus.ts";
import type { SimClock } from "../clock.ts";
import type { ComponentTable } from "../components.ts";
import type { InterruptController } from "../interrupts.ts";
import type { LineTable } from "../lines.ts";
import type { DmaPool } from "../memory.ts";
import type { Runtime } from "../quickjs/runtime.ts";
import { Thrown } from "../quickjs/errors.ts";
import { TAG_NULL, TAG_OBJECT, TAG_STRING, TAG_STRING_ROPE } from "../quickjs/layout.ts";

/** Kept over a rebuild of the runtime. */
export interface MachineParts {
  readonly clock: SimClock;
  readonly bus: Bus;
  readonly interrupts: InterruptController;
  readonly dma: DmaPool;
  readonly components: ComponentTable;
  readonly rootfs: ReadonlyMap<string, Uint8Array>;
  readonly lines: LineTable;
  readonly phases: { readonly name: string; readonly us: number }[];
  readonly counters: { gcRuns: number; gcLongestUs: number; jobsDeferred: number; restarts: number };
  log(text: string): void;
  /** Ends the machine. Does not return. */
  halt(reason: string): never;
}

export interface HostContext {
  readonly machine: MachineParts;
  readonly runtime: Runtime;
}

/** @returns the text of an exception, with its positions in TypeScript; never throws. */
export function describeValue(lines: LineTable, runtime: Runtime, value: number): string {
  if (runtime.typeTag(value) === TAG_NULL) return "null (out of memory)";
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (error instanceof Thrown) return undefined;
      throw error;
    }
  };
  const text = attempt(() => runtime.toText(value)) ?? "an exception that cannot be shown";
  const stack = attempt(() => {
    if (runtime.typeTag(value) !== TAG_OBJECT) return undefined;
    const property = runtime.property(value, "stack");
    const tag = runtime.typeTag(property);
    const string = tag === TAG_STRING || tag === TAG_STRING_ROPE ? runtime.toText(property) : undefined;
    runtime.release(property);
    return string;
  });
  return lines.translate(stack ? `${text}\n${stack}` : text).replace(/\n+$/, "");
}

/** Count a collection, whoever asked for it. */
export function countCollection(counters: MachineParts["counters"], us: number): void {
  counters.gcRuns++;
  counters.gcLongestUs = Math.max(counters.gcLongestUs, us);
}
