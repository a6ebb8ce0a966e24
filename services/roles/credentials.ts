/**
 * The credentials of a hive, `credentials.json`: made with its image, read by the hive and by the shell. What is read is
 * checked whole, and the first mistake is one sentence with its JSON pointer that never shows a secret.
 */
import { type Role, ROLES } from "./roles.ts";

/** What opens a hive. */
export interface Credentials {
  /** The operator's, for AUTH and for the serial line. */
  readonly token: string;
  /** Tickets that were minted with the image; the image itself holds none. */
  readonly tickets: Readonly<Partial<Record<Role, string>>>;
  /** The text that each role's key is derived from. */
  readonly secrets: Readonly<Partial<Record<Role, string>>>;
}

/** Read the file's text. @throws Error with one sentence. */
export function readCredentials(text: string): Credentials {
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text.
    throw new Error("credentials.json: / is no JSON.");
  }
  const { token, tickets, secrets } = object(root, "", ["token", "tickets", "secrets"]);
  if (typeof token !== "string" || !/^[\x21-\x7e]{1,255}$/.test(token)) {
    throw mistake("/token", "must be a text of 1 to 255 visible ASCII characters");
  }
  return {
    token,
    tickets: byRole(tickets, "/tickets", /^cohesix-ticket-[0-9a-f]+\.[0-9a-f]{64}$/, "must be a ticket"),
    secrets: byRole(secrets, "/secrets", /^[0-9a-f]{64}$/, "must be 64 lowercase hexadecimal digits"),
  };
}

function mistake(pointer: string, what: string): Error {
  return new Error(`credentials.json: ${pointer === "" ? "/" : pointer} ${what}.`);
}

function object(value: unknown, pointer: string, fields: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw mistake(pointer, "must be an object");
  // A name that is none may be a secret that stands where it should not.
  const known = Object.keys(value).every((key) => fields.includes(key));
  if (!known) throw mistake(pointer, `has a field that is none of ${fields.join(", ")}`);
  return value as Record<string, unknown>;
}

function byRole(value: unknown, pointer: string, form: RegExp, what: string): Partial<Record<Role, string>> {
  const fields = object(value, pointer, ROLES);
  const texts: Partial<Record<Role, string>> = {};
  for (const role of ROLES) {
    const text = fields[role];
    if (text === undefined) continue;
    if (typeof text !== "string" || !form.test(text)) throw mistake(`${pointer}/${role}`, what);
    texts[role] = text;
  }
  return texts;
}
