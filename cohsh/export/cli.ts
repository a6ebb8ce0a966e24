/** The command line of `cohsh export`: which folder, by which name, to which hive. It starts nothing. */

import { Command, CommanderError } from "commander";
import { namesOf } from "../../services/roles/scope.ts";
import { exported } from "../../services/console/arguments.ts";
import type { Layers } from "../cli.ts";
import { hostOf, openTimeoutOf, portOf, sentence } from "../option-values.ts";
import { TCP_HOST, TCP_PORT } from "../settings.ts";
import type { Address } from "../transports/tcp-connection.ts";

export interface ExportOptions {
  readonly folder: string;
  /** The service's name. */
  readonly service: string;
  /** Where a Queen may mount it, for the hint. */
  readonly mount: string;
  readonly address: Address;
  /** File; `undefined`: the repository's own. */
  readonly credentials: string | undefined;
  readonly token: string | undefined;
  readonly ticket: string | undefined;
  readonly openTimeoutMs: number;
}

export type ExportInvocation =
  | { readonly exports: ExportOptions }
  | { readonly print: string; readonly status: 0 }
  | { readonly complain: string; readonly status: 2 };

interface Flags {
  as?: string;
  mount?: string;
  host?: string;
  port?: number;
  credentials?: string;
  openTimeout?: number;
}

const EPILOGUE = `
The folder can be read through the hive, never written; symbolic links count where they lead to a file in it,
and what is neither a file nor a folder is left out. It is exported until a signal ends it; a lost hive is
looked for until it is back.
Where it is seen is the Queen's to say, in each session: mount NAME PATH.
Exit status: 1 the hive refuses it or was never there, 2 the command line or the folder is wrong, 129, 130,
143 ended by a signal.
Documentation: docs/USERLAND_AND_CLI.md`;

/** @param args what stands after `export` */
export function parseExportCommandLine(args: readonly string[], layers: Layers): ExportInvocation {
  let printed = "";
  let folder = "";
  let flags: Flags = {};
  const program = new Command("cohsh export")
    .description("Let a hive read a folder of this machine: its files are served to it as a service.")
    .argument("<folder>", "what it may read")
    .helpOption("-h, --help", "print this")
    .requiredOption("--as <name>", "what the service is called")
    .option("--mount <path>", "where the Queen means to mount it; only the hint that is printed says so (/mnt)")
    .option("--host <name>", `where the hive is (${TCP_HOST})`, hostOf)
    .option("--port <n>", `the port of its console (${TCP_PORT})`, portOf)
    .option("--credentials <file>", "the hive's credentials (out/hive/credentials.json)")
    .option("--open-timeout <seconds>", "how long the hive may take to let it in (10)", openTimeoutOf)
    .addHelpText("after", EPILOGUE)
    .allowExcessArguments(false)
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => (printed += text), writeErr: () => undefined })
    .action((path: string, options: Flags) => {
      folder = path;
      flags = options;
    });
  try {
    program.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { print: printed, status: 0 };
    return { complain: sentence(error.message), status: 2 };
  }
  try {
    return { exports: layered(folder, flags, layers) };
  } catch (error) {
    return { complain: sentence(error instanceof Error ? error.message : String(error)), status: 2 };
  }
}

function layered(folder: string, flags: Flags, layers: Layers): ExportOptions {
  const environment = layers.environment();
  const config = layers.config();
  const given = exported(flags.as ?? "");
  if (typeof given === "string") {
    throw new Error(`--as takes a name of up to 32 letters, digits and . _ -, not ${JSON.stringify(flags.as)}`);
  }
  const { mount = "/mnt" } = flags;
  if ((namesOf(mount) ?? []).length === 0 || mount.includes(" ")) throw new Error("--mount takes a path of the hive");
  return {
    folder,
    service: given.service,
    mount,
    address: {
      host: flags.host ?? environment.host ?? config.host ?? TCP_HOST,
      port: flags.port ?? environment.port ?? config.port ?? TCP_PORT,
    },
    credentials: flags.credentials ?? environment.credentials ?? config.credentials,
    token: environment.token,
    ticket: environment.ticket,
    openTimeoutMs: (flags.openTimeout ?? environment.open_timeout ?? config.open_timeout ?? 10) * 1000,
  };
}
