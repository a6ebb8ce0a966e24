/** What the engine says when a bundle has used up its memory: who held what. */
import type { Runtime } from "../quickjs/runtime.ts";

/** One line on the heap as it is now. */
export function heapLine({ heapUsed, heapPeak, heapLimit, heapBlocks }: Runtime): string {
  return `engine: out of memory: ${heapUsed} of ${heapLimit} bytes in ${heapBlocks} blocks in use, ${heapPeak} at most\n`;
}

/** A line for each kind of thing in the heap. */
export function kindLines(runtime: Runtime): string[] {
  return runtime
    .usageByKind()
    .map(
      ({ kind, count, bytes }) =>
        `engine:   ${kind.padEnd(16)} ${String(count ?? "").padStart(10)} ${String(bytes).padStart(12)} bytes\n`,
    );
}
