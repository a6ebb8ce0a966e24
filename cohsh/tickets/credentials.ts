/**
 * The credentials of a hive, `credentials.json`: made by the image build, read by the shell. What is read is checked whole, and
 * the first mistake is one sentence with its JSON pointer that never shows a secret.
 */
import { type Role, ROLES } from "../../services/roles/roles.ts";
import { deriveKey, signTicket } from "../../services/roles/ticket.ts";
import { nodeBytes } from "../bytes.ts";

/** Bytes of a secret and of the operator's token. */
const SECRET_BYTES = 32;

/** What opens a hive. */
export interface Credentials {
  /** The operator's, for AUTH and for the serial line. */
  readonly token: string;
  /** Tickets that were minted with the image. */
  readonly tickets: Readonly<Partial<Record<Role, string>>>;
  /** The text that each role's key is derived from. */
  readonly secrets: Readonly<Partial<Record<Role, string>>>;
}

/** New credentials: a token, a secret for each role, and a Queen's ticket. @param random must be fit for keys. */
export function createCredentials(random: (length: number) => Uint8Array): Credentials {
  const draw = (): string => Buffer.from(random(SECRET_BYTES)).toString("hex");
  const token = draw();
  const secrets: Partial<Record<Role, string>> = {};
  for (const role of ROLES) secrets[role] = draw();
  const queen = signTicket(nodeBytes, deriveKey(nodeBytes, secrets.queen ?? ""), {
    role: "queen",
    ticks: undefined,
    ops: undefined,
    ttlS: undefined,
    subject: "",
    issuedAtMs: 0,
    mountService: "",
    mountAt: "",
    scopes: [],
    quotas: undefined,
  });
  return { token, tickets: { queen }, secrets };
}

/** The text of the file. Whoever writes it gives it mode 0600. */
export function formatCredentials(credentials: Credentials): string {
  return `${JSON.stringify(credentials, undefined, 2)}\n`;
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
  const unknown = Object.keys(value).find((key) => !fields.includes(key));
  if (unknown !== undefined) throw mistake(`${pointer}/${unknown}`, "is no field of credentials");
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
