/** `gpu-bridge result`: the line of a job's end, as a worker's `result` and a `status` have it → the floats, if their hash is right. */

import { Command } from "commander";
import { type Leaving, readProgram } from "../../cohsh/program.ts";
import { type Json, readJson } from "../../services/queen/json.ts";
import { BLOB_BYTES } from "../backend.ts";
import { hashOf } from "../jobs/input.ts";
import { STATUS_LINE_BYTES } from "../limits.ts";
import { shortened } from "../refused.ts";
import { textOfFloats } from "./floats.ts";
import { readUpTo } from "./job.ts";

export interface ResultOptions {
  /** Standard input has it if absent. */
  readonly line?: string;
  /** A file of the bytes, if they are not in the line. */
  readonly from?: string;
}

const EPILOGUE = `
  tail -n 1 /mnt/worker/worker-1/result | gpu-bridge result
  gpu-bridge result --from /mnt/gpu/GPU-0/blob/0/out '{"job":"jid-43","state":"OK",…}'
Exit status: 1 the job came to nothing, or the bytes are not those that the bridge had; 2 the command line or the line
is wrong. Documentation: docs/GPU_NODES.md`;

/** There is no result, whatever is asked for. */
export class NoResult extends Error {}

export function parseResult(args: readonly string[]): { readonly result: ResultOptions } | Leaving {
  const program = new Command("gpu-bridge result")
    .description("Print the floats of a result.")
    .helpOption("-h, --help", "print this")
    .argument("[line]", "the line of the job's end (standard input)")
    .option("--from <file>", "where the bytes are, of a result in a blob")
    .addHelpText("after", EPILOGUE);
  return readProgram(program, args, () => {
    const [line] = program.args;
    return { result: { ...(line === undefined ? {} : { line }), ...program.opts<{ from?: string }>() } };
  });
}

/** @returns the floats by commas, and a newline @throws NoResult, or Error if it is asked in a wrong way; with one sentence */
export function showResult(line: string, from?: string): string {
  const { job, state, detail, hash, inline } = endOf(line);
  if (state === "ERR") throw new NoResult(`${job} came to nothing: ${detail}`);
  if (inline === undefined && from === undefined) {
    throw new Error(`the result of ${job} is in ${detail}: say with --from where its bytes are`);
  }
  const bytes = from === undefined ? Buffer.from(inline!, "base64") : readUpTo(from, BLOB_BYTES);
  const found = hashOf(bytes);
  if (found !== hash) throw new NoResult(`the result's hash is ${found}, not ${hash}`);
  if (bytes.length % 4 !== 0) throw new NoResult(`the result has ${bytes.length} bytes, which are no floats`);
  return `${textOfFloats(bytes)}\n`;
}

interface End {
  readonly job: string;
  readonly state: "OK" | "ERR";
  readonly detail: string;
  readonly hash: string;
  readonly inline: string | undefined;
}

type Fields = Readonly<Partial<Record<"job" | "state" | "detail" | "result_hash" | "result_b64", Json>>>;

function endOf(line: string): End {
  const read = readJson(line.trim());
  if ("mistake" in read) throw new Error(read.mistake.sentence.replace(/\.$/, ""));
  const { job, state, detail, result_hash: hash, result_b64: inline } = (read.value ?? {}) as Fields;
  if (typeof job !== "string" || (state !== "OK" && state !== "ERR")) throw new Error("that is no line of a job's end");
  if (state === "OK" && typeof hash !== "string") throw new Error("the line has no result_hash");
  return {
    job: job === "" ? "a line" : shortened(job),
    state,
    detail: textOf(detail) ?? "",
    hash: textOf(hash) ?? "",
    inline: typeof inline === "string" ? inline : undefined,
  };
}

function textOf(field: Json | undefined): string | undefined {
  return typeof field === "string" ? shortened(field) : undefined;
}

/** All of standard input, if that is no more than a line. */
export async function lineOfInput(input: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of input) {
    length += chunk.length;
    if (length > STATUS_LINE_BYTES + 1) throw new Error(`that is more than a line of ${STATUS_LINE_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
