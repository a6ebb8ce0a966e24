/**
 * What Tab offers: verbs at the start of a line, then the roles, workers or paths that the verb takes. What only the hive knows is
 * asked through {@link Listing}; where it says nothing, nothing is offered.
 */

import { isWorker, needsSubject, roleOf, ROLES } from "../services/roles/roles.ts";
import { type Argument, verbOf, VERBS } from "./verbs.ts";

/** The names in a directory of the hive, `undefined` if they cannot be had now. */
export type Listing = (directory: string) => Promise<readonly string[] | undefined>;

/** As `node:readline` wants them: the candidates, and the part of the line that they replace. */
export type Completion = [candidates: string[], replaced: string];

const SPAWN_OPTIONS = ["ticks=", "ttl_s=", "ops=", "budget_ticks=", "priority=control ", "priority=worker "];
const SERVICES = ["log", "proc", "worker", "gpu-bridge"];

/** @param line what stands left of the cursor. */
export async function complete(line: string, list: Listing): Promise<Completion> {
  const start = line.lastIndexOf(" ") + 1;
  const word = line.slice(start);
  const before = line.slice(0, start).trim();
  if (before === "") {
    const hits = VERBS.map((verb) => verb.name).filter((name) => name.startsWith(word.toLowerCase()));
    return [hits.map((name) => `${name} `), word];
  }
  const given = before
    .split(/ +/)
    .slice(1)
    .filter((argument) => argument !== "-f");
  const verb = verbOf(before);
  if (verb === undefined) return [[], word];
  if (verb.name === "echo") {
    const path = given.length === 0 ? word.startsWith("/") : given.at(-1) === ">";
    return path ? paths(word, list) : [[], word];
  }
  if (verb.name === "spawn" && given[0]?.toLowerCase() === "heartbeat") return among(SPAWN_OPTIONS, word);
  if ((verb.name === "attach" || verb.name === "login") && given.length === 1)
    return subjects(given[0] ?? "", word, list);
  const argument = verb.arguments[given.length];
  return argument === undefined ? [[], word] : argumentsOf(argument, word, list);
}

async function argumentsOf(argument: Argument, word: string, list: Listing): Promise<Completion> {
  switch (argument) {
    case "role":
      return among(ended(ROLES), word);
    case "kind":
      return among(["heartbeat "], word);
    case "service":
      return among(ended(SERVICES), word);
    case "worker":
      return among(ended((await list("/worker")) ?? []), word);
    case "path":
      return paths(word, list);
  }
}

/** Whom a login is for: a worker's ticket names a living one. */
async function subjects(label: string, word: string, list: Listing): Promise<Completion> {
  const role = roleOf(label);
  if (role === undefined || !needsSubject(role)) return [[], word];
  if (!word.startsWith("subject=")) return among(["subject="], word);
  const names = isWorker(role) ? ((await list("/worker")) ?? []) : ["gpu-bridge"];
  return among(
    ended(names).map((name) => `subject=${name}`),
    word,
  );
}

async function paths(word: string, list: Listing): Promise<Completion> {
  if (word === "") return [["/"], word];
  const slash = word.lastIndexOf("/");
  if (slash < 0) return [[], word];
  const directory = word.slice(0, slash);
  const names = (await list(directory === "" ? "/" : directory)) ?? [];
  const hits = names.map((name) => `${directory}/${name}`).filter((path) => path.startsWith(word));
  const [only] = hits;
  if (only === undefined || hits.length > 1) return [hits, word];
  return [[(await list(only)) === undefined ? `${only} ` : `${only}/`], word];
}

function among(candidates: readonly string[], word: string): Completion {
  return [candidates.filter((candidate) => candidate.startsWith(word)), word];
}

function ended(names: readonly string[]): string[] {
  return names.map((name) => `${name} `);
}
