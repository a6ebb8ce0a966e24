/** The command line of `gpu-bridge job`: which job, where its input is, and how its line is to be printed. */

import { Argument, Command, InvalidArgumentError } from "commander";
import { type Leaving, readProgram } from "../../cohsh/program.ts";
import type { Kernel } from "../backend.ts";
import { floatsOf } from "./floats.ts";

export interface JobOptions {
  readonly kernel: Kernel;
  /** The input itself, or a file that has it. */
  readonly input: readonly number[] | { readonly file: string };
  /** A random one if absent. */
  readonly id?: string;
  readonly timeoutMs: number;
  /** Which blob has the input when the job is submitted; it is in the line if absent. */
  readonly blob?: string;
  /** As in a job's `outputs`; what fits if absent. */
  readonly out?: string;
  readonly grid?: readonly number[];
  readonly block?: readonly number[];
  /** A file that shall have the input's bytes. */
  readonly inputTo?: string;
  /** Whether the line is one of a worker's `ctl`. */
  readonly ctl: boolean;
}

interface JobFlags extends Omit<JobOptions, "kernel" | "input" | "ctl"> {
  readonly a?: readonly number[];
  readonly b?: readonly number[];
  readonly input?: string;
  readonly n?: number;
  readonly m?: number;
  readonly k?: number;
  readonly ctl?: boolean;
}

const TIMEOUT_MS = 5000;

const EPILOGUE = `
What is checked is what the bridge checks, and nothing is printed that it would refuse. With --ctl the line is one of a
GPU worker's ctl, which takes all of it over 9P; a console's line has no room for more than some 140 floats in it:
  gpu-bridge job vadd --a 1,2,3 --b 10,20,30 --ctl      then: ECHO /worker/worker-1/ctl <the line>
  gpu-bridge job vadd --a 1,2,3 --b 10,20,30 --ctl >> /mnt/worker/worker-1/ctl
  gpu-bridge job matmul --m 512 --k 512 --n 512 --input AB --blob 0 --ctl
Exit status: 2 the command line is wrong, a file cannot be read or written, or a bridge would refuse the job.
Documentation: docs/GPU_NODES.md`;

export function parseJob(args: readonly string[]): { readonly job: JobOptions } | Leaving {
  const program = new Command("gpu-bridge job")
    .description("Print the line of a job, with its hash.")
    .helpOption("-h, --help", "print this")
    .addArgument(new Argument("<kernel>", "what shall run").choices(["vadd", "matmul"]))
    .option("--a <floats>", "vadd's a, or A by rows: 1,2.5,-3", numbers)
    .option("--b <floats>", "vadd's b, or B by rows", numbers)
    .option("--input <file>", "in place of both: a file of 32-bit floats, little-endian, a before b")
    .option("--n <n>", "vadd: how many floats a has, where it is not counted; matmul: columns of B", whole)
    .option("--m <m>", "matmul: rows of A", whole)
    .option("--k <k>", "matmul: columns of A, and rows of B", whole)
    .option("--id <id>", "the job's id (a random one)")
    .option("--timeout-ms <ms>", "how long it may run", whole, TIMEOUT_MS)
    .option("--blob <n>", "the input is in blob n, and not in the line")
    .option("--out <where>", "inline or blob/n (inline where that fits, else the input's blob or blob/0)")
    .option("--grid <x,y,z>", "the launch's grid", wholes)
    .option("--block <x,y,z>", "the launch's block", wholes)
    .option("--input-to <file>", "write the input's bytes there, for a blob's in")
    .option("--ctl", "print it as a line of a worker's ctl")
    .addHelpText("after", EPILOGUE);
  return readProgram(program, args, () => ({
    job: jobOptions(program.args[0] as Kernel["kernel"], program.opts<JobFlags>()),
  }));
}

function jobOptions(name: Kernel["kernel"], flags: JobFlags): JobOptions {
  const { a, b, input: file, n, m, k, ctl, ...rest } = flags;
  const both = a !== undefined && b !== undefined;
  if ((file === undefined) !== both || (!both && (a ?? b) !== undefined)) {
    throw new Error("there must be --a and --b, or --input in place of both");
  }
  const kernel = name === "vadd" ? vadd({ n, m, k }, a) : matmul({ n, m, k });
  if (both) sameShape(kernel, a, b);
  return { ...rest, kernel, input: both ? [...a, ...b] : { file: file! }, ctl: ctl === true };
}

type Sizes = Readonly<Record<"n" | "m" | "k", number | undefined>>;

function vadd({ n, m, k }: Sizes, a: readonly number[] | undefined): Kernel {
  if ((m ?? k) !== undefined) throw new Error("--m and --k are for matmul");
  const count = n ?? a?.length;
  if (count === undefined) throw new Error("vadd of a file needs --n");
  return { kernel: "vadd", n: count };
}

function matmul({ n, m, k }: Sizes): Kernel {
  if (m === undefined || k === undefined || n === undefined) throw new Error("matmul needs --m, --k and --n");
  return { kernel: "matmul", m, k, n };
}

/** Each of both by itself, for what one has too much may be what the other lacks. */
function sameShape(kernel: Kernel, a: readonly number[], b: readonly number[]): void {
  const [ofA, ofB] = kernel.kernel === "vadd" ? [kernel.n, kernel.n] : [kernel.m * kernel.k, kernel.k * kernel.n];
  if (a.length !== ofA) throw new Error(`--a has ${a.length} floats, not ${ofA}`);
  if (b.length !== ofB) throw new Error(`--b has ${b.length} floats, not ${ofB}`);
}

function numbers(text: string): readonly number[] {
  const floats = floatsOf(text);
  if (floats === undefined) throw new InvalidArgumentError("It must be 32-bit floats like 1,2.5,-3.");
  return floats;
}

/** Ranges are the business of the reader of jobs. */
function whole(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

function wholes(text: string): readonly number[] {
  return text.split(",").map(whole);
}
