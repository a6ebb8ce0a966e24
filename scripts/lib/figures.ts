/**
 * Figures of a measurement, with what the project promises of them and what upstream has: which of them miss it, and all of
 * them as a table with a row a figure and a column a target.
 */

/** What upstream Cohesix has, measured on this class of machine: from one value to another, and which way is ahead. */
export interface Upstream {
  readonly from: number;
  readonly to: number;
  readonly better: "less" | "more";
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the project promises: less than `limit`, or `least` and more. */
  readonly limit?: number;
  readonly least?: number;
  readonly upstream?: Upstream;
}

/**
 * A figure beside the one that upstream shows. It is no promise: upstream's was taken on another machine, and these times
 * are the machine's first of all.
 */
export function beside(name: string, value: number, unit: string, upstream: Upstream): Figure {
  return { name, value, unit, upstream };
}

/** Results by target, in the order of the columns. */
export type Results<Target extends string> = ReadonlyMap<Target, readonly Figure[]>;

/** Whether the promise is broken. A figure that could not be measured breaks it. */
export function isMissed({ value, limit, least }: Figure): boolean {
  if (limit !== undefined && !(value < limit)) return true;
  return least !== undefined && !(value >= least);
}

export function shown({ value, unit }: Figure): string {
  return text(value, digitsOf(value, unit));
}

function text(value: number, digits: number): string {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function digitsOf(value: number, unit: string): number {
  if (unit === "times" || unit === "MB/s") return 2;
  if (unit === "ms") return value < 20 ? 2 : 1;
  return unit.startsWith("%") ? 1 : 0;
}

/** What upstream has, e.g. `1.20 to 1.90`; nothing if that is not known. */
export function upstreamText({ unit, upstream }: Figure): string {
  if (upstream === undefined) return "";
  const { from, to } = upstream;
  const digits = digitsOf(Math.max(from, to), unit);
  return from === to ? text(from, digits) : `${text(from, digits)} to ${text(to, digits)}`;
}

/** How many times ahead of the best of upstream a figure is; below 1 it is behind. Nothing if that is not known. */
export function timesAhead({ value, upstream }: Figure): string {
  if (upstream === undefined) return "";
  return text(upstream.better === "less" ? upstream.from / value : value / upstream.to, 2);
}

/** e.g. `< 500` or `>= 2`; nothing if nothing is promised. */
export function promise({ limit, least }: Figure): string {
  if (limit !== undefined) return `< ${limit.toLocaleString("en-US")}`;
  return least === undefined ? "" : `>= ${least.toLocaleString("en-US")}`;
}

/** One sentence for each promise that is broken. */
export function missed<Target extends string>(results: Results<Target>): string[] {
  return [...results].flatMap(([target, figures]) =>
    figures
      .filter(isMissed)
      .map((figure) => `${target}: ${figure.name} is ${shown(figure)} ${figure.unit}, promised is ${promise(figure)}`),
  );
}

export function table<Target extends string>(results: Results<Target>): string {
  const targets = [...results.keys()];
  const names = [...new Set([...results.values()].flat().map(({ name }) => name))];
  const rows = names.map((name) => {
    const figures = targets.map((target) => results.get(target)?.find((figure) => figure.name === name));
    const known = figures.filter((figure) => figure !== undefined);
    return [
      name,
      ...figures.map((figure) => (figure === undefined ? "" : shown(figure))),
      known[0]?.unit ?? "",
      known.map(promise).find((text) => text !== "") ?? "",
      // What is said of upstream is said of the target beside it.
      known.map(upstreamText).find((text) => text !== "") ?? "",
      known.map(timesAhead).find((text) => text !== "") ?? "",
    ];
  });
  const compared = rows.some((row) => row.at(-1) !== "");
  const head = ["", ...targets, "unit", "promised", "upstream", "times ahead"];
  const all = [head, ...rows].map((row) => (compared ? row : row.slice(0, -2)));
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const last = targets.length + 1;
  return all
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return column === 0 || column >= last ? cell.padEnd(width) : cell.padStart(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
