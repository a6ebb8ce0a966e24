/**
 * The shell's command history in a file of its own, private to its user (mode 0600) and bounded in lines
 * and bytes. A history that cannot be read or written costs the user nothing but the history; commands
 * that carry a credential are never kept.
 */

import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { withoutCredentials } from "./redact.ts";

export const HISTORY_LINES = 500;
/** Longer lines than the console takes are not worth keeping, so a file beyond this many bytes has nothing of ours. */
const HISTORY_LINE_LENGTH = 1024;
const HISTORY_BYTES = HISTORY_LINES * (HISTORY_LINE_LENGTH + 1);

/** Its place in the user's state directory (XDG Base Directory 0.8: a relative `XDG_STATE_HOME` is ignored). */
export function historyFile(env: NodeJS.ProcessEnv): string {
  const state = env["XDG_STATE_HOME"];
  const base = state !== undefined && isAbsolute(state) ? state : join(env["HOME"] ?? homedir(), ".local", "state");
  return join(base, "cohesix", "cohsh_history");
}

/** Whether a line has a credential in it that nothing but its knowledge tells from another word. */
export type Secret = (line: string) => boolean;

const nothing: Secret = () => false;

/** Whether a line may be remembered: it says something, in a bounded way, and holds no credential. */
export function memorable(line: string, secret = nothing): boolean {
  if (line.trim() === "" || line.length > HISTORY_LINE_LENGTH) return false;
  return withoutCredentials(line) === line && !secret(line);
}

/** @returns the kept lines, oldest first; empty if there is no readable file. */
export function loadHistory(file: string, secret = nothing): string[] {
  let text: string;
  try {
    text = readTail(file, HISTORY_BYTES);
  } catch {
    return [];
  }
  const kept = text.split("\n").filter((line) => memorable(line, secret));
  return kept.slice(-HISTORY_LINES);
}

/**
 * Add lines (oldest first) to the file. It is replaced whole or not at all, and lines that another shell
 * has saved meanwhile stay.
 * @returns a sentence if that failed.
 */
export function saveHistory(file: string, lines: readonly string[], secret = nothing): string | undefined {
  const added = lines.filter((line) => memorable(line, secret));
  if (added.length === 0) return undefined;
  const kept = [...loadHistory(file, secret), ...added].slice(-HISTORY_LINES);
  const fresh = `${file}.${process.pid}`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    rmSync(fresh, { force: true });
    writeFileSync(fresh, `${kept.join("\n")}\n`, { mode: 0o600, flag: "wx" });
    renameSync(fresh, file);
    return undefined;
  } catch (error) {
    try {
      rmSync(fresh, { force: true });
    } catch {
      // Where not even a directory is, nothing was left either.
    }
    return `the history was not saved to ${file}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The last `bytes` of a regular file. O_NONBLOCK, because a FIFO in its place must not hold the shell. */
function readTail(file: string, bytes: number): string {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { size } = fstatSync(fd);
    const buffer = Buffer.alloc(Math.min(size, bytes));
    const count = readSync(fd, buffer, 0, buffer.length, Math.max(0, size - bytes));
    const text = buffer.toString("utf8", 0, count);
    return size > bytes ? text.slice(text.indexOf("\n") + 1) : text;
  } finally {
    closeSync(fd);
  }
}
