/**
 * What Tab offers: verbs at the start of a line, then the roles or paths that the verb takes. Pure, and
 * bounded by the tables it is made from.
 */

import { ROLES } from "../services/roles/roles.ts";
import { verbOf, VERBS } from "./verbs.ts";

/**
 * @param line what stands left of the cursor.
 * @param paths the paths that can be read on this line.
 * @returns the candidates, and the part of the line that they replace (as `node:readline` wants them).
 */
export function complete(line: string, paths: readonly string[]): [string[], string] {
  const start = line.lastIndexOf(" ") + 1;
  const word = line.slice(start);
  const before = line.slice(0, start).trim();
  if (before === "") {
    const hits = VERBS.map((verb) => verb.name).filter((name) => name.startsWith(word.toLowerCase()));
    return [hits.map((name) => `${name} `), word];
  }
  const verb = verbOf(before);
  const given = before
    .split(/ +/)
    .slice(1)
    .filter((argument) => argument !== "-f");
  if (verb?.argument === undefined || given.length > 0) return [[], word];
  const candidates = verb.argument === "role" ? ROLES : paths;
  return [candidates.filter((name) => name.startsWith(word)).map((name) => `${name} `), word];
}
