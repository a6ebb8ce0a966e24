/** A command line as each of the shell's programs reads its own: what it takes, or a text to print before leaving. */

import { type Command, CommanderError } from "commander";
import { sentence } from "./option-values.ts";

/** Texts to print before leaving with the status. */
export type Leaving =
  { readonly print: string; readonly status: 0 } | { readonly complain: string; readonly status: 2 };

/** @param take what the options mean, once they are read @throws what `take` throws is a complaint */
export function readProgram<T>(program: Command, args: readonly string[], take: () => T): T | Leaving {
  let printed = "";
  program
    .allowExcessArguments(false)
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => (printed += text), writeErr: () => undefined });
  try {
    program.parse([...args], { from: "user" });
    return take();
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return { print: printed, status: 0 };
    return { complain: sentence(error instanceof Error ? error.message : String(error), program.name()), status: 2 };
  }
}
