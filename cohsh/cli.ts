/**
 * The command line of the shell: what may be said, and one sentence for what may not. It starts nothing
 * and touches nothing.
 */

import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { TRANSPORTS, type TransportName } from "./transport.ts";

export interface Options {
  readonly transport: TransportName;
  /** Commands to run instead of reading any; empty: read them. */
  readonly commands: readonly string[];
  readonly timeoutMs: number;
  readonly openTimeoutMs: number;
  readonly follow: boolean;
  readonly history: boolean;
  readonly sel4: string | undefined;
  readonly net: "none" | "user" | "tap" | undefined;
}

/** What the command line asks for: a run with these options, or that this text be printed and the status returned. */
export type Invocation =
  | { readonly run: Options }
  | { readonly print: string; readonly status: 0 }
  | { readonly complain: string; readonly status: 2 };

interface RawOptions {
  transport: TransportName;
  command?: string[];
  timeout: number;
  openTimeout: number;
  follow?: boolean;
  history: boolean;
  sel4?: string;
  net?: "none" | "user" | "tap";
}

const EPILOGUE = `
Without -c commands are read from the terminal, or from standard input until its end.
A run that is not interactive stops at the first command that is refused.
Exit status: 0 all commands were acknowledged with OK, 1 one was refused or the hive is
gone, 2 the command line is wrong, 130 or 143 ended by a signal.
Documentation: docs/USERLAND_AND_CLI.md`;

/** @param args what stands after the program's name. */
export function parseCommandLine(args: readonly string[], version: string): Invocation {
  let printed = "";
  let raw: RawOptions | undefined;
  const program = new Command("cohsh")
    .description("The Cohesix shell: a command line to a hive.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this")
    .addOption(
      new Option("-t, --transport <name>", "mock: a hive in this process; sim: the simulator; qemu: seL4 in QEMU")
        .choices(TRANSPORTS)
        .default("mock"),
    )
    .option("-c, --command <line>", "run this command and leave; may be given again", collect)
    .option("--timeout <seconds>", "how long an answer may take (0.1 to 600)", seconds, 5)
    .option("--open-timeout <seconds>", "how long the hive may take to come up (1 to 3600)", openSeconds, 180)
    .option("-f, --follow", "print what the machine prints of its own accord, as it comes")
    .option("--no-history", "neither read nor write the history file")
    .option("--sel4 <prefix>", "qemu: where the kernel is installed")
    .addOption(new Option("--net <mode>", "qemu: the machine's network").choices(["none", "user", "tap"]))
    .addHelpText("after", EPILOGUE)
    .allowExcessArguments(false)
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => (printed += text), writeErr: () => undefined })
    .action((options: RawOptions) => {
      raw = options;
    });
  try {
    program.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { print: printed, status: 0 };
    return { complain: sentence(error.message), status: 2 };
  }
  if (raw === undefined) throw new Error("commander ran no action");
  if (raw.transport !== "qemu") {
    for (const [flag, value] of [
      ["--sel4", raw.sel4],
      ["--net", raw.net],
    ] as const) {
      if (value !== undefined) {
        return { complain: `cohsh: ${flag} is for --transport qemu, not ${raw.transport}.`, status: 2 };
      }
    }
  }
  return {
    run: {
      transport: raw.transport,
      commands: raw.command ?? [],
      timeoutMs: raw.timeout * 1000,
      openTimeoutMs: raw.openTimeout * 1000,
      follow: raw.follow ?? false,
      history: raw.history,
      sel4: raw.sel4,
      net: raw.net,
    },
  };
}

function collect(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

function seconds(value: string): number {
  return bounded(value, 0.1, 600);
}

function openSeconds(value: string): number {
  return bounded(value, 1, 3600);
}

function bounded(value: string, least: number, most: number): number {
  const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : NaN;
  if (!(number >= least && number <= most)) {
    throw new InvalidArgumentError(`It must be a number of seconds from ${least} to ${most}.`);
  }
  return number;
}

/** commander's `error: …`, on one line and under our name. */
function sentence(message: string): string {
  const text = message
    .replace(/^error: /, "")
    .replace(/\s+/g, " ")
    .trim();
  return `cohsh: ${text.endsWith(".") ? text : `${text}.`}`;
}
