/**
 * The committed figures: lines of a name and numbers in columns, so that a change shows as a difference. What is measured anew
 * must be what stands there to the byte; what is not measured in a run is held to its goals by what stands there.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { inRepository } from "../../../../scripts/lib/repository.ts";
import { LOSSES } from "./smoltcp.ts";

const FILE = inRepository("test", "services", "net", "netsim", "snapshot.txt");
const NAME = 32;
const CELL = 12;

export function row(name: string, cells: readonly string[]): string {
  return name.padEnd(NAME) + cells.map((cell) => cell.padStart(CELL)).join("");
}

/** The line of that name; `undefined` if there is none. */
export function committed(name: string): string | undefined {
  const lines = existsSync(FILE) ? readFileSync(FILE, "utf8").split("\n") : [];
  return lines.find((line) => line.slice(0, NAME).trimEnd() === name);
}

/** Its numbers, none if there is no such line. */
export function figures(name: string): number[] {
  const cells = committed(name)?.slice(NAME).trim() ?? "";
  return cells === "" ? [] : cells.split(/ +/).map(Number);
}

export function write(lines: readonly string[]): void {
  const head = [
    "Bytes per virtual second. NETSIM=update npx mocha test/services/net/netsim/netsim.test.ts",
    row(
      "one flow: control, buffer; loss",
      LOSSES.map((loss) => `${loss * 100} %`),
    ),
    row("flows: control, number", ["aggregate", "slowest", "fastest", "fairness", "dropped"]),
  ];
  writeFileSync(FILE, [...head, ...lines, ""].join("\n"));
}
