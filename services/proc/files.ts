/**
 * The reports on the machine as files below `/proc`. A file is made when it is opened; what a hive does not have, a network
 * say, has no file.
 */
import type { Namespace } from "../ninedoor/namespace.ts";
import type { Facts } from "./facts.ts";
import { bootReports, capsReport, memoryReport, processReport, pumpReport, versionReport } from "./reports.ts";

/** Put a report below `/proc`. */
export function addReport(namespace: Namespace, name: string, lines: () => readonly string[]): void {
  namespace.addProc(name, () => lines().join("\n") + "\n");
}

export function addReports(namespace: Namespace, facts: Facts): void {
  const add = (name: string, lines: () => readonly string[]): void => addReport(namespace, name, lines);
  const boot = bootReports(facts);
  add("boot", () => [...boot(), ...facts.link()]);
  add("version", () => versionReport(facts));
  add("pump", () => [...pumpReport(facts), ...processReport(facts)]);
  add("mem", () => [...memoryReport(facts), ...capsReport(facts.machine)]);
  add("console", () => facts.console());
  for (const [name, lines] of Object.entries(facts.network() ?? {})) add(`net/${name}`, lines);
}
