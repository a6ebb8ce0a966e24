/**
 * Reads a hive's credentials from a file. What is wrong with it is one sentence that names the file and shows no secret. A file
 * that others can read is read all the same, and its user warned.
 */

import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { type Credentials, readCredentials } from "./credentials.ts";

/** Mode bits of a file that its group or others can read. */
const READ_BY_OTHERS = 0o044;
/** Files that were warned of. */
const warned = new Set<string>();

/** @param warn hears one sentence of a file, once in a process. @throws Error with one sentence. */
export function loadCredentials(file: string, warn: (sentence: string) => void = toStderr): Credentials {
  let text: string;
  try {
    const opened = readOpened(file);
    text = opened.text;
    if ((opened.mode & READ_BY_OTHERS) !== 0 && !warned.has(file)) {
      warned.add(file);
      warn(`${file} can be read by others: chmod 600 ${file} makes it yours alone.`);
    }
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const why =
      code === "ENOENT" ? "is not there" : code === "EACCES" ? "may not be read by this user" : "cannot be read";
    throw new Error(`The credentials file ${file} ${why}.`, { cause: error });
  }
  try {
    return readCredentials(text);
  } catch (error) {
    const what = error instanceof Error ? error.message.replace(/^credentials\.json: /, "") : String(error);
    throw new Error(`The credentials file ${file} is wrong: ${what}`, { cause: error });
  }
}

/** The text of a file, and the mode of that very file. */
function readOpened(file: string): { readonly text: string; readonly mode: number } {
  const fd = openSync(file, "r");
  try {
    return { text: readFileSync(fd, "utf8"), mode: fstatSync(fd).mode };
  } finally {
    closeSync(fd);
  }
}

function toStderr(sentence: string): void {
  process.stderr.write(`cohsh: ${sentence}\n`);
}
