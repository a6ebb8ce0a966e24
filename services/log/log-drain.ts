/**
 * Hands a log's lines to whoever prints them, as a source of the pump: for a hive without a serial line, whose log would
 * otherwise be seen by nobody. Bounded by the stage's budget in bytes; what was overwritten meanwhile is left out.
 */
import type { Bytes } from "../ports/index.ts";
import type { Source } from "../pump/pump.ts";
import { type BootLog, LogReader } from "./boot-log.ts";

/** @param lineBytes the log's longest line */
export function drainLog(log: BootLog, bytes: Bytes, lineBytes: number, print: (line: string) => void): Source {
  const reader = new LogReader(log);
  const line = new Uint8Array(lineBytes);
  return {
    serve: (budget) => {
      let done = 0;
      reader.skipGap();
      for (; done < budget; done += line.length) {
        const length = reader.next(line);
        if (length < 0) break;
        print(bytes.decode(line, 0, length));
      }
      return done;
    },
    ready: () => reader.waiting,
  };
}
