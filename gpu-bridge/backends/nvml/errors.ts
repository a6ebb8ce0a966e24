/**
 * What NVML and CUDA say went wrong, in a sentence. The tables are those of `nvmlReturn_t` in `nvml.h` and of `CUresult` in
 * `cuda.h` (CUDA 13.0); a code that a later driver adds is named by its number.
 */
import { ExecutionError } from "../../backend.ts";

/** There is nothing to run on here: no koffi, no library, no driver, no GPU. One sentence; the shell's exit status is 2. */
export class BackendUnavailable extends Error {}

/** Name, and what it means. */
export type Meaning = readonly [name: string, sentence: string];

/** How a code of the table is told, with the function that gave it. */
export function describe(table: Readonly<Record<number, Meaning>>, call: string, code: number): string {
  const meaning = table[code];
  if (meaning === undefined) return `${call} failed with code ${code}, which is none of those that are known`;
  return `${call}: ${meaning[1]} (${meaning[0]}, ${code})`;
}

/** A call of the CUDA driver that failed while a task ran. */
export class CudaError extends ExecutionError {
  readonly code: number;

  constructor(sentence: string, code: number) {
    super(sentence);
    this.code = code;
  }
}
