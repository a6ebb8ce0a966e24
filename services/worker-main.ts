/**
 * What a worker's component runs: the program of its kind on its engine's few functions. The engine calls `step` with the root's
 * answer and makes the call that it returns; an exception that leaves it ends the worker, and the root is told why.
 */
import type { Bytes } from "./ports/index.ts";
import { programOf } from "./workers/programs.ts";

const bytes: Bytes = {
  copy: (into, at, from, start, length) => sys.copy(into, at, from, start, length),
  checksum: () => {
    throw new Error("Worker: there are no checksums here.");
  },
  encode: (text, into, at) => sys.utf8Encode(text, into, at),
  decode: (from, start, length) => sys.utf8Decode(from, start, length),
  validate: (from, start, length) => sys.utf8Validate(from, start, length),
  plain: (from, start, length) => sys.plainRun(from, start, length),
};

const worker = programOf({ bytes, frame: new Uint8Array(sys.frame), args: sys.args });

/** One step. @param label and `word` of the root's answer, both 0 at first */
export function step(label: number, word: number): readonly [label: number, word: number] {
  return worker.step(label, word);
}
