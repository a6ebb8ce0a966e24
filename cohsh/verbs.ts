/**
 * The verbs that the shell knows: how their answers are shaped, and what it says of them. Verbs that are
 * not here are sent as they are and answered by the hive; they can have no stream.
 */

import { VERBS as CONSOLE_VERBS } from "../services/console/grammar.ts";

/** What follows an `OK`: nothing, the line `PONG`, or lines until `END`. */
export type Stream = "none" | "pong" | "lines";

export interface Verb {
  readonly name: string;
  /** The word that its acknowledgement names. */
  readonly word: string;
  readonly stream: Stream;
  /** Arguments as a user writes them. */
  readonly usage: string;
  readonly summary: string;
  /** Whether its first argument is a role or a path (for completion). */
  readonly argument?: "role" | "path";
}

/** Verbs of a session with a role. Where a hive's console lacks them, the shell answers them. */
export const SESSION_VERBS: readonly Verb[] = [
  verb("attach", "none", "<role> [ticket]", "take a role", { argument: "role" }),
  verb("login", "none", "<role> [ticket]", "the same as attach", { argument: "role", word: "ATTACH" }),
  verb("detach", "none", "", "give the role back"),
  verb("tail", "lines", "[-f] <path> [offset]", "print a log; with -f go on until Ctrl-C", { argument: "path" }),
  verb("log", "lines", "", "the last lines of /log/queen.log"),
  verb("quit", "none", "", "leave the shell"),
];

export const VERBS: readonly Verb[] = [
  ...SESSION_VERBS,
  ...Object.entries(CONSOLE_VERBS)
    .filter(([name]) => !SESSION_VERBS.some((known) => known.name === name.toLowerCase()))
    .map(([name, { word, stream, usage, help }]) =>
      verb(name.toLowerCase(), name === "PING" ? "pong" : stream ? "lines" : "none", usage, help, { word }),
    ),
];

const BY_NAME = new Map(VERBS.map((entry) => [entry.name, entry]));

/** The verb a command line begins with, `undefined` if the shell does not know it. */
export function verbOf(line: string): Verb | undefined {
  return BY_NAME.get(firstWord(line));
}

export function firstWord(line: string): string {
  return (/^\s*(\S*)/.exec(line)?.[1] ?? "").toLowerCase();
}

function verb(
  name: string,
  stream: Stream,
  parameters: string,
  summary: string,
  more: { readonly word?: string; readonly argument?: "role" | "path" } = {},
): Verb {
  const usage = parameters === "" ? name : `${name} ${parameters}`;
  return { name, word: name.toUpperCase(), stream, usage, summary, ...more };
}
