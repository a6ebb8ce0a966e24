/** The command line of `cohsh 9p`: where programs of this machine find a hive's 9P, and which hive and role that is. It starts nothing. */

import { Command, CommanderError, Option } from "commander";
import { ROLES, type Role, roleOf } from "../../services/roles/roles.ts";
import type { Layers } from "../cli.ts";
import { hostOf, openTimeoutOf, portOf, sentence } from "../option-values.ts";
import { TCP_HOST, TCP_PORT } from "../settings.ts";
import type { Address } from "../transports/tcp-connection.ts";

export interface NineOptions {
  /** Path of the unix socket. */
  readonly listen: string;
  readonly address: Address;
  readonly role: Role;
  readonly subject: string | undefined;
  /** File; `undefined`: the repository's own. */
  readonly credentials: string | undefined;
  readonly token: string | undefined;
  readonly ticket: string | undefined;
  readonly openTimeoutMs: number;
}

export type NineInvocation =
  | { readonly nine: NineOptions }
  | { readonly print: string; readonly status: 0 }
  | { readonly complain: string; readonly status: 2 };

interface Flags {
  listen?: string;
  host?: string;
  port?: number;
  role?: string;
  subject?: string;
  credentials?: string;
  openTimeout?: number;
}

const EPILOGUE = `
Each connection at PATH is an attached session of the hive that was switched to 9P2000.L: a 9P client speaks
with the hive from Tversion on and sees what the role sees. The aname of its Tattach is of no account.
  diodls -s PATH -a /, diodcat, or mount -t 9p -o trans=unix,version=9p2000.L PATH /mnt
Documentation: docs/USERLAND_AND_CLI.md`;

/** @param args what stands after `9p` */
export function parseNineCommandLine(args: readonly string[], layers: Layers): NineInvocation {
  let printed = "";
  let flags: Flags = {};
  const program = new Command("cohsh 9p")
    .description("Carry 9P2000.L between programs on this machine and a hive over TCP.")
    .helpOption("-h, --help", "print this")
    .addOption(new Option("--listen <unix:path>", "the unix socket at which they find it").makeOptionMandatory())
    .option("--host <name>", `where the hive is (${TCP_HOST})`, hostOf)
    .option("--port <n>", `the port of its console (${TCP_PORT})`, portOf)
    .option("--role <role>", `as whom: ${ROLES.join(", ")} (queen)`)
    .option("--subject <name>", "the worker or service that it is")
    .option("--credentials <file>", "the hive's credentials (out/hive/credentials.json)")
    .option("--open-timeout <seconds>", "how long the hive may take to let one in (10)", openTimeoutOf)
    .addHelpText("after", EPILOGUE)
    .allowExcessArguments(false)
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => (printed += text), writeErr: () => undefined })
    .action((options: Flags) => {
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
    return { nine: layered(flags, layers) };
  } catch (error) {
    return { complain: sentence(error instanceof Error ? error.message : String(error)), status: 2 };
  }
}

function layered(flags: Flags, layers: Layers): NineOptions {
  const environment = layers.environment();
  const config = layers.config();
  const listen = /^unix:([^\0]+)$/.exec(flags.listen ?? "")?.[1];
  if (listen === undefined) throw new Error("--listen takes unix: and a path");
  const role = roleOf(flags.role ?? "queen");
  if (role === undefined) throw new Error(`${flags.role} is no role; ${ROLES.join(", ")} are`);
  return {
    listen,
    address: {
      host: flags.host ?? environment.host ?? config.host ?? TCP_HOST,
      port: flags.port ?? environment.port ?? config.port ?? TCP_PORT,
    },
    role,
    subject: flags.subject,
    credentials: flags.credentials ?? environment.credentials ?? config.credentials,
    token: environment.token,
    ticket: environment.ticket,
    openTimeoutMs: (flags.openTimeout ?? environment.open_timeout ?? config.open_timeout ?? 10) * 1000,
  };
}
