/** What a micro-benchmark is, and the engine's bulk functions as the port that the core expects. */
import type { Bytes } from "../../../services/ports/index.ts";

export interface Benchmark {
  /** One word; those that begin with `pause-` are reported as the time of one run, the others as runs a second. */
  readonly name: string;
  /** Runs between two looks at the clock. */
  readonly batch: number;
  readonly run: (count: number) => void;
  /** The same in another unit: that many of it in each run. */
  readonly also?: { readonly name: string; readonly each: number };
}

export const bytes: Bytes = {
  copy: (into, at, from, start, length) => host.copy(into, at, from, start, length),
  checksum: (from, start, length, initial) => host.checksum(from, start, length, initial),
  encode: (text, into, at) => host.utf8Encode(text, into, at),
  decode: (from, start, length) => host.utf8Decode(from, start, length),
  validate: (from, start, length) => host.utf8Validate(from, start, length),
  plain: (from, start, length) => host.plainRun(from, start, length),
};
