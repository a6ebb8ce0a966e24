/**
 * `SPAWN`, `KILL`, `BIND` and `MOUNT`: lines of `/queen/ctl` in other words, with the same policy before them, the same code and
 * audit line, and the same price.
 */
import type { View } from "../ninedoor/view.ts";
import type { Outcome, QueenControl } from "../queen/control.ts";
import type { Command, Refusal } from "./grammar.ts";
import { outcomeRefusalOf, refusalOf } from "./refusals.ts";

export type QueenCommand = Extract<Command, { verb: "SPAWN" | "KILL" | "BIND" | "MOUNT" }>;
export type Control = Pick<QueenControl<View>, "line" | "execute">;

const CONTROL_FILE = ["queen", "ctl"];

/** @returns the acknowledgement's detail, or why nothing was done. */
export function obey(asked: QueenCommand, control: Control, view: View, nowUs: number): string | Refusal {
  const why = view.may("append", CONTROL_FILE);
  if (why !== undefined) return refusalOf(why);
  const outcome = execute(asked, control, view);
  if (!outcome.done) return outcomeRefusalOf(outcome);
  view.grant.account.spendOp(nowUs);
  return outcome.detail;
}

function execute(asked: QueenCommand, control: Control, view: View): Outcome {
  switch (asked.verb) {
    case "SPAWN":
      return control.line(asked.json, view, "spawn");
    case "KILL":
      return control.execute({ verb: "kill", worker: asked.id }, view);
    case "BIND":
      return control.execute({ verb: "bind", from: asked.from, to: asked.to }, view);
    case "MOUNT":
      return control.execute({ verb: "mount", service: asked.service, at: asked.at }, view);
  }
}
