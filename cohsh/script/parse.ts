/**
 * Reads a script (`.coh`): one command a line, `#` comments, `EXPECT OK`, `EXPECT ERR`, `EXPECT SUBSTR text`, `EXPECT NOT text`
 * and `WAIT ms`. Every mistake is found at once and told with its line; what parses here can be run.
 */

import { ROLES } from "../../services/roles/roles.ts";
import { INVALID_CHARACTER, parse } from "../../services/console/grammar.ts";
import { requestOf } from "../request.ts";
import { COMMAND_LIMIT } from "../shell.ts";
import { firstWord } from "../verbs.ts";

/** Longest `WAIT`, in milliseconds. */
export const WAIT_LIMIT_MS = 60_000;
/** Most lines of a script. */
export const SCRIPT_LINES = 10_000;

/** One line that does something. `line` counts from 1. */
export type Step =
  | { readonly line: number; readonly kind: "command"; readonly text: string }
  | { readonly line: number; readonly kind: "expect"; readonly what: "ok" | "err" }
  | { readonly line: number; readonly kind: "expect"; readonly what: "substr" | "not"; readonly text: string }
  | { readonly line: number; readonly kind: "wait"; readonly ms: number };

export interface Mistake {
  readonly line: number;
  /** Completes `line n: `. */
  readonly sentence: string;
}

export interface Script {
  readonly steps: readonly Step[];
  /** In the order of lines. */
  readonly mistakes: readonly Mistake[];
}

/** @param bytes of the file */
export function parseScript(bytes: Uint8Array): Script {
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/);
  const steps: Step[] = [];
  const mistakes: Mistake[] = [];
  if (lines.length > SCRIPT_LINES + 1) {
    return {
      steps,
      mistakes: [{ line: SCRIPT_LINES + 1, sentence: `is beyond the ${SCRIPT_LINES} lines of a script.` }],
    };
  }
  lines.forEach((raw, index) => {
    const line = index + 1;
    const trimmed = raw.trim();
    if (trimmed === "" || trimmed.startsWith("#")) return;
    const step = stepOf(raw, trimmed, line);
    if ("sentence" in step) mistakes.push(step);
    else steps.push(step);
  });
  mistakes.push(...mistakesOfOrder(steps));
  // What such a line means is a guess, good enough to judge its neighbours by, but not to blame it for.
  const bad = linesOfBadBytes(bytes);
  const told = mistakes.filter(({ line }) => !bad.has(line));
  for (const line of bad) told.push({ line, sentence: "is no UTF-8." });
  return { steps, mistakes: told.sort((a, b) => a.line - b.line) };
}

function stepOf(raw: string, trimmed: string, line: number): Step | Mistake {
  if (Buffer.byteLength(raw) > COMMAND_LIMIT) return { line, sentence: `is longer than ${COMMAND_LIMIT} bytes.` };
  if (parse(raw) === INVALID_CHARACTER) return { line, sentence: "has a control character in it." };
  switch (firstWord(trimmed)) {
    case "expect":
      return expectation(trimmed, line);
    case "wait":
      return pause(trimmed, line);
    default:
      return { line, kind: "command", text: trimmed };
  }
}

function expectation(text: string, line: number): Step | Mistake {
  const [, what = "", rest] = /^\S+(?: +(\S+)(?: (.*))?)?$/.exec(text) ?? [];
  switch (what.toUpperCase()) {
    case "OK":
    case "ERR":
      if (rest !== undefined) return { line, sentence: `EXPECT ${what} takes nothing behind it.` };
      return { line, kind: "expect", what: what.toUpperCase() === "OK" ? "ok" : "err" };
    case "SUBSTR":
    case "NOT":
      if (rest === undefined || rest === "") return { line, sentence: `EXPECT ${what} needs the text to look for.` };
      return { line, kind: "expect", what: what.toUpperCase() === "NOT" ? "not" : "substr", text: rest };
    default:
      return { line, sentence: "EXPECT must be followed by OK, ERR, SUBSTR or NOT." };
  }
}

function pause(text: string, line: number): Step | Mistake {
  const [, digits, ...rest] = text.split(/ +/);
  const ms = digits !== undefined && /^\d{1,6}$/.test(digits) ? Number(digits) : NaN;
  if (rest.length > 0 || !(ms <= WAIT_LIMIT_MS)) {
    return { line, sentence: `WAIT must be followed by milliseconds from 0 to ${WAIT_LIMIT_MS}.` };
  }
  return { line, kind: "wait", ms };
}

/** What can be seen of a whole script: expectations of nothing, and commands that no hive can take though nobody expects that. */
function mistakesOfOrder(steps: readonly Step[]): Mistake[] {
  const mistakes: Mistake[] = [];
  let command: string | undefined;
  let left = false;
  steps.forEach((step, index) => {
    if (step.kind === "wait") return;
    if (step.kind === "expect") {
      if (command === undefined)
        mistakes.push({ line: step.line, sentence: "EXPECT stands before the first command." });
      return;
    }
    if (left) mistakes.push({ line: step.line, sentence: "stands behind quit and would not be run." });
    command = step.text;
    left ||= /^quit$/i.test(step.text);
    const next = steps[index + 1];
    if (next?.kind === "expect" && next.what !== "ok") return;
    const why = whyRefused(step.text);
    if (why !== undefined) mistakes.push({ line: step.line, sentence: why });
  });
  return mistakes;
}

/** A ticket that a script leaves out is fetched when it runs. */
const CREDENTIAL = "***";

function whyRefused(command: string): string | undefined {
  const request = requestOf(command, { find: () => ({ credential: CREDENTIAL }) });
  if (request.kind === "refused") return `${request.why}.`;
  if (request.follows) return "tail -f would never end in a script; tail prints what there is.";
  const parsed = parse(request.line);
  if (parsed.kind === "command") return undefined;
  if (parsed.word === "PARSE") return `${JSON.stringify(firstWord(command))} is no command.`;
  const roles = parsed.refusal.detail === "invalid-role" ? `, but ${ROLES.join(", ")} are roles` : "";
  return `${firstWord(command)} would be refused: ${parsed.refusal.detail ?? parsed.refusal.reason}${roles}.`;
}

/** The lines that are no UTF-8. */
function linesOfBadBytes(bytes: Uint8Array): ReadonlySet<number> {
  const bad = new Set<number>();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (let line = 1, start = 0; start < bytes.length; line++) {
    const lf = bytes.indexOf(10, start);
    const end = lf < 0 ? bytes.length : lf;
    try {
      decoder.decode(bytes.subarray(start, end));
    } catch {
      bad.add(line);
    }
    start = end + 1;
  }
  return bad;
}
