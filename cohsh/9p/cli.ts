/** The command line of `cohsh 9p`: where programs of this machine find a hive's 9P, and which hive and role that is. It starts nothing. */

import { Command, Option } from "commander";
import { ROLES, type Role, roleOf } from "../../services/roles/roles.ts";
import type { Layers } from "../cli.ts";
import { type HiveFlags, type HiveOptions, hiveOptions, withHiveOptions } from "../hive-options.ts";
import { type Leaving, readProgram } from "../program.ts";

export interface NineOptions extends HiveOptions {
  /** Path of the unix socket. */
  readonly listen: string;
  readonly role: Role;
  readonly subject: string | undefined;
}

export type NineInvocation = { readonly nine: NineOptions } | Leaving;

interface Flags extends HiveFlags {
  listen?: string;
  role?: string;
  subject?: string;
}

const EPILOGUE = `
Each connection at PATH is an attached session of the hive that was switched to 9P2000.L: a 9P client speaks
with the hive from Tversion on and sees what the role sees. The aname of its Tattach is of no account.
  cohsh 9p --listen unix:/run/user/1000/hive.9p --role observer --via ssh://me@lab.example
  diodls -s PATH -a /, diodcat, or mount -t 9p -o trans=unix,version=9p2000.L PATH /mnt
Documentation: docs/USERLAND_AND_CLI.md`;

/** @param args what stands after `9p` */
export function parseNineCommandLine(args: readonly string[], layers: Layers): NineInvocation {
  const program = new Command("cohsh 9p")
    .description("Carry 9P2000.L between programs on this machine and a hive over TCP.")
    .helpOption("-h, --help", "print this")
    .addOption(new Option("--listen <unix:path>", "the unix socket at which they find it").makeOptionMandatory())
    .option("--role <role>", `as whom: ${ROLES.join(", ")} (queen)`)
    .option("--subject <name>", "the worker or service that it is");
  withHiveOptions(program).addHelpText("after", EPILOGUE);
  return readProgram(program, args, () => ({ nine: layered(program.opts<Flags>(), layers) }));
}

function layered(flags: Flags, layers: Layers): NineOptions {
  const listen = /^unix:([^\0]+)$/.exec(flags.listen ?? "")?.[1];
  if (listen === undefined) throw new Error("--listen takes unix: and a path");
  const role = roleOf(flags.role ?? "queen");
  if (role === undefined) throw new Error(`${flags.role} is no role; ${ROLES.join(", ")} are`);
  return {
    listen,
    role,
    subject: flags.subject,
    ...hiveOptions(flags, layers),
  };
}
