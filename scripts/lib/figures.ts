/**
 * Figures of a measurement, with what the project promises of them: which of them miss it, and all of them as a table
 * with a row a figure and a column a target.
 */

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the project promises: less than `limit`, or `least` and more. */
  readonly limit?: number;
  readonly least?: number;
}

/** Results by target, in the order of the columns. */
export type Results<Target extends string> = ReadonlyMap<Target, readonly Figure[]>;

/** Whether the promise is broken. A figure that could not be measured breaks it. */
export function isMissed({ value, limit, least }: Figure): boolean {
  if (limit !== undefined && !(value < limit)) return true;
  return least !== undefined && !(value >= least);
}

export function shown({ value, unit }: Figure): string {
  const digits = unit === "times" ? 2 : unit === "ms" || unit.startsWith("%") ? 1 : 0;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
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
    ];
  });
  const all = [["", ...targets, "unit", "promised"], ...rows];
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const last = widths.length - 2;
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
