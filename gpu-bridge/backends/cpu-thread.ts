/**
 * What a thread of the CPU backend runs. It is started from its text, not from a file, so it is the same in the sources and in
 * a bundle: the text of both kernels, which stand by themselves, and a loop that answers one task after the other.
 */
import { Worker } from "node:worker_threads";
import type { Kernel } from "../backend.ts";
import { matmul, vadd } from "./arithmetic.ts";

/** To the thread; the buffer goes over to it. */
export interface Work {
  readonly kernel: Kernel;
  readonly input: ArrayBuffer;
}

const PROGRAM = `"use strict";
const { parentPort } = require("node:worker_threads");
const vadd = (${vadd.toString()});
const matmul = (${matmul.toString()});
parentPort.on("message", ({ kernel, input }) => {
  const floats = new Float32Array(input);
  const result =
    kernel.kernel === "vadd" ? vadd(floats, kernel.n) : matmul(floats, kernel.m, kernel.k, kernel.n);
  parentPort.postMessage(result.buffer, [result.buffer]);
});
`;

/** A thread that answers each {@link Work} with the ArrayBuffer of its result. */
export function startThread(): Worker {
  // Loaders of this process are of no use there and would cost each thread its start.
  return new Worker(PROGRAM, { eval: true, execArgv: [], name: "gpu-bridge-cpu" });
}
