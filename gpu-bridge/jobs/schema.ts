/**
 * JSON Schemas of a job's line, one for each kernel, for they differ in `params`. A description completes the sentence "it must be …".
 */

import { BLOB_BYTES } from "../backend.ts";
import { SLOTS, TIMEOUT_MOST_MS } from "../limits.ts";

/** The largest dimension of which a whole input is left: one row or column of a blob's floats. */
const DIMENSION_MOST = BLOB_BYTES / 4;
/** Of CUDA, whose launches these are (CUDA C++ Programming Guide, Compute Capabilities): each way, and threads of a block together. */
const GRID_MOST = [2 ** 31 - 1, 65_535, 65_535] as const;
const BLOCK_MOST = [1024, 1024, 64] as const;
export const BLOCK_THREADS = 1024;
const SLOT = `^blob/[0-${SLOTS - 1}]$`;

const whole = (most: number): object => ({
  type: "integer",
  minimum: 1,
  maximum: most,
  description: `a whole number from 1 to ${most}`,
});

const dimensions = (most: readonly number[]): object => ({
  type: "array",
  description: "three whole numbers",
  minItems: 3,
  maxItems: 3,
  items: false,
  prefixItems: most.map(whole),
});

function schema(kernel: string, params: readonly string[]): object {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: kernel,
    type: "object",
    description: "an object",
    additionalProperties: false,
    required: ["job", "kernel", "params", "bytes_hash", "outputs", "timeout_ms"],
    properties: {
      job: {
        type: "string",
        pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description: "an id like jid-42 of up to 64 letters, digits and . _ -",
      },
      kernel: { const: kernel, description: kernel },
      params: {
        type: "object",
        description: "an object",
        additionalProperties: false,
        required: params,
        properties: Object.fromEntries(params.map((name) => [name, whole(DIMENSION_MOST)])),
      },
      grid: dimensions(GRID_MOST),
      block: dimensions(BLOCK_MOST),
      bytes_hash: {
        type: "string",
        pattern: "^sha256:[0-9a-f]{64}$",
        description: "sha256: and 64 hexadecimal digits in lower case",
      },
      payload_b64: { type: "string", description: "base64 with its padding" },
      inputs: {
        type: "array",
        description: `a list of 1 to ${SLOTS} different blobs`,
        minItems: 1,
        maxItems: SLOTS,
        uniqueItems: true,
        items: { type: "string", pattern: SLOT, description: `blob/0 to blob/${SLOTS - 1}` },
      },
      outputs: {
        type: "array",
        description: "a list of one output",
        minItems: 1,
        maxItems: 1,
        items: {
          type: "string",
          pattern: `^inline$|${SLOT}`,
          description: `inline or blob/0 to blob/${SLOTS - 1}`,
        },
      },
      timeout_ms: whole(TIMEOUT_MOST_MS),
    },
  };
}

export const JOB_SCHEMAS = {
  vadd: schema("vadd", ["n"]),
  matmul: schema("matmul", ["m", "k", "n"]),
} as const;
