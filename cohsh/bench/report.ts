/** What `cohsh bench` prints: a table with what was not measured and why, or the same as one line of JSON. */

import { shown } from "../../scripts/lib/figures.ts";
import type { Report } from "./measure.ts";

/** What nobody measures in a hive that serves others. */
const NEVER = {
  what: "boot, memory, workers, many sessions, the hive's own share of these times",
  why: "it is not disturbed for that, and not seen from here; npm run bench does it with a hive of its own",
};

/** Lines for people. */
export function reportLines({ figures, skipped, written }: Report): string[] {
  const rows = figures.map((figure) => [figure.name, shown(figure), figure.unit, `of ${figure.count}`] as const);
  const width = (column: 0 | 1 | 2): number => Math.max(0, ...rows.map((row) => row[column].length));
  const [first, second, third] = [width(0), width(1), width(2)];
  return [
    ...rows.map(
      ([name, value, unit, of]) => `${name.padEnd(first)}  ${value.padStart(second)} ${unit.padEnd(third)}  ${of}`,
    ),
    ...[...skipped, NEVER].map(({ what, why }) => `# not measured: ${what}: ${why}`),
    ...(written === 0 ? [] : [`# ${written.toLocaleString("en-US")} lines were appended to /log/queen.log`]),
  ];
}

/** @param hive where it is @param via the way there, if it is another than from here */
export function reportJson({ figures, skipped, written }: Report, hive: string, via: string | undefined): string {
  return JSON.stringify({
    hive,
    ...(via === undefined ? {} : { via }),
    figures: figures.map(({ name, value, unit, count }) => ({ name, value, unit, count })),
    skipped: [...skipped, NEVER],
    written,
  });
}
