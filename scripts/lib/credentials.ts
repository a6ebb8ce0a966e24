/**
 * The credentials that an image is built with: drawn from the system's random source the first time, kept in a file that its
 * owner alone may read, and used again until it is removed. There is no default.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { createCredentials, formatCredentials, readCredentials } from "../../cohsh/tickets/credentials.ts";
import { inRepository } from "./repository.ts";

const OWNER_ONLY = 0o600;

export const credentialsPath = inRepository("out", "hive", "credentials.json");

/** The credentials as a hive has them: nothing that only a client needs. */
export function hiveCredentials(text: string): string {
  const { token, secrets } = readCredentials(text);
  return `${JSON.stringify({ token, tickets: {}, secrets })}\n`;
}

/** The file's text; it is made if it is missing. @throws Error with one sentence if it is damaged. */
export function ensureCredentials(path = credentialsPath): string {
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    try {
      const file = openSync(path, "wx", OWNER_ONLY);
      writeSync(file, formatCredentials(createCredentials(randomBytes)));
      closeSync(file);
    } catch (error) {
      // Another build was first.
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
  }
  chmodSync(path, OWNER_ONLY);
  const text = readFileSync(path, "utf8");
  try {
    readCredentials(text);
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  return text;
}
