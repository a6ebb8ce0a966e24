/**
 * Takes credentials out of command lines before they are shown, logged or kept: what stands behind the role of a login,
 * and every ticket wherever it stands. A subject is no credential and stays.
 */

import { TICKET_PREFIX } from "../services/roles/ticket.ts";

/** What stands in place of a credential, here as in a console's echo. */
export const MASK = "***";

const TICKET = new RegExp(`${TICKET_PREFIX}\\S*`, "gi");
const LOGIN = /^(\s*(?:attach|login)\s+\S+\s+)(\S.*)$/is;
const AUTH = /^(\s*auth\s+)(\S.*)$/is;
const SUBJECT = /^subject=\S*\s*/i;

/** @returns the line without its credentials. */
export function withoutCredentials(line: string): string {
  const [, login, arguments_ = ""] = LOGIN.exec(line) ?? [];
  if (login !== undefined) {
    const subject = SUBJECT.exec(arguments_)?.[0] ?? "";
    return login + subject + (arguments_.length > subject.length ? MASK : "");
  }
  return line.replace(AUTH, `$1${MASK}`).replace(TICKET, MASK);
}

/** @returns the line with a `*` for each character of its credentials, as it is shown while it is typed. */
export function hidden(line: string): string {
  const [, before, after = ""] = LOGIN.exec(line) ?? AUTH.exec(line) ?? [];
  if (before === undefined) return line.replace(TICKET, stars);
  // It may become a subject.
  if ("subject=".startsWith(after.toLowerCase())) return line;
  const subject = SUBJECT.exec(after)?.[0] ?? "";
  return before + subject + stars(after.slice(subject.length));
}

/** Credentials are of visible ASCII, each character one column wide. */
function stars(text: string): string {
  return text.replace(/[\x21-\x7e]/g, "*");
}
