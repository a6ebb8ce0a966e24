/** What all programs of the shell that go to a hive over TCP have in common: where it is, by which way, and what opens it. */

import type { Command } from "commander";
import type { Layers } from "./cli.ts";
import { hostOf, openTimeoutOf, portOf } from "./option-values.ts";
import { type Settings, TCP_HOST, TCP_PORT } from "./settings.ts";
import { readDestination, type SshDestination } from "./ssh/destination.ts";

/** How long a hive may take to let somebody in, and how long by way of another host. */
export const TCP_OPEN_SECONDS = 10;
export const VIA_OPEN_SECONDS = 30;

/** By which host a hive is reached, and what lets the user in there. */
export interface ViaOptions extends SshDestination {
  /** Files, in place of the usual ones. */
  readonly knownHosts: string | undefined;
  readonly identity: string | undefined;
}

export interface ViaFlags {
  /** `false`: by none, whatever the settings say. */
  via?: string | false;
  knownHosts?: string;
  identity?: string;
}

export interface HiveFlags extends ViaFlags {
  host?: string;
  port?: number;
  credentials?: string;
  openTimeout?: number;
}

export interface HiveOptions {
  readonly address: { readonly host: string; readonly port: number };
  readonly via: ViaOptions | undefined;
  /** File; `undefined`: the repository's own. */
  readonly credentials: string | undefined;
  readonly token: string | undefined;
  readonly ticket: string | undefined;
  readonly openTimeoutMs: number;
}

/** @returns the command, with these options */
export function withHiveOptions(command: Command): Command {
  return withViaOptions(
    command
      .option("--host <name>", `where the hive is (${TCP_HOST})`, hostOf)
      .option("--port <n>", `the port of its console (${TCP_PORT})`, portOf),
    "",
  )
    .option("--credentials <file>", "the hive's credentials (out/hive/credentials.json)")
    .option(
      "--open-timeout <seconds>",
      `how long the hive may take to let one in (${TCP_OPEN_SECONDS}; via ssh: ${VIA_OPEN_SECONDS})`,
      openTimeoutOf,
    );
}

/** @param context what stands before their descriptions */
export function withViaOptions(command: Command, context: string): Command {
  return command
    .option("--via <url>", `${context}by ssh://user@host[:port], which then connects to the hive`)
    .option("--no-via", `${context}from here, whatever the settings say`)
    .option("--known-hosts <file>", "via ssh: the file that knows its host key (~/.ssh/known_hosts)")
    .option("--identity <file>", "via ssh: show this key and no other (an agent's, then those of ~/.ssh)");
}

/** @throws Error with one sentence */
export function hiveOptions(flags: HiveFlags, layers: Layers): HiveOptions {
  const environment = layers.environment();
  const config = layers.config();
  const via = viaOptions(flags, environment, config);
  const openSeconds = via === undefined ? TCP_OPEN_SECONDS : VIA_OPEN_SECONDS;
  return {
    address: {
      host: flags.host ?? environment.host ?? config.host ?? TCP_HOST,
      port: flags.port ?? environment.port ?? config.port ?? TCP_PORT,
    },
    via,
    credentials: flags.credentials ?? environment.credentials ?? config.credentials,
    token: environment.token,
    ticket: environment.ticket,
    openTimeoutMs: (flags.openTimeout ?? environment.open_timeout ?? config.open_timeout ?? openSeconds) * 1000,
  };
}

/** @throws Error with one sentence, which shows no password */
export function viaOptions(flags: ViaFlags, environment: Settings, config: Settings): ViaOptions | undefined {
  const url = flags.via ?? environment.via ?? config.via;
  if (url === undefined || url === false) {
    const lone = flags.knownHosts !== undefined ? "--known-hosts" : flags.identity !== undefined ? "--identity" : "";
    if (lone !== "") throw new Error(`${lone} is for --via`);
    return undefined;
  }
  const destination = readDestination(url);
  if ("mistake" in destination) throw new Error(`--via ${destination.mistake}`);
  return {
    ...destination,
    knownHosts: flags.knownHosts ?? environment.known_hosts ?? config.known_hosts,
    identity: flags.identity ?? environment.identity ?? config.identity,
  };
}
