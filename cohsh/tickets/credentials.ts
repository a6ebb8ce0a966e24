/**
 * Makes the credentials of a hive and writes them as the hive and the shell read them. Nothing is ever made up of a default:
 * whoever makes them brings the random numbers.
 */
import type { Credentials } from "../../services/roles/credentials.ts";
import { type Role, ROLES } from "../../services/roles/roles.ts";
import { claimsOf, deriveKey, signTicket } from "../../services/roles/ticket.ts";
import { nodeBytes } from "../../scripts/lib/node-bytes.ts";

export { type Credentials, readCredentials } from "../../services/roles/credentials.ts";

/** Bytes of a secret and of the operator's token. */
const SECRET_BYTES = 32;

/** New credentials: a token, a secret for each role, and a Queen's ticket. @param random must be fit for keys. */
export function createCredentials(random: (length: number) => Uint8Array): Credentials {
  const draw = (): string => Buffer.from(random(SECRET_BYTES)).toString("hex");
  const token = draw();
  const secrets: Partial<Record<Role, string>> = {};
  for (const role of ROLES) secrets[role] = draw();
  const queen = signTicket(nodeBytes, deriveKey(nodeBytes, secrets.queen ?? ""), claimsOf("queen"));
  return { token, tickets: { queen }, secrets };
}

/** The text of the file. Whoever writes it gives it mode 0600. */
export function formatCredentials(credentials: Credentials): string {
  return `${JSON.stringify(credentials, undefined, 2)}\n`;
}
