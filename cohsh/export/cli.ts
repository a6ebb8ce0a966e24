/** The command line of `cohsh export`: which folder, by which name, to which hive. It starts nothing. */

import { Command } from "commander";
import { namesOf } from "../../services/roles/scope.ts";
import { exported } from "../../services/console/arguments.ts";
import type { Layers } from "../cli.ts";
import { type HiveFlags, type HiveOptions, hiveOptions, withHiveOptions } from "../hive-options.ts";
import { type Leaving, readProgram } from "../program.ts";

export interface ExportOptions extends HiveOptions {
  readonly folder: string;
  /** The service's name. */
  readonly service: string;
  /** Where a Queen may mount it, for the hint. */
  readonly mount: string;
}

export type ExportInvocation = { readonly exports: ExportOptions } | Leaving;

interface Flags extends HiveFlags {
  as?: string;
  mount?: string;
}

const EPILOGUE = `
The folder can be read through the hive, never written; symbolic links count where they lead to a file in it,
and what is neither a file nor a folder is left out. It is exported until a signal ends it; a lost hive is
looked for until it is back.
Where it is seen is the Queen's to say, in each session: mount NAME PATH.
  cohsh export ~/models --as models --via ssh://me@lab.example
Exit status: 1 the hive refuses it or was never there, 2 the command line or the folder is wrong, 129, 130,
143 ended by a signal.
Documentation: docs/USERLAND_AND_CLI.md`;

/** @param args what stands after `export` */
export function parseExportCommandLine(args: readonly string[], layers: Layers): ExportInvocation {
  const program = new Command("cohsh export")
    .description("Let a hive read a folder of this machine: its files are served to it as a service.")
    .argument("<folder>", "what it may read")
    .helpOption("-h, --help", "print this")
    .requiredOption("--as <name>", "what the service is called")
    .option("--mount <path>", "where the Queen means to mount it; only the hint that is printed says so (/mnt)");
  withHiveOptions(program).addHelpText("after", EPILOGUE);
  return readProgram(program, args, () => {
    const [folder = ""] = program.args;
    return { exports: layered(folder, program.opts<Flags>(), layers) };
  });
}

function layered(folder: string, flags: Flags, layers: Layers): ExportOptions {
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
    ...hiveOptions(flags, layers),
  };
}
