/** Reads a log ring by absolute offset, whole lines only, and says how much of what was asked for is gone. */

import type { BootLog } from "../services/log/boot-log.ts";
import { nodeBytes } from "./bytes.ts";

/** Longest line, newline not counted, of the logs that are read here. */
export const LOG_LINE_BYTES = 4096;

export interface LogSlice {
  /** Where the first line stands, in bytes since boot. */
  readonly offset: number;
  /** Bytes between what was asked for and `offset` that are no longer kept. */
  readonly lost: number;
  readonly lines: readonly string[];
}

/** The lines of `log` that begin at `from` or later. */
export function linesSince(log: BootLog, from: number): LogSlice {
  const scratch = new Uint8Array(LOG_LINE_BYTES);
  const lines: string[] = [];
  let offset = log.end;
  for (let at = log.start; at < log.end;) {
    const length = log.read(at, scratch);
    if (at >= from) {
      if (lines.length === 0) offset = at;
      lines.push(nodeBytes.decode(scratch, 0, length));
    }
    at += length + 1;
  }
  return { offset, lost: Math.max(0, log.start - from), lines };
}
