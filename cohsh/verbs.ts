/**
 * The verbs that the shell knows: how their answers are shaped, what Tab offers behind them, and what the shell adds to the
 * hive's own HELP. Verbs that are not here are sent as they are and answered by the hive; they can have no stream.
 */

import { VERBS as CONSOLE_VERBS } from "../services/console/grammar.ts";

/** What follows an `OK`: nothing, the line `PONG`, or lines until `END`. */
export type Stream = "none" | "pong" | "lines";

/** What an argument is, for completion. */
export type Argument = "role" | "path" | "worker" | "kind" | "service";

export interface Verb {
  readonly name: string;
  /** The word that its acknowledgement names. */
  readonly word: string;
  readonly stream: Stream;
  readonly arguments: readonly Argument[];
}

const ARGUMENTS: Readonly<Record<string, readonly Argument[]>> = {
  attach: ["role"],
  login: ["role"],
  ls: ["path"],
  cat: ["path"],
  tail: ["path"],
  echo: ["path"],
  spawn: ["kind"],
  kill: ["worker"],
  bind: ["path", "path"],
  mount: ["service", "path"],
};

/** What the shell makes of a line before it is sent; HELP of the hive does not know it. */
export const SHELL_HELP: readonly (readonly [usage: string, what: string])[] = [
  ["attach <role>", "the credential is taken from --credentials, COHSH_TICKET or COHSH_TOKEN"],
  ["attach <role> subject=<name>", "the same with a ticket for that worker or service"],
  [
    "spawn heartbeat [ticks=N] [ttl_s=N] [ops=N] [budget_ticks=N] [priority=control|worker]",
    "the JSON is written for you",
  ],
  ["tail -f <path>", "until Ctrl-C"],
  ["quit", "leaves the shell too"],
];

export const VERBS: readonly Verb[] = [
  ...Object.entries(CONSOLE_VERBS).map(([key, { word, stream }]) =>
    verb(key.toLowerCase(), word, key === "PING" ? "pong" : stream ? "lines" : "none"),
  ),
  verb("login", CONSOLE_VERBS.ATTACH.word, "none"),
];

const BY_NAME = new Map(VERBS.map((entry) => [entry.name, entry]));

/** The verb a command line begins with, `undefined` if the shell does not know it. */
export function verbOf(line: string): Verb | undefined {
  return BY_NAME.get(firstWord(line));
}

export function firstWord(line: string): string {
  return (/^\s*(\S*)/.exec(line)?.[1] ?? "").toLowerCase();
}

function verb(name: string, word: string, stream: Stream): Verb {
  return { name, word, stream, arguments: ARGUMENTS[name] ?? [] };
}
