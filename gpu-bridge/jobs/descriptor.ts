/**
 * A job's line: what shall run, on which input, where the result goes and how long it may take. Whatever is wrong with a line is one
 * sentence with the JSON pointer of the first mistake; what is read here needs no second look but at the input's bytes.
 */

import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import { type Json, type JsonObject, pointerTo, readJson } from "../../services/queen/json.ts";
import { BLOB_BYTES, type Dimensions, inputBytes, type Kernel, outputBytes } from "../backend.ts";
import { INLINE_BYTES } from "../limits.ts";
import { invalid, type Refused, shortened } from "../refused.ts";
import { BLOCK_THREADS, JOB_SCHEMAS } from "./schema.ts";

export interface Job {
  readonly id: string;
  readonly kernel: Kernel;
  readonly grid?: Dimensions;
  readonly block?: Dimensions;
  /** Of the input's bytes, `sha256:` and hexadecimal digits. */
  readonly hash: string;
  /** The input itself, or numbers of the blobs that it is made of. */
  readonly input: Uint8Array | readonly number[];
  /** `inline`, or the number of a blob. */
  readonly output: "inline" | number;
  readonly timeoutMs: number;
}

/** A line that the schema takes. */
interface Fields {
  readonly job: string;
  readonly kernel: keyof typeof JOB_SCHEMAS;
  readonly params: Readonly<Record<string, number>>;
  readonly grid?: Dimensions;
  readonly block?: Dimensions;
  readonly bytes_hash: string;
  readonly payload_b64?: string;
  readonly inputs?: readonly string[];
  readonly outputs: readonly [string];
  readonly timeout_ms: number;
}

/** Most characters that a sentence repeats of a value or pointer. */
const QUOTED = 60;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const ajv = new Ajv2020({ strict: true, strictTuples: false, verbose: true });
const validators: Readonly<Record<keyof typeof JOB_SCHEMAS, ValidateFunction<Fields>>> = {
  vadd: ajv.compile<Fields>(JOB_SCHEMAS.vadd),
  matmul: ajv.compile<Fields>(JOB_SCHEMAS.matmul),
};

/** @param line without its newline. Never throws. */
export function readJob(line: string): { readonly job: Job } | Refused {
  const read = readJson(line);
  if ("mistake" in read) return invalid(read.mistake.sentence.replace(/\.$/, ""));
  const { value } = read;
  if (!isObject(value)) return invalid("the line must be an object");
  const { kernel } = value;
  if (kernel === undefined) return invalid("/kernel is missing");
  if (kernel !== "vadd" && kernel !== "matmul") return invalid(`/kernel must be vadd or matmul, not ${shown(kernel)}`);
  const validate = validators[kernel];
  if (!validate(value)) return fault(validate.errors?.[0]);
  return understood(value);
}

/** What a schema cannot say. */
function understood(fields: Fields): { readonly job: Job } | Refused {
  const { job: id, grid, block, bytes_hash: hash, timeout_ms: timeoutMs } = fields;
  const kernel = kernelOf(fields);
  const size = inputBytes(kernel);
  if (!(size <= BLOB_BYTES)) return invalid(`/params ask for an input of ${size} bytes, more than ${BLOB_BYTES}`);
  const result = outputBytes(kernel);
  if (!(result <= BLOB_BYTES)) return invalid(`/params ask for a result of ${result} bytes, more than ${BLOB_BYTES}`);
  if (block !== undefined && block[0] * block[1] * block[2] > BLOCK_THREADS) {
    return invalid(`/block must be of ${BLOCK_THREADS} threads at most, not ${block[0] * block[1] * block[2]}`);
  }
  const input = inputOf(fields);
  if ("sentence" in input) return input;
  const [where] = fields.outputs;
  const output = where === "inline" ? where : slotOf(where);
  if (output === "inline" && result > INLINE_BYTES) {
    return invalid(`/outputs/0 must be a blob, for the result has ${result} bytes, more than ${INLINE_BYTES}`);
  }
  const launch = { ...(grid === undefined ? {} : { grid }), ...(block === undefined ? {} : { block }) };
  return { job: { id, kernel, ...launch, hash, input, output, timeoutMs } };
}

function inputOf({ payload_b64: text, inputs }: Fields): Uint8Array | readonly number[] | Refused {
  if (text !== undefined && inputs !== undefined) return invalid("payload_b64 and inputs must not both be there");
  if (inputs !== undefined) return inputs.map(slotOf);
  if (text === undefined) return invalid("payload_b64 or inputs must be there");
  const bytes = BASE64.test(text) ? Buffer.from(text, "base64") : undefined;
  // Bits that belong to no byte are in no other text of the same bytes.
  if (bytes?.toString("base64") !== text) return invalid("/payload_b64 must be base64 with its padding");
  // Not a piece of Node's pool: a backend may look at it as floats.
  return new Uint8Array(bytes);
}

function kernelOf({ kernel, params }: Fields): Kernel {
  const { m = 0, k = 0, n = 0 } = params as { m?: number; k?: number; n?: number };
  return kernel === "vadd" ? { kernel, n } : { kernel, m, k, n };
}

function slotOf(name: string): number {
  return Number(name.slice(-1));
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The sentence for what a schema found. */
function fault(error: ErrorObject | undefined): Refused {
  if (error === undefined) throw new Error("a schema refused a value without saying why");
  const { keyword, instancePath: at, data } = error;
  const params = error.params as Readonly<Record<string, unknown>>;
  if (keyword === "required") return invalid(`${pointer(at, params["missingProperty"])} is missing`);
  if (keyword === "additionalProperties") return invalid(`${pointer(at, params["additionalProperty"])} is unknown`);
  const { description } = (error.parentSchema ?? {}) as { description?: string };
  return invalid(`${shortened(at, QUOTED)} must be ${description ?? "something else"}, not ${shown(data as Json)}`);
}

function pointer(at: string, name: unknown): string {
  return shortened(pointerTo(at, String(name)), QUOTED);
}

function shown(value: Json): string {
  return shortened(JSON.stringify(value), QUOTED);
}
