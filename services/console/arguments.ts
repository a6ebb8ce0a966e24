/**
 * The arguments of each verb, from the text behind it to values within the limits of docs/INTERFACES.md, or the tag of what is
 * wrong with them. An argument that would be ignored is refused: to take it would be a promise.
 */
import { ROLE_LIMIT, type Role, roleOf } from "../roles/roles.ts";
import { namesOf } from "../roles/scope.ts";
import { utf8Length } from "../secure9p/wire.ts";

/** Longest arguments, in bytes. */
export const ARGUMENT_LIMITS = { role: ROLE_LIMIT, ticket: 224, path: 255, id: 32, service: 32 } as const;

/** A path as it was typed, and its names: at most 8. */
export interface Path {
  readonly path: string;
  readonly names: readonly string[];
}

export interface Attach {
  readonly role: Role;
  /** A ticket, or on the serial line the operator token. */
  readonly credential: string;
}

export interface Tail extends Path {
  readonly follow: boolean;
  /** Bytes since boot; `undefined` is the oldest line. */
  readonly offset: number | undefined;
}

export interface Echo extends Path {
  readonly text: string;
}

export type None = Readonly<Record<never, never>>;

/** The arguments by verb. */
export interface Arguments {
  readonly HELP: None;
  readonly PING: None;
  readonly BI: None;
  readonly CAPS: None;
  readonly MEM: None;
  readonly PS: None;
  readonly NETSTATS: None;
  readonly ATTACH: Attach;
  readonly DETACH: None;
  readonly LS: Path;
  readonly CAT: Path;
  readonly TAIL: Tail;
  readonly STOP: None;
  readonly LOG: None;
  readonly ECHO: Echo;
  readonly SPAWN: { readonly json: string };
  readonly KILL: { readonly id: string };
  readonly BIND: { readonly from: string; readonly to: string };
  readonly MOUNT: { readonly service: string; readonly at: string };
  readonly QUIT: None;
}

/** Reads the text behind a verb, blanks around it left out. @param plain whether it is known to be ASCII @returns the arguments, or a tag. */
type Read<T> = (text: string, plain: boolean) => T | string;

export const ARGUMENTS: { readonly [V in keyof Arguments]: Read<Arguments[V]> } = {
  HELP: none,
  PING: none,
  BI: none,
  CAPS: none,
  MEM: none,
  PS: none,
  NETSTATS: none,
  ATTACH: attach,
  DETACH: none,
  LS: onePath,
  CAT: onePath,
  TAIL: tail,
  STOP: none,
  LOG: none,
  ECHO: echo,
  SPAWN: (json) => (json === "" ? missing("json") : { json }),
  KILL: kill,
  BIND: bind,
  MOUNT: mount,
  QUIT: none,
};

const INVALID_PAYLOAD = "invalid-payload";
const INVALID_PATH = "invalid-path";
/** What workers and services are called: nothing that could be taken for another field of a line. */
const NAME = /^[A-Za-z0-9._-]+$/;
/** Below 2^53. */
const OFFSET = /^\d{1,15}$/;

const BLANK = 0x20;

/** Blanks alone are trimmed, for they alone separate words. */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text.charCodeAt(start) === BLANK) start++;
  while (end > start && text.charCodeAt(end - 1) === BLANK) end--;
  return text.slice(start, end);
}

function missing(argument: string): string {
  return `missing required argument: ${argument}`;
}

function wordsOf(text: string): string[] {
  return text.split(" ").filter((word) => word !== "");
}

function tooLong(argument: string, text: string, limit: number, plain: boolean): string | undefined {
  // A UTF-16 unit takes at most three bytes.
  if (text.length * 3 <= limit) return undefined;
  return (plain ? text.length : utf8Length(text, limit)) > limit
    ? `argument ${argument} exceeds allowed length`
    : undefined;
}

function none(text: string): None | string {
  return text === "" ? {} : INVALID_PAYLOAD;
}

function attach(text: string, plain: boolean): Attach | string {
  const [label, credential, ...rest] = wordsOf(text);
  if (label === undefined) return missing("role");
  const long = tooLong("role", label, ARGUMENT_LIMITS.role, plain);
  if (long !== undefined) return long;
  const role = roleOf(label);
  if (role === undefined) return "invalid-role";
  // Nobody guesses by leaving it out, so the throttle need not hear of it.
  if (credential === undefined) return missing("ticket");
  const why = tooLong("ticket", credential, ARGUMENT_LIMITS.ticket, plain);
  return why ?? (rest.length > 0 ? INVALID_PAYLOAD : { role, credential });
}

function onePath(text: string, plain: boolean): Path | string {
  const [path, ...rest] = wordsOf(text);
  return rest.length > 0 ? INVALID_PAYLOAD : pathOf(path, "path", plain);
}

function pathOf(path: string | undefined, argument: string, plain: boolean): Path | string {
  if (path === undefined) return missing(argument);
  const long = tooLong(argument, path, ARGUMENT_LIMITS.path, plain);
  if (long !== undefined) return long;
  const names = namesOf(path);
  return names === undefined ? INVALID_PATH : { path, names };
}

function tail(text: string, plain: boolean): Tail | string {
  const words = wordsOf(text);
  const follow = words[0] === "-f";
  const [path, offset, ...rest] = follow ? words.slice(1) : words;
  const found = pathOf(path, "path", plain);
  if (typeof found === "string") return found;
  if (rest.length > 0 || (offset !== undefined && !OFFSET.test(offset))) return INVALID_PAYLOAD;
  return { ...found, follow, offset: offset === undefined ? undefined : Number(offset) };
}

/** `ECHO p text`, or as in a shell `echo text > p`: the first word of a text that is a path makes it the former. */
function echo(text: string, plain: boolean): Echo | string {
  if (text.startsWith("/")) {
    const blank = text.indexOf(" ");
    return echoOf(blank < 0 ? "" : text.slice(blank + 1), blank < 0 ? text : text.slice(0, blank), plain);
  }
  const sign = text.lastIndexOf(">");
  if (sign < 0) return missing("path");
  const path = wordsOf(text.slice(sign + 1));
  if (path.length > 1) return INVALID_PATH;
  return echoOf(unquoted(trimBlanks(text.slice(0, sign))), path[0], plain);
}

function echoOf(text: string, path: string | undefined, plain: boolean): Echo | string {
  const found = pathOf(path, "path", plain);
  if (typeof found === "string") return found;
  return text === "" ? missing("text") : { ...found, text };
}

/** Without the quotes around the whole that a shell would take off. */
function unquoted(text: string): string {
  const quote = text[0];
  const quoted = text.length >= 2 && (quote === '"' || quote === "'") && text.endsWith(quote);
  return quoted && !text.slice(1, -1).includes(quote) ? text.slice(1, -1) : text;
}

function named(text: string | undefined, argument: "id" | "service", plain: boolean): string | undefined {
  if (text === undefined) return missing(argument);
  return tooLong(argument, text, ARGUMENT_LIMITS[argument], plain) ?? (NAME.test(text) ? undefined : INVALID_PAYLOAD);
}

function kill(text: string, plain: boolean): Arguments["KILL"] | string {
  const [id, ...rest] = wordsOf(text);
  const why = named(id, "id", plain) ?? (rest.length > 0 ? INVALID_PAYLOAD : undefined);
  return why ?? { id: id! };
}

function bind(text: string, plain: boolean): Arguments["BIND"] | string {
  const [from, to, ...rest] = wordsOf(text);
  const source = pathOf(from, "from", plain);
  if (typeof source === "string") return source;
  const target = pathOf(to, "to", plain);
  if (typeof target === "string") return target;
  return rest.length > 0 ? INVALID_PAYLOAD : { from: source.path, to: target.path };
}

/** The argument of `EXPORT`. */
export function exported(text: string): { readonly service: string } | string {
  const [service, ...rest] = wordsOf(text);
  const why = named(service, "service", false) ?? (rest.length > 0 ? INVALID_PAYLOAD : undefined);
  return why ?? { service: service! };
}

function mount(text: string, plain: boolean): Arguments["MOUNT"] | string {
  const [service, at, ...rest] = wordsOf(text);
  const why = named(service, "service", plain);
  if (why !== undefined) return why;
  const target = pathOf(at, "path", plain);
  if (typeof target === "string") return target;
  return rest.length > 0 ? INVALID_PAYLOAD : { service: service!, at: target.path };
}
