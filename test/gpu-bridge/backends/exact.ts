/** What the kernels' results have to be, computed otherwise than any backend does: in 64 bits, element by element. */

import { expect } from "chai";
import { ExecutionError, outputBytes, type Kernel } from "../../../gpu-bridge/backend.ts";
import type { Random } from "../../fuzz/random.ts";

/** Tasks are little-endian, and so is every machine that runs these. */
export function bytesOf(floats: Float32Array): Uint8Array {
  return new Uint8Array(floats.slice().buffer);
}

export function floatsOf(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice().buffer);
}

/** Of both signs and many magnitudes, so that sums lose bits. */
export function randomFloats(random: Random, count: number): Float32Array {
  return Float32Array.from({ length: count }, () => (random.int(2 ** 24) / 2 ** 23 - 1) * 2 ** (random.int(9) - 4));
}

export interface Element {
  readonly value: number;
  /** How far a 32-bit result may be off. */
  readonly tolerance: number;
}

/** One element of the exact result, with `k · 2⁻²³ · Σ|a·b|` for a product and half a unit of the last place for a sum. */
export function exactElement(kernel: Kernel, input: Float32Array, index: number): Element {
  const at = (i: number): number => input[i] ?? NaN;
  if (kernel.kernel === "vadd") {
    const value = at(index) + at(kernel.n + index);
    return { value, tolerance: Math.abs(value) * 2 ** -24 + 2 ** -150 };
  }
  const { m, k, n } = kernel;
  const row = Math.floor(index / n);
  const column = index % n;
  let value = 0;
  let magnitude = 0;
  for (let i = 0; i < k; i++) {
    const product = at(row * k + i) * at(m * k + i * n + column);
    value += product;
    magnitude += Math.abs(product);
  }
  return { value, tolerance: k * 2 ** -23 * magnitude + 2 ** -149 };
}

/** The same in 32 bits, rounded after each step in the order of k: what all backends agree on. */
export function roundedElement(kernel: Kernel, input: Float32Array, index: number): number {
  const at = (i: number): number => input[i] ?? NaN;
  if (kernel.kernel === "vadd") return Math.fround(at(index) + at(kernel.n + index));
  const { m, k, n } = kernel;
  let sum = 0;
  for (let i = 0; i < k; i++) {
    const product = Math.fround(at(Math.floor(index / n) * k + i) * at(m * k + i * n + (index % n)));
    sum = Math.fround(sum + product);
  }
  return sum;
}

/** Checks some elements against both, the first and the last among them; all of them if there are no more than `most`. */
export function expectResult(kernel: Kernel, input: Float32Array, result: Uint8Array, most = 2000): void {
  expect(result.length, "length").to.equal(outputBytes(kernel));
  const floats = floatsOf(result);
  const step = Math.max(1, Math.floor(floats.length / most));
  const indices = new Set([floats.length - 1]);
  for (let index = 0; index < floats.length; index += step) indices.add(index);
  for (const index of indices) {
    const { value, tolerance } = exactElement(kernel, input, index);
    const got = floats[index];
    const where = `element ${index} of ${floats.length}`;
    if (Number.isFinite(Math.fround(value))) expect(got, where).to.be.closeTo(value, tolerance);
    expect(got, where).to.deep.equal(roundedElement(kernel, input, index));
  }
}

/** @returns what the promise was rejected with */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  let result: unknown;
  try {
    result = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`it came to ${String(result)} instead of being refused`);
}

export async function expectRefused(promise: Promise<unknown>, sentence: RegExp | string): Promise<void> {
  const error = await rejection(promise);
  expect(error).to.be.instanceOf(ExecutionError);
  const { message } = error as ExecutionError;
  if (typeof sentence === "string") expect(message).to.equal(sentence);
  else expect(message).to.match(sentence);
}
