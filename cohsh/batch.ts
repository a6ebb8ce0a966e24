/**
 * A run that nobody watches: commands from `-c` or from standard input, one after the other, up to the first
 * that is not acknowledged with OK.
 */

import { inputLines } from "./input-lines.ts";
import { COMMAND_LIMIT, type Shell } from "./shell.ts";

/** @returns whether every command was acknowledged with OK. */
export async function runCommands(shell: Shell, commands: readonly string[], signal: AbortSignal): Promise<boolean> {
  for (const command of commands) {
    if (signal.aborted) return false;
    const outcome = await shell.execute(command);
    if (outcome !== "ok") return outcome === "quit";
  }
  return true;
}

/** Commands from a stream. A line that is too long or no UTF-8 counts as refused. @returns as `runCommands`. */
export async function runInput(shell: Shell, input: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<boolean> {
  for await (const line of inputLines(input, COMMAND_LIMIT)) {
    if (signal.aborted) return false;
    const outcome = "text" in line ? await shell.execute(line.text) : shell.refuse(line.refused);
    if (outcome !== "ok") return outcome === "quit";
  }
  return true;
}
