/**
 * Runs a script step by step up to its first failure: an expectation that does not hold, a command that is refused though the
 * next step expects nothing of it, or a hive that is gone. What failed is told with its line, its command and the last answers.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Shell } from "../shell.ts";
import { withoutCredentials } from "../redact.ts";
import type { Step } from "./parse.ts";
import type { Answered, Recorder } from "./recorder.ts";

/** Lines of an answer that a failure shows. */
const SHOWN_LINES = 20;

export interface Failure {
  readonly line: number;
  /** The command that it is about, without credentials; "" before the first. */
  readonly command: string;
  readonly reason: string;
}

/**
 * @param recorder the shell's output
 * @returns `undefined` if all went as expected or the signal came
 */
export async function runScript(
  shell: Shell,
  recorder: Recorder,
  steps: readonly Step[],
  signal: AbortSignal,
): Promise<Failure | undefined> {
  for (const [index, step] of steps.entries()) {
    if (signal.aborted) return undefined;
    const reason = await take(shell, recorder, step, steps[index + 1], signal);
    if (reason === "quit") return undefined;
    if (reason !== undefined && !signal.aborted) {
      const command = step.kind === "command" ? withoutCredentials(step.text) : (recorder.last?.command ?? "");
      return { line: step.line, command, reason };
    }
  }
  return undefined;
}

/** The last answers as lines, each within bounds. */
export function describeAnswers(answers: readonly Answered[]): string[] {
  return answers.flatMap(({ command, lines, notes, dropped }) => {
    const left = lines.length + dropped - SHOWN_LINES;
    return [
      `> ${command}`,
      ...(left > 0 ? [...lines.slice(0, 1), `… ${left} lines`, ...lines.slice(1 - SHOWN_LINES)] : lines),
      ...notes.map((note) => `# ${note}`),
    ].map((line) => `  ${line}`);
  });
}

async function take(
  shell: Shell,
  recorder: Recorder,
  step: Step,
  next: Step | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  switch (step.kind) {
    case "command": {
      const outcome = await shell.execute(step.text);
      if (outcome === "lost") return shell.gone ?? "the hive is gone";
      if (outcome === "quit") return next?.kind === "expect" ? undefined : "quit";
      if (outcome === "ok") return undefined;
      // Nothing can be expected of an answer that never came.
      if (recorder.last?.acknowledgement === undefined) return "the command was not answered";
      return next?.kind === "expect" ? undefined : "the command was refused, and no EXPECT follows it";
    }
    case "wait":
      await sleep(step.ms, undefined, { signal }).catch(() => undefined);
      return shell.gone;
    case "expect":
      return unmet(step, recorder.last);
  }
}

/** Why an expectation does not hold, `undefined` if it does. */
function unmet(step: Extract<Step, { kind: "expect" }>, answer: Answered | undefined): string | undefined {
  if (answer === undefined) return "there is no answer yet";
  switch (step.what) {
    case "ok":
    case "err": {
      const ok = answer.acknowledgement?.ok;
      if (ok === (step.what === "ok")) return undefined;
      return `EXPECT ${step.what.toUpperCase()}, but the command was ${ok === undefined ? "not answered" : ok ? "acknowledged with OK" : "refused"}`;
    }
    case "substr":
      if (answer.lines.some((line) => line.includes(step.text))) return undefined;
      return `EXPECT SUBSTR, but no line of the answer has ${JSON.stringify(step.text)} in it`;
    case "not": {
      const found = answer.lines.find((line) => line.includes(step.text));
      return found === undefined
        ? undefined
        : `EXPECT NOT, but ${JSON.stringify(step.text)} is in ${JSON.stringify(found)}`;
    }
  }
}
