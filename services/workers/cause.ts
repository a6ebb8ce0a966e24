/**
 * Why a worker ended, and how the logs put it. The audit log's line is the same on every engine but for what the engine itself
 * has to say of a fault; sizes are the boot log's business.
 */
import type { ComponentEnd } from "../components/supervisor.ts";
import type { Revocation } from "../roles/budget.ts";

export type WorkerCause =
  | { readonly kind: "finished" | "killed" | "stuck" }
  /** It was not leased what it was spawned for. */
  | { readonly kind: "unleased"; readonly why: string }
  /** Whoever spawned it has gone, or has taken that back, before it was leased what it was spawned for. */
  | { readonly kind: "unwanted" }
  /** Its account is closed; that says why. */
  | { readonly kind: "budget" }
  /** It threw, and that is what it says of it: a message, then lines of a stack. */
  | { readonly kind: "failed"; readonly text: string }
  | {
      readonly kind: "component";
      readonly breach: Exclude<ComponentEnd["kind"], "stopped">;
      readonly why: string;
      readonly destroyed: boolean;
    };

/** Most characters of a worker's own words in a line, and most lines of them in the boot log. */
const WORDS = 200;
export const STACK_LINES = 8;

/** What became of it and why, as an audit line has it after the worker's name. */
export function describeCause(cause: WorkerCause, revocation: Revocation | undefined, quanta: number): string {
  switch (cause.kind) {
    case "finished":
    case "killed":
      return cause.kind;
    case "unleased":
      return `not leased its GPU: ${cause.why}`;
    case "unwanted":
      return "not spawned: nobody waits for it any more";
    case "stuck":
      return `revoked: stuck, it ran ${quanta} quanta without a call`;
    case "budget":
      return `revoked: ${revocation?.why ?? "its budget is used up"}`;
    case "failed":
      return `failed: ${firstLine(cause.text)}`;
    case "component":
      return `revoked: ${cause.why}`;
  }
}

/** What else a worker said when it failed. */
export function stackOf(cause: WorkerCause): string[] {
  if (cause.kind !== "failed") return [];
  const lines = cause.text.split("\n").slice(1);
  return lines.filter((line) => line.trim() !== "").slice(0, STACK_LINES);
}

function firstLine(text: string): string {
  const line = text.split("\n", 1)[0]!.trim();
  if (line === "") return "it did not say why";
  return line.length > WORDS ? `${line.slice(0, WORDS)}…` : line;
}
