/** The command line of `cohsh bench`: which hive, how often, and whether anything may be written. It starts nothing. */

import { Command, InvalidArgumentError } from "commander";
import type { Layers } from "../cli.ts";
import { type HiveFlags, type HiveOptions, hiveOptions, withHiveOptions } from "../hive-options.ts";
import { hostOf, portOf, timeoutOf } from "../option-values.ts";
import { type Leaving, readProgram } from "../program.ts";

export interface BenchOptions extends HiveOptions {
  /** Round trips of the shortest kind; the longer ones are fewer. */
  readonly count: number;
  readonly readOnly: boolean;
  readonly json: boolean;
  /** How long one answer may take. */
  readonly timeoutMs: number;
}

export type BenchInvocation = { readonly bench: BenchOptions } | Leaving;

interface Flags extends HiveFlags {
  count?: number;
  readOnly?: boolean;
  json?: boolean;
  timeout?: number;
}

const COUNT = { least: 10, most: 10_000, usual: 200 };

const EPILOGUE = `
Measured are PING, ECHO one by one and 8 at once, CAT /proc/boot, TAIL of the end of /log/queen.log, and login
with logout, each over a connection of its own that is attached as the Queen, and all of it as seen from here.
ECHO appends lines to /log/queen.log, which stay there; --read-only leaves that out. The hive itself notes each
login there. Nothing else stays.
  cohsh bench hive.example:31337
  cohsh bench --via ssh://me@machine --read-only --json
Exit status: 0 measured, 1 the hive refuses it or is gone, 2 the command line is wrong, 129, 130, 143 ended by a
signal.
Documentation: docs/USERLAND_AND_CLI.md`;

/** @param args what stands after `bench` */
export function parseBenchCommandLine(args: readonly string[], layers: Layers): BenchInvocation {
  const program = new Command("cohsh bench")
    .description("Say how fast a hive over TCP answers.")
    .helpOption("-h, --help", "print this")
    .argument("[place]", "the hive: HOST or HOST:PORT, in place of --host and --port", placeOf)
    .option("--count <n>", `how often to ask, ${COUNT.least} to ${COUNT.most} (${COUNT.usual})`, countOf)
    .option("--read-only", "write nothing, so measure no ECHO")
    .option("--json", "print one line of JSON")
    .option("--timeout <seconds>", "how long an answer may take, 0.1 to 600 (5)", timeoutOf);
  withHiveOptions(program).addHelpText("after", EPILOGUE);
  return readProgram(program, args, () => {
    const { count = COUNT.usual, readOnly = false, json, timeout, ...hive } = program.opts<Flags>();
    const [place] = program.processedArgs as [Place | undefined];
    if (place !== undefined && (hive.host !== undefined || (hive.port !== undefined && place.port !== undefined))) {
      throw new Error("the hive is named twice, once by an option");
    }
    const [environment, config] = [layers.environment(), layers.config()];
    return {
      bench: {
        ...hiveOptions({ ...hive, ...place }, layers),
        count,
        readOnly,
        json: json ?? environment.json ?? config.json ?? false,
        timeoutMs: (timeout ?? environment.timeout ?? config.timeout ?? 5) * 1000,
      },
    };
  });
}

interface Place {
  readonly host: string;
  readonly port?: number;
}

/** An IPv6 address with a port stands in brackets. */
function placeOf(text: string): Place {
  const [, inBrackets, name, port] = /^(?:\[([^\]]*)\]|([^:]*|[^:]*:[^:]*:.*?))(?::(\d+))?$/.exec(text) ?? [];
  const host = hostOf(inBrackets ?? name ?? "");
  return port === undefined ? { host } : { host, port: portOf(port) };
}

function countOf(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (!(number >= COUNT.least && number <= COUNT.most)) {
    throw new InvalidArgumentError(`It must be a number from ${COUNT.least} to ${COUNT.most}.`);
  }
  return number;
}
