/**
 * `SPAWN`, `KILL`, `BIND` and `MOUNT`: lines of `/queen/ctl` in other words, with the same policy before them, the same code and
 * audit line, and the same price.
 */
import type { View } from "../ninedoor/view.ts";
import type { Clock } from "../ports/index.ts";
import { Later } from "../pump/later.ts";
import type { Outcome, QueenControl } from "../queen/control.ts";
import type { Command, Refusal } from "./grammar.ts";
import { outcomeRefusalOf, refusalOf } from "./refusals.ts";

export type QueenCommand = Extract<Command, { verb: "SPAWN" | "KILL" | "BIND" | "MOUNT" }>;
export type Control = Pick<QueenControl<View>, "line" | "execute">;

const CONTROL_FILE = ["queen", "ctl"];

/** The acknowledgement's detail, or why nothing was done. */
export type Obeyed = string | Refusal;

/** @returns what came of it, now or later */
export function obey(asked: QueenCommand, control: Control, view: View, clock: Clock): Obeyed | Later<Obeyed> {
  const why = view.may("append", CONTROL_FILE);
  if (why !== undefined) return refusalOf(why);
  const paid = (outcome: Outcome): Obeyed => {
    if (!outcome.done) return outcomeRefusalOf(outcome);
    view.grant.account.spendOp(clock.nowUs());
    return outcome.detail;
  };
  const outcome = execute(asked, control, view);
  return outcome instanceof Later ? outcome.map(paid) : paid(outcome);
}

function execute(asked: QueenCommand, control: Control, view: View): Outcome | Later<Outcome> {
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
