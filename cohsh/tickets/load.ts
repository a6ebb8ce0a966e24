/** Reads a hive's credentials from a file. What is wrong with it is one sentence that names the file and shows no secret. */

import { readFileSync } from "node:fs";
import { type Credentials, readCredentials } from "./credentials.ts";

/** @throws Error with one sentence. */
export function loadCredentials(file: string): Credentials {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
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
