/**
 * Runs a benchmark bundle on Node itself, beside the two engines: `bench-node.ts BUNDLE`. It has the host functions that
 * benchmarks call and no machine, so a bundle that wants one fails here.
 */
import { pathToFileURL } from "node:url";
import { nodeBytes } from "./node-bytes.ts";
import type { Bundle } from "../../runtime-bindings.d.ts";

interface Ended {
  reason: string | undefined;
}

const ended: Ended = { reason: undefined };
const us = (): number => Math.floor(performance.now() * 1000);

const host = {
  nowUs: us,
  log: (text: string) => void process.stdout.write(text),
  halt: (reason: string) => {
    ended.reason = reason;
    return Infinity;
  },
  barrier: () => undefined,
  /** Collects if Node was started with `--expose-gc`. */
  gc: () => {
    const since = us();
    globalThis.gc?.();
    return us() - since;
  },
  copy: (into: Uint8Array, at: number, from: Uint8Array, start: number, length: number) =>
    nodeBytes.copy(into, at, from, start, length),
  checksum: (bytes: Uint8Array, start: number, length: number, initial: number) =>
    nodeBytes.checksum(bytes, start, length, initial),
  utf8Encode: (text: string, into: Uint8Array, at: number) => nodeBytes.encode(text, into, at),
  utf8Decode: (bytes: Uint8Array, start: number, length: number) => nodeBytes.decode(bytes, start, length),
  utf8Validate: (bytes: Uint8Array, start: number, length: number) => nodeBytes.validate(bytes, start, length),
  plainRun: (bytes: Uint8Array, start: number, length: number) => nodeBytes.plain(bytes, start, length),
};

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("bench-node: which bundle?");
Object.assign(globalThis, { host });
const bundle = (await import(pathToFileURL(file).href)) as Bundle;
while (ended.reason === undefined) bundle.turn(0, us());
console.log(`halted: ${ended.reason}`);
