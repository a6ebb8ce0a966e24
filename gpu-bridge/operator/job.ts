/** `gpu-bridge job`: a job as people say it → the line that a bridge takes, read by the bridge's own reader before anybody sees it. */

import { randomBytes } from "node:crypto";
import { closeSync, openSync, readSync, writeFileSync } from "node:fs";
import { INLINE_BYTES, CTL_LINE_BYTES, JOB_LINE_BYTES } from "../limits.ts";
import { BLOB_BYTES, inputBytes, type Kernel, outputBytes } from "../backend.ts";
import { readJob } from "../jobs/descriptor.ts";
import { hashOf } from "../jobs/input.ts";
import { bytesOfFloats } from "./floats.ts";
import type { JobOptions } from "./job-cli.ts";

/** What a worker's `ctl` has before a job. */
const CTL = "job ";
/** What a console's line has before that, with an id as long as a hive makes them in practice. */
const ECHO = "ECHO /worker/worker-99999/ctl ";

export interface JobLine {
  /** With its newline. */
  readonly text: string;
  /** What whoever submits it should know, if anything. */
  readonly note: string | undefined;
}

/** The line, once the input's bytes are where they are to be. @throws Error with one sentence, without its full stop */
export function makeJob(options: JobOptions): JobLine {
  const { kernel, ctl, inputTo } = options;
  const input = inputOf(options);
  const size = inputBytes(kernel);
  if (input.length !== size) throw new Error(`the input has ${input.length} bytes, not ${size}`);
  const line = JSON.stringify(fieldsOf(options, input));
  const read = readJob(line);
  if ("sentence" in read) throw new Error(read.sentence);
  if (line.length > JOB_LINE_BYTES) {
    throw new Error(
      `the line has ${line.length} bytes, more than ${JOB_LINE_BYTES}: put the input into a blob (--blob)`,
    );
  }
  if (inputTo !== undefined) writeFileSync(inputTo, input);
  const atConsole = ECHO.length + CTL.length + line.length;
  const note =
    atConsole <= CTL_LINE_BYTES
      ? undefined
      : `the line has ${line.length} bytes and ECHO has no room for it: append it to the worker's ctl over 9P`;
  return { text: `${ctl ? CTL : ""}${line}\n`, note };
}

/** Members in the order in which they are documented. */
function fieldsOf({ kernel, id, timeoutMs, blob, out, grid, block }: JobOptions, input: Uint8Array): object {
  const { kernel: name, ...params } = kernel;
  return {
    job: id ?? `jid-${randomBytes(4).toString("hex")}`,
    kernel: name,
    params,
    grid,
    block,
    bytes_hash: hashOf(input),
    ...(blob === undefined ? { payload_b64: Buffer.from(input).toString("base64") } : { inputs: [`blob/${blob}`] }),
    outputs: [out ?? fitting(kernel, blob)],
    timeout_ms: timeoutMs,
  };
}

function fitting(kernel: Kernel, blob = "0"): string {
  return outputBytes(kernel) <= INLINE_BYTES ? "inline" : `blob/${blob}`;
}

function inputOf({ input }: JobOptions): Uint8Array {
  return "file" in input ? readUpTo(input.file, BLOB_BYTES) : bytesOfFloats(input);
}

/** A file, of which more than so many bytes are an error however many they are. @throws Error with one sentence */
export function readUpTo(file: string, most: number): Uint8Array {
  const bytes = Buffer.alloc(most + 1);
  let length = 0;
  const fd = openSync(file, "r");
  try {
    for (let count = -1; count !== 0 && length <= most; length += count) {
      count = readSync(fd, bytes, length, bytes.length - length, null);
    }
  } finally {
    closeSync(fd);
  }
  if (length > most) throw new Error(`${file} has more than ${most} bytes`);
  return bytes.subarray(0, length);
}
