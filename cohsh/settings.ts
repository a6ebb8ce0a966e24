/**
 * What may be set outside the command line: the keys of `cohsh.toml` and the variables `COHSH_*`, from one table. What is unknown
 * or wrong is refused in one sentence that names the file and key or the variable; a secret's value is never shown.
 */

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { printable } from "../services/config/printable.ts";
import { splitTicket } from "../services/roles/ticket.ts";
import { isHost, isPort, portNumber } from "./addresses.ts";
import { withoutCredentials } from "./redact.ts";
import { readDestination } from "./ssh/destination.ts";
import { TRANSPORTS, type TransportName } from "./transport.ts";

export const NETWORKS = ["none", "user", "tap"] as const;
export type Network = (typeof NETWORKS)[number];

/** Where a hive's console listens (`console.tcp` of its manifest), and QEMU's forwarding of it. */
export const TCP_HOST = "127.0.0.1";
export const TCP_PORT = 31337;

export interface Settings {
  readonly transport?: TransportName;
  readonly serial?: string;
  readonly host?: string;
  readonly port?: number;
  /** `ssh://user@host`, and files that go with it. */
  readonly via?: string;
  readonly known_hosts?: string;
  readonly identity?: string;
  /** Seconds. */
  readonly timeout?: number;
  readonly open_timeout?: number;
  readonly follow?: boolean;
  readonly history?: boolean;
  readonly json?: boolean;
  readonly log?: string;
  readonly credentials?: string;
  readonly sel4?: string;
  readonly net?: Network;
}

export interface EnvironmentSettings extends Settings {
  readonly token?: string;
  readonly ticket?: string;
}

type Kind =
  | { readonly kind: "word"; readonly words: readonly string[] }
  | { readonly kind: "path" }
  | { readonly kind: "seconds"; readonly least: number; readonly most: number }
  | { readonly kind: "host" }
  | { readonly kind: "port" }
  | { readonly kind: "via" }
  | { readonly kind: "boolean" };

export const TIMEOUT = { kind: "seconds", least: 0.1, most: 600 } as const;
export const OPEN_TIMEOUT = { kind: "seconds", least: 1, most: 3600 } as const;

const KEYS: Readonly<Record<keyof Settings, Kind>> = {
  transport: { kind: "word", words: TRANSPORTS },
  serial: { kind: "path" },
  host: { kind: "host" },
  port: { kind: "port" },
  via: { kind: "via" },
  known_hosts: { kind: "path" },
  identity: { kind: "path" },
  timeout: TIMEOUT,
  open_timeout: OPEN_TIMEOUT,
  follow: { kind: "boolean" },
  history: { kind: "boolean" },
  json: { kind: "boolean" },
  log: { kind: "path" },
  credentials: { kind: "path" },
  sel4: { kind: "path" },
  net: { kind: "word", words: NETWORKS },
};

const PREFIX = "COHSH_";
/** Larger than any that somebody wrote. */
const CONFIG_BYTES = 64 * 1024;

/** Its place in the user's configuration directory (XDG Base Directory 0.8: a relative `XDG_CONFIG_HOME` is ignored). */
export function configFile(env: NodeJS.ProcessEnv): string {
  const config = env["XDG_CONFIG_HOME"];
  const base = config !== undefined && isAbsolute(config) ? config : join(env["HOME"] ?? homedir(), ".config");
  return join(base, "cohesix", "cohsh.toml");
}

/** The settings of a file, none if it is not there. Its relative paths count from its folder. @throws Error with one sentence */
export function readConfig(file: string): Settings {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return {};
    throw new Error(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (text.length > CONFIG_BYTES) throw new Error(`${file} is longer than ${CONFIG_BYTES} bytes.`);
  const settings: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(parseToml(file, text))) {
    const kind = kindOf(key);
    if (kind === undefined)
      throw new Error(`${file}: ${printable(key)} is no key of cohsh.toml; ${listed(Object.keys(KEYS))} are.`);
    if (!fits(kind, value)) throw new Error(`${file}: ${mistake(kind, key, value)}.`);
    settings[key] = kind.kind === "path" ? resolve(dirname(file), String(value)) : value;
  }
  const clash = wayClash(settings, (key) => key, "transport = ");
  if (clash !== undefined) throw new Error(`${file}: ${clash}.`);
  return settings;
}

/** The settings of the variables `COHSH_*`. @throws Error with one sentence */
export function readEnvironment(env: NodeJS.ProcessEnv): EnvironmentSettings {
  const settings: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || text === undefined) continue;
    if (name === `${PREFIX}TOKEN` || name === `${PREFIX}TICKET`) continue;
    const key = name.slice(PREFIX.length).toLowerCase();
    const kind = name === name.toUpperCase() ? kindOf(key) : undefined;
    if (kind === undefined) {
      const known = [...Object.keys(KEYS), "token", "ticket"].map((word) => PREFIX + word.toUpperCase());
      throw new Error(`${name} is no variable of cohsh; ${listed(known)} are.`);
    }
    const value = fromText(kind, text);
    if (!fits(kind, value)) throw new Error(`${mistake(kind, name, text)}.`);
    settings[key] = value;
  }
  const { COHSH_TOKEN: token, COHSH_TICKET: ticket } = env;
  if (token !== undefined && !/^[\x21-\x7e]{1,255}$/.test(token)) {
    throw new Error("COHSH_TOKEN must be 1 to 255 visible ASCII characters.");
  }
  if (ticket !== undefined && splitTicket(ticket) === undefined) throw new Error("COHSH_TICKET is not a ticket.");
  const clash =
    misplaced(settings, (key) => PREFIX + key.toUpperCase(), "COHSH_TRANSPORT=") ??
    wayClash(settings, (key) => PREFIX + key.toUpperCase(), "COHSH_TRANSPORT=");
  if (clash !== undefined) throw new Error(`${clash}.`);
  return { ...settings, ...(token === undefined ? {} : { token }), ...(ticket === undefined ? {} : { ticket }) };
}

/** A number of seconds that was typed; `NaN` if it is none within these bounds. */
export function seconds(text: string, { least, most }: { readonly least: number; readonly most: number }): number {
  const number = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : NaN;
  return number >= least && number <= most ? number : NaN;
}

interface Ways {
  readonly transport?: TransportName | undefined;
  readonly serial?: unknown;
  readonly host?: unknown;
  readonly port?: unknown;
  readonly via?: unknown;
}

/** What belongs to another way than the one that the same place names. @param say the name under which a key was given */
export function misplaced(ways: Ways, say: (key: string) => string, transport: string): string | undefined {
  for (const [key, way] of [
    ["serial", "serial"],
    ["host", "tcp"],
    ["port", "tcp"],
    ["via", "tcp"],
  ] as const) {
    if (ways[key] !== undefined && ways.transport !== undefined && ways.transport !== way) {
      return `${say(key)} is for ${transport}${way}, not ${ways.transport}`;
    }
  }
  return undefined;
}

/** Two ways in one place that does not say which is meant. */
function wayClash(ways: Ways, say: (key: string) => string, transport: string): string | undefined {
  const tcp =
    ways.host !== undefined ? "host" : ways.port !== undefined ? "port" : ways.via !== undefined ? "via" : undefined;
  if (ways.transport !== undefined || ways.serial === undefined || tcp === undefined) return undefined;
  return `${say("serial")} and ${say(tcp)} are two ways to a hive, and no ${transport.replace(/[ =]+$/, "")} says which`;
}

function parseToml(file: string, text: string): object {
  try {
    return parse(text, { unsafeKeyBehaviour: "throw" });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [why = "it is no TOML"] = error.message.replace(/^Invalid TOML document: /, "").split("\n");
    throw new Error(`${file}: line ${error.line} is no TOML: ${printable(why)}.`, { cause: error });
  }
}

function kindOf(key: string): Kind | undefined {
  return Object.entries(KEYS).find(([name]) => name === key)?.[1];
}

function fits(kind: Kind, value: unknown): boolean {
  switch (kind.kind) {
    case "word":
      return typeof value === "string" && kind.words.includes(value);
    case "path":
      return typeof value === "string" && value !== "" && !value.includes("\0");
    case "seconds":
      return typeof value === "number" && value >= kind.least && value <= kind.most;
    case "host":
      return typeof value === "string" && isHost(value);
    case "port":
      return isPort(value);
    case "via":
      return typeof value === "string" && !("mistake" in readDestination(value));
    case "boolean":
      return typeof value === "boolean";
  }
}

function fromText(kind: Kind, text: string): unknown {
  switch (kind.kind) {
    case "word":
    case "path":
    case "host":
    case "via":
      return text;
    case "port":
      return portNumber(text);
    case "seconds":
      return seconds(text, kind);
    case "boolean":
      return text === "true" || text === "1" ? true : text === "false" || text === "0" ? false : undefined;
  }
}

/** @param name under which the value was given */
function mistake(kind: Kind, name: string, value: unknown): string {
  // It may have a password in it, and says itself what is wrong.
  if (kind.kind === "via" && typeof value === "string") {
    const destination = readDestination(value);
    if ("mistake" in destination) return `${name} ${destination.mistake}`;
  }
  return `${name} must be ${wanted(kind)}, not ${kind.kind === "via" ? "that" : shown(value)}`;
}

function wanted(kind: Kind): string {
  switch (kind.kind) {
    case "word":
      return `one of ${listed(kind.words)}`;
    case "path":
      return "a path";
    case "seconds":
      return `a number of seconds from ${kind.least} to ${kind.most}`;
    case "host":
      return "a host's name or address";
    case "port":
      return "a port from 1 to 65535";
    case "via":
      return "ssh://user@host";
    case "boolean":
      return "true or false";
  }
}

function listed(words: readonly string[]): string {
  return words.join(", ");
}

function shown(value: unknown): string {
  // A ticket may stand in the wrong place.
  const open = (_: string, inner: unknown): unknown => (typeof inner === "string" ? withoutCredentials(inner) : inner);
  const text = printable(JSON.stringify(value, open) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
