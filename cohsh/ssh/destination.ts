/**
 * Where `--via` leads: `ssh://[user@]host[:port]`, read strictly, so that what is not understood is a sentence and never a guess.
 * A password is refused, and no part of a text that has one is shown.
 */

import { isIP } from "node:net";
import { isHost, portNumber } from "../addresses.ts";

export interface SshDestination {
  /** `undefined`: as whoever runs this is called here. */
  readonly user: string | undefined;
  readonly host: string;
  readonly port: number;
}

export const SSH_PORT = 22;
/** Longer than any that is meant. */
const URL_CHARACTERS = 400;
const USER_CHARACTERS = 64;
const SHAPE = "ssh://user@host or ssh://user@host:port";

/** @returns what is wrong with it, to stand behind what it was given as: `--via must be …` */
export function readDestination(text: string): SshDestination | { readonly mistake: string } {
  const mistake = (what: string): { mistake: string } => ({ mistake: what });
  if (text.length > URL_CHARACTERS) return mistake(`is longer than ${URL_CHARACTERS} characters`);
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text) ?? [];
  if (scheme === undefined || rest === undefined) return mistake(`must be ${SHAPE}`);
  if (scheme.toLowerCase() !== "ssh") return mistake(`goes by ssh alone: ${SHAPE}`);
  const end = rest.search(/[/?#]/);
  const authority = end < 0 ? rest : rest.slice(0, end);
  const at = authority.lastIndexOf("@");
  const user = at < 0 ? undefined : authority.slice(0, at);
  if (user?.includes(":") === true)
    return mistake("must have no password in it: keys and an agent are what ssh is given");
  if (end >= 0 && rest.slice(end) !== "/") return mistake("names a host, and must have nothing behind it");
  const decoded = user === undefined ? undefined : decodedUser(user);
  if (user !== undefined && decoded === undefined) return mistake("has a user that is none");
  const place = authority.slice(at + 1);
  if (/^[^[]*:.*:/s.test(place)) return mistake("has an IPv6 address without brackets");
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(place) ?? [];
  const host = bracketed ?? plain ?? "";
  if (bracketed !== undefined ? isIP(bracketed) !== 6 : !isHost(host)) return mistake("has a host that is none");
  const number = port === undefined ? SSH_PORT : portNumber(port);
  if (Number.isNaN(number)) return mistake("has a port that is none from 1 to 65535");
  return { user: decoded, host, port: number };
}

/** RFC 3986 §3.2.1; `undefined` if nobody is called so. */
function decodedUser(text: string): string | undefined {
  let user: string;
  try {
    user = decodeURIComponent(text);
  } catch {
    return undefined;
  }
  return user === "" || user.length > USER_CHARACTERS || /[\s\p{Cc}\p{Cs}]|^-/u.test(user) ? undefined : user;
}

/** The host, with its port where that is not ssh's own. */
export function hostText({ host, port }: Pick<SshDestination, "host" | "port">): string {
  const name = host.includes(":") ? `[${host}]` : host;
  return port === SSH_PORT ? name : `${name}:${port}`;
}

/** As it may be shown: what was given, without what goes without saying. */
export function destinationText(destination: SshDestination): string {
  const { user } = destination;
  return `ssh://${user === undefined ? "" : `${encodeURIComponent(user)}@`}${hostText(destination)}`;
}
