/**
 * What the verbs that show the machine answer, on every console. Each writes exactly one acknowledgement and, if it has lines to show,
 * those and `END`; each is bounded by the tables that it prints.
 */
import type { Facts } from "../proc/facts.ts";
import { bootReport, capsReport, memoryReport, processReport, pumpReport } from "../proc/reports.ts";
import type { Answer } from "./answer.ts";
import { VERBS } from "./grammar.ts";

/** The verbs that show the machine. */
export type MachineVerb = "HELP" | "BI" | "CAPS" | "MEM" | "PS" | "NETSTATS";

export type Handler = (answer: Answer) => void;

/** Where in `HELP` the descriptions begin. */
const HELP_COLUMN = 29;

/** The table of verbs. */
export function rootVerbs(facts: Facts): Readonly<Record<MachineVerb, Handler>> {
  return {
    HELP: help,
    BI: (answer) => stream(answer, bootReport(facts)),
    CAPS: (answer) => stream(answer, capsReport(facts.machine)),
    MEM: (answer) => stream(answer, memoryReport(facts)),
    PS: (answer) => stream(answer, [...pumpReport(facts), ...facts.console().slice(0, 1), ...processReport(facts)]),
    NETSTATS: (answer) => {
      const reports = facts.network();
      if (reports === undefined) {
        answer.err({ reason: "busy", detail: "no network" });
        return;
      }
      stream(
        answer,
        Object.values(reports).flatMap((lines) => lines()),
      );
    },
  };
}

function help(answer: Answer): void {
  answer.ok();
  for (const [verb, { usage, help: text }] of Object.entries(VERBS)) {
    answer.line(`${`${verb.toLowerCase().padEnd(8)} ${usage}`.padEnd(HELP_COLUMN)} ${text}`);
  }
  answer.end();
}

function stream(answer: Answer, lines: readonly string[]): void {
  answer.ok();
  for (const line of lines) answer.line(line);
  answer.end();
}
