/**
 * A run that nobody watches: commands from `-c` or from standard input, one after the other, up to the first
 * that is not acknowledged with OK.
 */

import { inputLines } from "./input-lines.ts";
import { COMMAND_LIMIT, type Outcome, type Shell } from "./shell.ts";

/**
 * @param depth commands that are sent before the first of them is answered; those that were sent are answered, whatever comes of it
 * @returns whether every command was acknowledged with OK.
 */
export async function runCommands(
  shell: Shell,
  commands: readonly string[],
  signal: AbortSignal,
  depth = 1,
): Promise<boolean> {
  const window = new Window(depth);
  for (const command of commands) {
    if (signal.aborted) return false;
    await window.room(alone(command));
    if (window.over !== undefined) break;
    window.add(shell.execute(command));
    if (alone(command)) await window.room(true);
  }
  return window.verdict();
}

/** What has no end of its own, or after which nothing more is answered. */
function alone(command: string): boolean {
  return /^\s*(?:tail\s+-f\b|quit\b)/i.test(command);
}

/** Commands that are not answered yet. */
class Window {
  readonly #depth: number;
  readonly #running: Promise<Outcome>[] = [];
  /** The first outcome after which no more commands are sent. */
  over: Exclude<Outcome, "ok"> | undefined;

  constructor(depth: number) {
    this.#depth = depth;
  }

  add(outcome: Promise<Outcome>): void {
    this.#running.push(outcome);
  }

  /** Wait until there is room for one more. @param all wait until nothing runs */
  async room(all: boolean): Promise<void> {
    while (this.#running.length > (all ? 0 : this.#depth - 1)) {
      const outcome = await this.#running.shift();
      if (outcome !== undefined && outcome !== "ok") this.over ??= outcome;
      // What was sent is answered before anybody leaves.
      all ||= this.over !== undefined;
    }
  }

  async verdict(): Promise<boolean> {
    await this.room(true);
    return this.over === undefined || this.over === "quit";
  }
}

/** Commands from a stream. A line that is too long or no UTF-8 counts as refused. @returns as `runCommands`. */
export async function runInput(
  shell: Shell,
  input: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  depth = 1,
): Promise<boolean> {
  const window = new Window(depth);
  for await (const line of inputLines(input, COMMAND_LIMIT)) {
    if (signal.aborted) return false;
    const single = depth === 1 || !("text" in line) || alone(line.text);
    await window.room(single);
    if (window.over !== undefined) break;
    window.add("text" in line ? shell.execute(line.text) : Promise.resolve(shell.refuse(line.refused)));
    // Who types command by command wants each answered, whether the input goes on or not.
    if (single) await window.room(true);
    if (window.over !== undefined) break;
  }
  return window.verdict();
}
