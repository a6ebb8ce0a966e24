/** From where a job says that its input is to the bytes that run: held, of the exact length, and with the hash that was promised. */

import { createHash } from "node:crypto";
import { inputBytes } from "../backend.ts";
import type { Blobs } from "../blobs/blobs.ts";
import { busy, invalid, type Refused } from "../refused.ts";
import type { Job } from "./descriptor.ts";

/** Bytes that do not change until they are released, at the beginning of their buffer, which may be longer and is not to be transferred. */
export interface Input {
  readonly bytes: Uint8Array;
  release(): void;
}

export function hashOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** @returns the input, which whoever asks releases; or why there is none, and then nothing is held */
export function takeInput(job: Job, blobs: Blobs): Input | Refused {
  const size = inputBytes(job.kernel);
  const parts = job.input instanceof Uint8Array ? [job.input] : job.input.map((slot) => blobs.slots[slot]!.in.content);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length !== size) return invalid(`the input has ${length} bytes, not ${size}`);
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  const found = `sha256:${hash.digest("hex")}`;
  if (found !== job.hash) return invalid(`the input's hash is ${found}, not ${job.hash}`);
  if (job.input instanceof Uint8Array) return { bytes: job.input, release: () => undefined };
  const [slot, second] = job.input;
  if (second === undefined) {
    const blob = blobs.slots[slot!]!.in;
    blob.hold();
    return { bytes: parts[0]!, release: () => blob.release() };
  }
  const { memory } = blobs;
  if (!memory.take(size)) return busy("no memory is left for the input");
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes, release: () => memory.give(size) };
}
