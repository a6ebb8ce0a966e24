/** Jobs as a Queen gives them to workers: their lines, and what they have to come to, computed otherwise than by any backend. */
import { expect } from "chai";
import type { Kernel } from "../../gpu-bridge/backend.ts";
import { Random } from "../fuzz/random.ts";
import { bytesOf, expectResult, randomFloats } from "../gpu-bridge/backends/exact.ts";
import { hashed } from "../gpu-bridge/support.ts";
import type { JobLine } from "./follower.ts";

export interface GpuJob {
  readonly id: string;
  readonly kernel: Kernel;
  readonly input: Float32Array;
  /** Without its newline. */
  readonly line: string;
}

let seed = 0;

/** A vector addition of so many floats, given inline. @param more fields that are otherwise */
export function vaddJob(id: string, n = 2, more: object = {}): GpuJob {
  const input = randomFloats(new Random(++seed), 2 * n);
  const bytes = bytesOf(input);
  const line = JSON.stringify({
    job: id,
    kernel: "vadd",
    params: { n },
    bytes_hash: hashed(bytes),
    payload_b64: Buffer.from(bytes).toString("base64"),
    outputs: ["inline"],
    timeout_ms: 60_000,
    ...more,
  });
  return { id, kernel: { kernel: "vadd", n }, input, line };
}

/** A matrix multiplication whose input and result are in a blob. */
export function matmulJob(id: string, [m, k, n]: readonly [number, number, number], blob: number): GpuJob {
  const input = randomFloats(new Random(++seed), m * k + k * n);
  const line = JSON.stringify({
    job: id,
    kernel: "matmul",
    params: { m, k, n },
    grid: [Math.ceil(n / 16), Math.ceil(m / 16), 1],
    block: [16, 16, 1],
    bytes_hash: hashed(bytesOf(input)),
    inputs: [`blob/${blob}`],
    outputs: [`blob/${blob}`],
    timeout_ms: 60_000,
  });
  return { id, kernel: { kernel: "matmul", m, k, n }, input, line };
}

/** That a line of the results, or of a status, is the end of that job, and what it says is right. */
export function expectInline({ id, kernel, input }: GpuJob, line: JobLine): void {
  expect(line).to.include({ job: id, state: "OK", detail: "inline" });
  const result = Uint8Array.from(Buffer.from(line.result_b64 ?? "", "base64"));
  expect(line.result_hash).to.equal(hashed(result));
  expectResult(kernel, input, result);
}

/** The same of one whose result was read from a blob. */
export function expectBlob({ id, kernel, input }: GpuJob, blob: number, line: JobLine, result: Uint8Array): void {
  expect(line).to.include({ job: id, state: "OK", detail: `blob/${blob}` });
  expect(line).to.not.have.property("result_b64");
  expect(line.result_hash).to.equal(hashed(result));
  expectResult(kernel, input, result);
}

export const INLINE = ["QUEUED waiting", "RUNNING scheduled", "OK inline"];
