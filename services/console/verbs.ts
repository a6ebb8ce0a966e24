/**
 * What the verbs of the root console answer. Each writes exactly one acknowledgement and, if it has lines to show,
 * those and `END`; each is bounded by the tables that it prints.
 */
import type { Facts } from "../proc/facts.ts";
import { bootReport, capsReport, memoryReport, processReport, pumpReport } from "../proc/reports.ts";
import { type Refusal, type Verb, VERBS } from "./grammar.ts";

/** Where an answer goes. */
export interface Answer {
  ok(detail?: string): void;
  err(refusal: Refusal): void;
  line(text: string): void;
  /** The last line of a stream. */
  end(): void;
}

export type Handler = (answer: Answer) => void;

/** The table of verbs. */
export function rootVerbs(facts: Facts): Readonly<Record<Verb, Handler>> {
  return {
    HELP: help,
    PING: (answer) => {
      answer.ok("reply=pong");
      answer.line("PONG");
    },
    BI: (answer) => stream(answer, bootReport(facts)),
    CAPS: (answer) => stream(answer, capsReport(facts.machine)),
    MEM: (answer) => stream(answer, memoryReport(facts)),
    PS: (answer) => stream(answer, [...pumpReport(facts), facts.console(), ...processReport(facts)]),
    NETSTATS: (answer) => {
      const lines = facts.network();
      if (lines === undefined) {
        answer.err({ reason: "busy", detail: "no network" });
        return;
      }
      stream(answer, lines);
    },
    QUIT: (answer) => answer.ok("to leave this console press Ctrl-A, then x"),
  };
}

function help(answer: Answer): void {
  answer.ok();
  for (const [verb, { help: text }] of Object.entries(VERBS)) answer.line(`${verb.toLowerCase().padEnd(9)}${text}`);
  answer.end();
}

function stream(answer: Answer, lines: readonly string[]): void {
  answer.ok();
  for (const line of lines) answer.line(line);
  answer.end();
}
