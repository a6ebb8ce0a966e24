/** The command line of `gpu-bridge`: what it shall do, with which GPUs and for which hive. It starts nothing. */

import { Command, Option } from "commander";
import { isHost, portNumber } from "../cohsh/addresses.ts";
import type { Layers } from "../cohsh/cli.ts";
import { type HiveFlags, type HiveOptions, hiveOptions, withViaOptions } from "../cohsh/hive-options.ts";
import { openTimeoutOf } from "../cohsh/option-values.ts";
import { type Leaving, readProgram } from "../cohsh/program.ts";
import { BACKENDS, type BackendName } from "./backends/open.ts";
import { type JobOptions, parseJob } from "./operator/job-cli.ts";
import { parseResult, type ResultOptions } from "./operator/result.ts";

export interface ListOptions {
  readonly backend: BackendName;
  readonly json: boolean;
}

export interface ServeOptions extends HiveOptions {
  readonly backend: BackendName;
}

export type Invocation =
  | { readonly list: ListOptions }
  | { readonly serve: ServeOptions }
  | { readonly job: JobOptions }
  | { readonly result: ResultOptions }
  | Leaving;

interface BackendFlags {
  backend?: BackendName;
  mock?: boolean;
}

interface ServeFlags extends HiveFlags, BackendFlags {
  hive?: string;
  token?: string;
  ticket?: string;
}

const USAGE = `Usage: gpu-bridge list|serve|job|result [options]

Lets a hive lease the GPUs of this machine and run jobs on them. No driver runs in the hive: it asks, and this runs.

Commands:
  list    which GPUs there are
  serve   let a hive have them, until a signal ends it
  job     print the line of a job, with its hash
  result  print the floats of a result, if its hash is right

With --help each of them says more.
Documentation: docs/GPU_NODES.md
`;

const EPILOGUE = `
The hive has the GPUs until a signal ends it; a lost hive is looked for until it is back, and leases end by this
machine's clock whether it is there or not.
COHSH_TOKEN and COHSH_TICKET are better places for secrets than a command line, which others on this machine see.
  gpu-bridge serve --hive 127.0.0.1:31337 --credentials out/hive/credentials.json
A Queen sees the GPUs after: mount gpu-bridge /gpu
Exit status: 1 the hive refuses it or was never there, 2 the command line is wrong or there is no GPU, 129, 130,
143 ended by a signal.
Documentation: docs/GPU_NODES.md`;

/** @param args what stands after the program's name */
export function parseGpuBridge(args: readonly string[], version: string, layers: Layers): Invocation {
  const [command, ...rest] = args;
  switch (command) {
    case "list":
      return parseList(rest);
    case "serve":
      return parseServe(rest, layers);
    case "job":
      return parseJob(rest);
    case "result":
      return parseResult(rest);
    case "--help":
    case "-h":
      return { print: USAGE, status: 0 };
    case "--version":
    case "-V":
      return { print: `${version}\n`, status: 0 };
    case undefined:
      return { complain: `gpu-bridge: there must be a command.\n\n${USAGE.trimEnd()}`, status: 2 };
    default:
      return {
        complain: `gpu-bridge: ${JSON.stringify(command)} is no command; list, serve, job and result are.`,
        status: 2,
      };
  }
}

function parseList(args: readonly string[]): Invocation {
  const program = new Command("gpu-bridge list")
    .description("Which GPUs there are.")
    .helpOption("-h, --help", "print this")
    .option("--json", "one JSON object a line");
  withBackend(program).addHelpText(
    "after",
    "\nExit status: 2 there is no such backend here. Documentation: docs/GPU_NODES.md",
  );
  return readProgram(program, args, () => {
    const flags = program.opts<BackendFlags & { json?: boolean }>();
    return { list: { backend: backendOf(flags), json: flags.json === true } };
  });
}

function parseServe(args: readonly string[], layers: Layers): Invocation {
  const program = new Command("gpu-bridge serve")
    .description("Let a hive lease the GPUs of this machine and run jobs on them.")
    .helpOption("-h, --help", "print this")
    .requiredOption("--hive <host:port>", "where the hive's console is")
    .option("--credentials <file>", "the hive's credentials (out/hive/credentials.json)")
    .option("--token <token>", "in place of a file: the operator's token")
    .option("--ticket <ticket>", "in place of a file: a ticket of the service gpu-bridge")
    .option("--open-timeout <seconds>", "how long the hive may take to let one in", openTimeoutOf);
  withBackend(withViaOptions(program, "")).addHelpText("after", EPILOGUE);
  return readProgram(program, args, () => ({ serve: serveOptions(program.opts<ServeFlags>(), layers) }));
}

function withBackend(program: Command): Command {
  return program
    .addOption(new Option("--backend <name>", "what has the GPUs (nvml)").choices([...BACKENDS]))
    .option("--mock", "short for --backend mock");
}

function backendOf({ backend, mock }: BackendFlags): BackendName {
  if (mock !== true) return backend ?? "nvml";
  if (backend !== undefined && backend !== "mock") throw new Error("--mock and --backend must not both be there");
  return "mock";
}

function serveOptions(flags: ServeFlags, layers: Layers): ServeOptions {
  const { token, ticket, credentials } = flags;
  if ((token === undefined) !== (ticket === undefined)) throw new Error("--token and --ticket go together");
  if (token !== undefined && credentials !== undefined) throw new Error("--credentials is for itself, without --token");
  const hive = hiveOptions({ ...flags, ...addressOf(flags.hive ?? "") }, layers);
  // What a file says counts more than a ticket that the environment has for the shell.
  const given = token !== undefined || credentials !== undefined ? { token, ticket } : {};
  return { ...hive, ...given, backend: backendOf(flags) };
}

/** `HOST:PORT`, an IPv6 address in brackets. */
function addressOf(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits = ""] = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const port = portNumber(digits);
  if (!isHost(host) || Number.isNaN(port)) throw new Error("--hive takes a host and a port like 127.0.0.1:31337");
  return { host, port };
}
