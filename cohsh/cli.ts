/**
 * The command line of the shell: what may be said, and one sentence for what may not. Flags stand above variables and those above
 * the configuration file; flags that exclude each other are refused by name. It starts nothing.
 */

import { Command, CommanderError, Option } from "commander";
import { TCP_OPEN_SECONDS, VIA_OPEN_SECONDS, type ViaOptions, viaOptions, withViaOptions } from "./hive-options.ts";
import { collect, hostOf, openTimeoutOf, pipelineOf, portOf, sentence, timeoutOf } from "./option-values.ts";
import {
  type EnvironmentSettings,
  type Network,
  misplaced,
  NETWORKS,
  type Settings,
  TCP_HOST,
  TCP_PORT,
} from "./settings.ts";
import type { TicketOptions } from "./tickets/mint.ts";
import { TRANSPORTS, type TransportName } from "./transport.ts";

export interface Options {
  readonly transport: TransportName;
  /** Of the transport `serial`. */
  readonly serial: string | undefined;
  /** Of the transport `tcp`, as is `port`. */
  readonly host: string | undefined;
  readonly port: number | undefined;
  /** Of the transport `tcp`: the host by which it goes. */
  readonly via: ViaOptions | undefined;
  /** Commands that are sent before the first of them is answered; 1 unless it is `tcp`. */
  readonly pipeline: number;
  /** Commands to run instead of reading any; empty: read them. */
  readonly commands: readonly string[];
  readonly script: string | undefined;
  readonly json: boolean;
  /** File for connection events. */
  readonly log: string | undefined;
  readonly timeoutMs: number;
  readonly openTimeoutMs: number;
  readonly follow: boolean;
  readonly history: boolean;
  /** File; `undefined`: the repository's own. */
  readonly credentials: string | undefined;
  readonly token: string | undefined;
  readonly ticket: string | undefined;
  readonly sel4: string | undefined;
  readonly net: Network | undefined;
}

/** What the command line asks for; `print` and `complain` are texts to print before leaving with the status. */
export type Invocation =
  | { readonly run: Options }
  | { readonly check: string }
  | { readonly mint: TicketOptions; readonly credentials: string | undefined }
  | { readonly print: string; readonly status: 0 }
  | { readonly complain: string; readonly status: 2 };

/** What stands below the flags. @throws Error with one sentence */
export interface Layers {
  readonly environment: () => EnvironmentSettings;
  readonly config: () => Settings;
}

interface Flags {
  transport?: TransportName;
  serial?: string;
  host?: string;
  port?: number;
  via?: string | false;
  knownHosts?: string;
  identity?: string;
  pipeline?: number;
  command?: string[];
  script?: string;
  check?: string;
  json?: boolean;
  log?: string;
  timeout?: number;
  openTimeout?: number;
  follow?: boolean;
  history?: boolean;
  credentials?: string;
  sel4?: string;
  net?: Network;
  mintTicket?: boolean;
  role?: string;
  subject?: string;
  ttl?: string;
  ops?: string;
  ticks?: string;
  mount?: string;
  scope?: string[];
  bandwidth?: string;
  resumes?: string;
  advances?: string;
}

/** What the hive may take to come up; QEMU's image may have to be made first. */
const OPEN_SECONDS: Readonly<Record<TransportName, number>> = {
  mock: 180,
  sim: 180,
  qemu: 180,
  serial: 10,
  tcp: TCP_OPEN_SECONDS,
};

const EPILOGUE = `
Without -c and --script commands are read from the terminal, or from standard input until its end.
A run that is not interactive stops at the first command that is refused; a script may expect that.
A hive over TCP: --host and --port (or COHSH_HOST, COHSH_PORT). One on the loopback of another machine:
--via ssh://user@machine, with a key and a known host. Where the network is not there:
--serial PATH for its line, --transport qemu or sim for a hive of your own, mock for one without a machine.
cohsh 9p --listen unix:PATH carries 9P2000.L between programs here and a hive over TCP (cohsh 9p --help).
cohsh export FOLDER --as NAME lets a hive read a folder of this machine (cohsh export --help).
cohsh bench says how fast a hive over TCP answers from here (cohsh bench --help).
  cohsh --host hive.example -c 'attach queen' -c 'tail -f /log/queen.log'
  cohsh --via ssh://me@lab.example --identity ~/.ssh/lab --script check.coh
Settings stand in ~/.config/cohesix/cohsh.toml, above it in COHSH_* variables, above them in options.
Exit status: 0 all went as it should, 1 a command was refused, a script failed or the hive is gone,
2 the command line, the settings or a checked script are wrong, 129, 130, 141, 143 ended by a signal.
Documentation: docs/USERLAND_AND_CLI.md`;

/** Attributes of a ticket; only with --mint-ticket. */
const TICKET_FLAGS = [
  ["role", "--role"],
  ["subject", "--subject"],
  ["ttl", "--ttl"],
  ["ops", "--ops"],
  ["ticks", "--ticks"],
  ["mount", "--mount"],
  ["scope", "--scope"],
  ["bandwidth", "--bandwidth"],
  ["resumes", "--resumes"],
  ["advances", "--advances"],
] as const satisfies readonly (readonly [keyof Flags, string])[];

/** Everything else, by name as it is written. */
const RUN_FLAGS = [
  ["transport", "--transport"],
  ["serial", "--serial"],
  ["host", "--host"],
  ["port", "--port"],
  ["via", "--via"],
  ["knownHosts", "--known-hosts"],
  ["identity", "--identity"],
  ["pipeline", "--pipeline"],
  ["command", "--command"],
  ["script", "--script"],
  ["json", "--json"],
  ["log", "--log"],
  ["timeout", "--timeout"],
  ["openTimeout", "--open-timeout"],
  ["follow", "--follow"],
  ["history", "--no-history"],
  ["sel4", "--sel4"],
  ["net", "--net"],
] as const satisfies readonly (readonly [keyof Flags, string])[];

/** What may be said and denied, of which commander takes the last. */
const SWITCHES = ["json", "follow", "history", "via"] as const;

/** @param args what stands after the program's name. */
export function parseCommandLine(args: readonly string[], version: string, layers: Layers): Invocation {
  let printed = "";
  let flags: Flags | undefined;
  const program = describeProgram(version)
    .exitOverride()
    .configureOutput({ writeOut: (text) => (printed += text), writeErr: () => undefined })
    .action((options: Flags) => {
      flags = options;
    });
  const spoken = new Set<string>();
  for (const name of SWITCHES.flatMap((word) => [word, `no-${word}`])) {
    program.on(`option:${name}`, () => spoken.add(name));
  }
  try {
    program.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { print: printed, status: 0 };
    return { complain: sentence(error.message), status: 2 };
  }
  if (flags === undefined) throw new Error("commander ran no action");
  const both = SWITCHES.find((word) => spoken.has(word) && spoken.has(`no-${word}`));
  const excluded = both === undefined ? exclusion(flags) : `--${both} and --no-${both} exclude each other`;
  if (excluded !== undefined) return { complain: sentence(excluded), status: 2 };
  if (flags.check !== undefined) return { check: flags.check };
  try {
    return layered(flags, layers);
  } catch (error) {
    return { complain: sentence(error instanceof Error ? error.message : String(error)), status: 2 };
  }
}

function describeProgram(version: string): Command {
  const program = new Command("cohsh")
    .description("The Cohesix shell: a command line to a hive.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this")
    .addOption(
      new Option(
        "-t, --transport <name>",
        "mock: a hive in this process; sim: the simulator; qemu: seL4 in QEMU; serial: a line; tcp: a network (mock)",
      ).choices(TRANSPORTS),
    )
    .option("--serial <path>", "the line to a hive: a terminal or pty, or a unix socket")
    .option("--host <name>", `tcp: where the hive is (${TCP_HOST})`, hostOf)
    .option("--port <n>", `tcp: the port of its console (${TCP_PORT})`, portOf);
  return withViaOptions(program, "tcp: ")
    .option("--pipeline <n>", "tcp: send up to so many commands ahead of their answers, 1 to 8 (1)", pipelineOf)
    .option("-c, --command <line>", "run this command and leave; may be given again", collect)
    .option("--script <file>", "run the commands of this file, with its expectations")
    .option("--check <file>", "say what is wrong with a script, and connect to nothing")
    .option("--json", "print one JSON object a line (cohsh/schema/output.schema.json)")
    .option("--no-json", "print text, whatever the settings say")
    .option("--log <file>", "append connection events with their times to this file")
    .option("--credentials <file>", "the hive's credentials (out/hive/credentials.json)")
    .option("--timeout <seconds>", "how long an answer may take, 0.1 to 600 (5)", timeoutOf)
    .option(
      "--open-timeout <seconds>",
      `how long the hive may take to come up, 1 to 3600 (180; serial, tcp: 10; via ssh: ${VIA_OPEN_SECONDS})`,
      openTimeoutOf,
    )
    .option("-f, --follow", "print what the machine prints of its own accord, as it comes")
    .option("--no-follow", "do not, whatever the settings say")
    .option("--history", "read and write the history file, whatever the settings say")
    .option("--no-history", "neither read nor write the history file")
    .option("--sel4 <prefix>", "qemu: where the kernel is installed")
    .addOption(new Option("--net <mode>", "qemu: the machine's network").choices(NETWORKS))
    .option("--mint-ticket", "print a ticket that these options describe, and nothing else")
    .option("--role <role>", "whose ticket it is")
    .option("--subject <name>", "the worker or service that it names")
    .option("--ttl <seconds>", "how long it holds from its first use")
    .option("--ops <n>", "how many requests it pays for")
    .option("--ticks <n>", "how many quanta of 10 ms it pays for")
    .option("--mount <service:path>", "what is mounted at login")
    .option(
      "--scope <path:verb[:rate]>",
      "narrow it to a path, to read, write or both, and to a rate; up to 8",
      collect,
    )
    .option("--bandwidth <bytes>", "quota of bytes")
    .option("--resumes <n>", "quota of resumed cursors")
    .option("--advances <n>", "quota of advanced cursors")
    .addHelpText("after", EPILOGUE)
    .allowExcessArguments(false)
    .showSuggestionAfterError(false);
}

/** Why these flags cannot stand together, `undefined` if they can. */
function exclusion(flags: Flags): string | undefined {
  const named = (list: readonly (readonly [keyof Flags, string])[]): string | undefined =>
    list.find(([key]) => flags[key] !== undefined)?.[1];
  const run = named(RUN_FLAGS);
  const ticket = named(TICKET_FLAGS);
  const credentials = flags.credentials === undefined ? undefined : "--credentials";
  if (flags.check !== undefined) {
    const other = run ?? (flags.mintTicket === true ? "--mint-ticket" : (ticket ?? credentials));
    return other === undefined ? undefined : `--check and ${other} exclude each other`;
  }
  if (flags.mintTicket === true) {
    if (run !== undefined) return `--mint-ticket and ${run} exclude each other`;
    return flags.role === undefined ? "--mint-ticket needs --role" : undefined;
  }
  if (ticket !== undefined) return `${ticket} is for --mint-ticket`;
  if (flags.script !== undefined && flags.command !== undefined) return "--script and --command exclude each other";
  if (flags.script !== undefined && flags.pipeline !== undefined) return "--script and --pipeline exclude each other";
  const tcp = (["host", "port", "via"] as const).find((key) => flags[key] !== undefined && flags[key] !== false);
  if (flags.serial !== undefined && tcp !== undefined) return `--serial and --${tcp} exclude each other`;
  const { transport, serial, host, port, via } = flags;
  const given = { transport, serial, host, port, via: via === false ? undefined : via };
  return misplaced(given, (key) => `--${key}`, "--transport ");
}

function layered(flags: Flags, layers: Layers): Invocation {
  const environment = layers.environment();
  const config = layers.config();
  const credentials = flags.credentials ?? environment.credentials ?? config.credentials;
  if (flags.mintTicket === true) return { mint: ticketOptions(flags), credentials };
  const transport = transportOf(flags) ?? transportOf(environment) ?? transportOf(config) ?? "mock";
  const via = transport === "tcp" ? viaOptions(flags, environment, config) : undefined;
  const openSeconds = via === undefined ? OPEN_SECONDS[transport] : VIA_OPEN_SECONDS;
  for (const [name, flag] of [
    ["sel4", "--sel4"],
    ["net", "--net"],
  ] as const) {
    if (flags[name] !== undefined && transport !== "qemu")
      throw new Error(`${flag} is for --transport qemu, not ${transport}`);
  }
  for (const [name, flag] of [
    ["pipeline", "--pipeline"],
    ["knownHosts", "--known-hosts"],
    ["identity", "--identity"],
  ] as const) {
    if (flags[name] !== undefined && transport !== "tcp")
      throw new Error(`${flag} is for --transport tcp, not ${transport}`);
  }
  const serial = flags.serial ?? environment.serial ?? config.serial;
  if (transport === "serial" && serial === undefined) throw new Error("--transport serial needs --serial with a path");
  return {
    run: {
      transport,
      serial: transport === "serial" ? serial : undefined,
      host: transport === "tcp" ? (flags.host ?? environment.host ?? config.host ?? TCP_HOST) : undefined,
      port: transport === "tcp" ? (flags.port ?? environment.port ?? config.port ?? TCP_PORT) : undefined,
      via,
      pipeline: flags.pipeline ?? 1,
      commands: flags.command ?? [],
      script: flags.script,
      json: flags.json ?? environment.json ?? config.json ?? false,
      log: flags.log ?? environment.log ?? config.log,
      timeoutMs: (flags.timeout ?? environment.timeout ?? config.timeout ?? 5) * 1000,
      openTimeoutMs: (flags.openTimeout ?? environment.open_timeout ?? config.open_timeout ?? openSeconds) * 1000,
      follow: flags.follow ?? environment.follow ?? config.follow ?? false,
      history: flags.history ?? environment.history ?? config.history ?? true,
      credentials,
      token: environment.token,
      ticket: environment.ticket,
      sel4: flags.sel4 ?? environment.sel4 ?? config.sel4,
      net: flags.net ?? environment.net ?? config.net,
    },
  };
}

/** The way to a hive that one place names. */
function transportOf(way: Pick<Flags, "transport" | "serial" | "host" | "port" | "via">): TransportName | undefined {
  if (way.transport !== undefined) return way.transport;
  if (way.serial !== undefined) return "serial";
  const tcp = way.host !== undefined || way.port !== undefined || (way.via !== undefined && way.via !== false);
  return tcp ? "tcp" : undefined;
}

function ticketOptions(flags: Flags): TicketOptions {
  const { role = "", subject, ttl, ops, ticks, mount, scope: scopes, bandwidth, resumes, advances } = flags;
  return { role, subject, ttl, ops, ticks, mount, scopes, bandwidth, resumes, advances };
}
