/**
 * Mints tickets from the secrets of `credentials.json`, with the codec that the hive reads them with. What cannot be minted is
 * refused with one sentence that names the option.
 */
import { roleOf, ROLES } from "../../services/roles/roles.ts";
import { type Scope, SCOPE_RATE_MAX, SCOPE_VERBS } from "../../services/roles/scope.ts";
import { type Claims, deriveKey, type Quotas, signTicket } from "../../services/roles/ticket.ts";
import { nodeBytes } from "../../scripts/lib/node-bytes.ts";
import type { Credentials } from "./credentials.ts";

/** What the command line says of a ticket; every value as it was typed. */
export interface TicketOptions {
  readonly role: string;
  readonly subject?: string | undefined;
  /** Seconds. */
  readonly ttl?: string | undefined;
  readonly ops?: string | undefined;
  readonly ticks?: string | undefined;
  /** `<service>:<path>`. */
  readonly mount?: string | undefined;
  /** `<path>:<read|write|both>[:<requests a second>]`. */
  readonly scopes?: readonly string[] | undefined;
  /** Bytes. */
  readonly bandwidth?: string | undefined;
  readonly resumes?: string | undefined;
  readonly advances?: string | undefined;
}

/** The claims of a command line. @throws Error with one sentence. */
export function parseTicketOptions(options: TicketOptions, nowMs: number): Claims {
  const role = roleOf(options.role);
  if (role === undefined) throw new Error(`The role must be one of ${ROLES.join(", ")}, not ${shown(options.role)}.`);
  if (options.subject === "") throw new Error("The subject must not be empty.");
  const [mountService, mountAt] = parseMount(options.mount);
  return {
    role,
    ticks: count("ticks", options.ticks),
    ops: count("ops", options.ops),
    ttlS: count("ttl", options.ttl),
    subject: options.subject ?? "",
    issuedAtMs: nowMs,
    mountService,
    mountAt,
    scopes: (options.scopes ?? []).map(parseScope),
    quotas: parseQuotas(options),
  };
}

/** The text of a ticket. @throws Error with one sentence if the role has no secret or no ticket may say that. */
export function mintTicket(credentials: Credentials, claims: Claims): string {
  const secret = credentials.secrets[claims.role];
  if (secret === undefined) throw new Error(`The credentials hold no secret of the role ${claims.role}.`);
  return signTicket(nodeBytes, deriveKey(nodeBytes, secret), claims);
}

function count(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) {
    throw new Error(`The ${name} must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}, not ${shown(text)}.`);
  }
  return value;
}

function parseMount(text: string | undefined): [service: string, at: string] {
  if (text === undefined) return ["", ""];
  const [, service, at] = /^([^:/]+):(\/.*)$/s.exec(text) ?? [];
  if (service === undefined || at === undefined) {
    throw new Error(`The mount must be <service>:<path>, not ${shown(text)}.`);
  }
  return [service, at];
}

function parseScope(text: string): Scope {
  const [, path, word, rate = "0"] = /^(\/.*?):([a-z]+)(?::(\d{1,2}))?$/s.exec(text) ?? [];
  const verb = SCOPE_VERBS.find((known) => known === word);
  if (path === undefined || verb === undefined || Number(rate) > SCOPE_RATE_MAX) {
    const form = `<path>:<${SCOPE_VERBS.join("|")}>[:<requests a second, at most ${SCOPE_RATE_MAX}>]`;
    throw new Error(`The scope must be ${form}, not ${shown(text)}.`);
  }
  return { path, verb, ratePerSecond: Number(rate) };
}

function parseQuotas({ bandwidth, resumes, advances }: TicketOptions): Quotas | undefined {
  if (bandwidth === undefined && resumes === undefined && advances === undefined) return undefined;
  return {
    bandwidthBytes: count("bandwidth", bandwidth) ?? 0,
    cursorResumes: count("resumes", resumes) ?? 0,
    cursorAdvances: count("advances", advances) ?? 0,
  };
}

/** What was typed, on one line and not longer than one. */
function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
