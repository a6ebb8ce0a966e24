/** Reads what a hive reports of itself below `/proc`. */
import type { ConsoleEnd } from "./console-ends.ts";

/** The lines of a file. @throws Error if it may not be read */
export async function linesOf(end: ConsoleEnd, path: string): Promise<string[]> {
  end.send(`cat ${path}`);
  const [acknowledgement = "", ...lines] = await end.stream();
  if (!acknowledgement.startsWith("OK CAT ")) throw new Error(acknowledgement);
  return lines.slice(0, -1);
}

/** The numbers of a report of `name value` lines. */
export async function numbers(end: ConsoleEnd, path: string): Promise<Readonly<Record<string, number>>> {
  return pairsOf((await linesOf(end, path)).join("\n"), /^(\w+) (\d+)$/gm);
}

/** The numbers `name=value` of the line that begins with a word, none if there is no such line. */
export function field(report: string, word: string): Readonly<Record<string, number>> {
  const line = report.split("\n").find((text) => text.startsWith(`${word} `)) ?? "";
  return pairsOf(line, /(\w+)=(\d+)/g);
}

/** What of them grew, and by how much. @param names which are looked at */
export function growth(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  names: RegExp,
): Readonly<Record<string, number>> {
  const grown = Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)] as const);
  return Object.fromEntries(grown.filter(([name, by]) => by !== 0 && names.test(name)));
}

function pairsOf(text: string, pattern: RegExp): Readonly<Record<string, number>> {
  return Object.fromEntries([...text.matchAll(pattern)].map(([, name = "", value]) => [name, Number(value)]));
}
