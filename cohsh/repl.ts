/**
 * The interactive shell on a terminal: prompt, line editing, history, completion, Ctrl-C and Ctrl-D. The
 * terminal is as it was when `repl` settles, whatever the reason.
 */

import { createInterface, clearLine, cursorTo, type Interface } from "node:readline";
import { complete, type Completion } from "./completion.ts";
import { HiddenOutput } from "./hidden-output.ts";
import { HISTORY_LINES, loadHistory, memorable, saveHistory, type Secret } from "./history.ts";
import { PATIENCE_MS, remembering } from "./remote-names.ts";
import { withoutCredentials } from "./redact.ts";
import type { Shell } from "./shell.ts";

export const SHELL_PROMPT = "cohsh> ";
/** Lines typed or pasted ahead while a command runs. */
const AHEAD_LIMIT = 64;

export interface ReplOptions {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
  /** `undefined`: no history is kept. */
  readonly historyFile: string | undefined;
  /** Which lines are not remembered though they look like others. */
  readonly secret: Secret;
  readonly signal: AbortSignal;
}

/** Prints lines so that they do not run into what the user is typing. */
export class Screen {
  readonly #output: NodeJS.WriteStream;
  #editor: Interface | undefined;

  constructor(output: NodeJS.WriteStream) {
    this.#output = output;
  }

  /** From now on a line being edited is moved below what is printed; `undefined`: none is being edited. */
  set editor(editor: Interface | undefined) {
    this.#editor = editor;
  }

  print(line: string): void {
    const editor = this.#output.isTTY ? this.#editor : undefined;
    if (editor !== undefined) {
      cursorTo(this.#output, 0);
      clearLine(this.#output, 0);
    }
    this.#output.write(`${printable(line)}\n`);
    editor?.prompt(true);
  }
}

/** A hive's text must not steer the user's terminal (ECMA-48 C0 and C1). */
export function printable(line: string): string {
  return line.replace(/[^\P{Cc}\t]/gu, "\ufffd");
}

/** @returns when the user has left, the hive is gone, or the signal came. */
export async function repl(shell: Shell, screen: Screen, options: ReplOptions): Promise<void> {
  const { input, output, historyFile, secret, signal } = options;
  const saved = historyFile === undefined ? [] : loadHistory(historyFile, secret);
  const list = remembering(
    (directory) => shell.list(directory, PATIENCE_MS),
    () => performance.now(),
  );
  const terminal = input.isTTY && output.isTTY;
  const shown = new HiddenOutput(output, (): string => editor.line);
  const unfollow = shown.follow();
  const editor: Interface = createInterface({
    input,
    output: terminal ? shown : output,
    terminal,
    prompt: SHELL_PROMPT,
    history: [...saved].reverse(),
    historySize: HISTORY_LINES,
    removeHistoryDuplicates: true,
    completer: (line: string, done: (failure: null, completion: Completion) => void) => {
      void complete(line, list).then(
        (completion) => done(null, completion),
        () => done(null, [[], line]),
      );
    },
  });
  const entered: string[] = [];
  // readline hands over its own array, newest first: a line taken out here cannot be recalled.
  editor.on("history", (history: string[]) => {
    if (history[0] !== undefined && !memorable(history[0], secret)) history.shift();
  });
  try {
    await new Promise<void>((resolve) => {
      const ahead: string[] = [];
      let running = false;
      let closing = false;
      const idle = (): void => {
        screen.editor = editor;
        editor.prompt();
      };
      const drain = async (): Promise<void> => {
        running = true;
        screen.editor = undefined;
        for (let line = ahead.shift(); line !== undefined; line = ahead.shift()) {
          const outcome = await shell.execute(line);
          if (outcome === "quit" || outcome === "lost") {
            resolve();
            return;
          }
        }
        running = false;
        if (closing) resolve();
        else idle();
      };
      editor.on("line", (line) => {
        if (ahead.length === AHEAD_LIMIT) {
          screen.print(`# more than ${AHEAD_LIMIT} lines wait, this one was dropped: ${withoutCredentials(line)}`);
          return;
        }
        if (memorable(line, secret)) {
          entered.push(line);
          if (entered.length > HISTORY_LINES) entered.shift();
        }
        ahead.push(line);
        if (!running) void drain();
      });
      editor.on("SIGINT", () => {
        if (shell.interrupt(true)) return;
        ahead.length = 0;
        if (running) return;
        output.write("^C\n");
        if (editor.line === "") screen.print("# to leave: quit, or Ctrl-D");
        // Ctrl-U and Ctrl-K in one: nothing of the line is left.
        editor.write(null, { ctrl: true, name: "e" });
        editor.write(null, { ctrl: true, name: "u" });
        editor.prompt();
      });
      editor.on("close", () => {
        closing = true;
        shell.interrupt();
        if (!running) resolve();
      });
      shell.onEnded = (reason) => {
        screen.print(`# ${reason}`);
        if (!running) resolve();
      };
      signal.addEventListener("abort", () => resolve(), { once: true });
      if (signal.aborted) resolve();
      else idle();
    });
  } finally {
    screen.editor = undefined;
    shell.onEnded = undefined;
    editor.close();
    unfollow();
    if (input.isTTY) input.setRawMode(false);
    input.pause();
  }
  if (historyFile !== undefined) {
    const failure = saveHistory(historyFile, entered, secret);
    if (failure !== undefined) screen.print(`# ${failure}`);
  }
}
