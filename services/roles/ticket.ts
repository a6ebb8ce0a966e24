/**
 * Tickets: claims to payload to text and back, exactly. A payload that decodes is the only one of its claims, and everything
 * that no claims encode to is refused with a sentence; nothing here throws at what a client sent.
 */
import { blake3 } from "@noble/hashes/blake3.js";
import type { Bytes } from "../ports/index.ts";
import { hasControl, hasInvisible } from "./invisible.ts";
import { ROLE_CODES, type Role, roleOfCode, needsSubject } from "./roles.ts";
import { namesOf, type Scope, SCOPE_RATE_MAX, SCOPE_VERBS, SCOPES_MAX } from "./scope.ts";

export const TICKET_PREFIX = "cohesix-ticket-";
export const MAC_BYTES = 32;
const VERSION = 1;
/** Longest string on the wire, in bytes. */
const STRING_BYTES = 255;
const U32_MAX = 0xffff_ffff;

const Flag = { TICKS: 1, OPS: 2, TTL: 4, SUBJECT: 8, SCOPES: 16, QUOTAS: 32 } as const;
const KNOWN_FLAGS = 63;

/** Limits of the manifest. */
export interface TicketLimits {
  /** Characters of the text. */
  readonly ticket: number;
  /** Bytes of the subject. */
  readonly subject: number;
}

export const TICKET_LIMITS: TicketLimits = { ticket: 224, subject: 32 };

/** 0 is unset. */
export interface Quotas {
  readonly bandwidthBytes: number;
  readonly cursorResumes: number;
  readonly cursorAdvances: number;
}

/** What a ticket says. */
export interface Claims {
  readonly role: Role;
  readonly ticks: number | undefined;
  readonly ops: number | undefined;
  readonly ttlS: number | undefined;
  /** "" for none. */
  readonly subject: string;
  /** Unix time in milliseconds, 0 for none. */
  readonly issuedAtMs: number;
  /** Both empty for none. */
  readonly mountService: string;
  readonly mountAt: string;
  /** None: the role is not narrowed. */
  readonly scopes: readonly Scope[];
  readonly quotas: Quotas | undefined;
}

/** A role's plainest claims, without any limit, and what else is to be said. */
export function claimsOf(role: Role, more: Partial<Claims> = {}): Claims {
  return {
    role,
    ticks: undefined,
    ops: undefined,
    ttlS: undefined,
    subject: "",
    issuedAtMs: 0,
    mountService: "",
    mountAt: "",
    scopes: [],
    quotas: undefined,
    ...more,
  };
}

/** A ticket's text taken apart. Nothing of it is believed yet. */
export interface TicketParts {
  readonly payload: Uint8Array;
  readonly mac: Uint8Array;
}

/** Claims that a payload says, or why it says none. */
export type Decoded =
  { readonly kind: "claims"; readonly claims: Claims } | { readonly kind: "refused"; readonly why: string };

/** The key of a secret's text. */
export function deriveKey(bytes: Bytes, secret: string): Uint8Array {
  const text = new Uint8Array(3 * secret.length);
  return blake3(text.subarray(0, bytes.encode(secret, text, 0)));
}

/** The message authentication code of a payload. */
export function macOf(key: Uint8Array, payload: Uint8Array): Uint8Array {
  return blake3(payload, { key });
}

/** Compare in a time that depends on nothing but the lengths. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

/** The text of a ticket. @throws Error with one sentence if the claims are none that a ticket may have. */
export function signTicket(bytes: Bytes, key: Uint8Array, claims: Claims, limits = TICKET_LIMITS): string {
  const payload = encodePayload(bytes, claims, limits);
  const text = `${TICKET_PREFIX}${toHex(payload)}.${toHex(macOf(key, payload))}`;
  if (text.length > limits.ticket) {
    throw new Error(`The ticket has ${text.length} characters, and at most ${limits.ticket} are allowed.`);
  }
  return text;
}

/** Take a ticket's text apart; `undefined` if it has not the form of one. */
export function splitTicket(text: string, limits = TICKET_LIMITS): TicketParts | undefined {
  if (text.length > limits.ticket || !text.startsWith(TICKET_PREFIX)) return undefined;
  const dot = text.length - 2 * MAC_BYTES - 1;
  if (dot < TICKET_PREFIX.length || text[dot] !== ".") return undefined;
  const payload = fromHex(text, TICKET_PREFIX.length, dot);
  const mac = fromHex(text, dot + 1, text.length);
  return payload === undefined || mac === undefined ? undefined : { payload, mac };
}

/** The role that a payload names, so that its key can be chosen; `undefined` if it names none. */
export function roleOfPayload(payload: Uint8Array): Role | undefined {
  return payload.length < 2 ? undefined : roleOfCode(payload[1]!);
}

/** Read a payload. */
export function decodePayload(bytes: Bytes, payload: Uint8Array, limits = TICKET_LIMITS): Decoded {
  const reader = new Reader(bytes, payload);
  const version = reader.u8();
  const role = roleOfCode(reader.u8());
  const flags = reader.u8();
  if (reader.fault === "" && version !== VERSION) reader.fault = `version ${version} is not ${VERSION}`;
  if (reader.fault === "" && (flags & ~KNOWN_FLAGS) !== 0) reader.fault = `flags ${flags} are not all known`;
  const ticks = (flags & Flag.TICKS) !== 0 ? reader.u64() : undefined;
  const ops = (flags & Flag.OPS) !== 0 ? reader.u64() : undefined;
  const ttlS = (flags & Flag.TTL) !== 0 ? reader.u64() : undefined;
  const subject = (flags & Flag.SUBJECT) !== 0 ? reader.string() : "";
  const issuedAtMs = reader.u64();
  const mountService = reader.string();
  const mountAt = reader.string();
  const scopes = (flags & Flag.SCOPES) !== 0 ? reader.scopes() : [];
  const quotas = (flags & Flag.QUOTAS) !== 0 ? reader.quotas() : undefined;
  if (reader.fault === "" && reader.left > 0) reader.fault = `${reader.left} bytes follow the payload`;
  // Absent and empty must not both say the same.
  if (reader.fault === "" && (flags & Flag.SUBJECT) !== 0 && subject === "") reader.fault = "the subject is empty";
  if (reader.fault === "" && (flags & Flag.SCOPES) !== 0 && scopes.length === 0) reader.fault = "no scope follows";
  if (reader.fault !== "") return { kind: "refused", why: reader.fault };
  if (role === undefined) return { kind: "refused", why: `role ${payload[1]!} is not known` };
  const claims = { role, ticks, ops, ttlS, subject, issuedAtMs, mountService, mountAt, scopes, quotas };
  const why = mistakeIn(claims, limits);
  return why === undefined ? { kind: "claims", claims } : { kind: "refused", why };
}

/** The payload of claims. @throws Error with one sentence if they are none that a ticket may have. */
export function encodePayload(bytes: Bytes, claims: Claims, limits = TICKET_LIMITS): Uint8Array {
  const why = mistakeIn(claims, limits);
  if (why !== undefined) throw new Error(`A ticket cannot say that: ${why}.`);
  const writer = new Writer(bytes);
  const { ticks, ops, ttlS, subject, scopes, quotas } = claims;
  writer.u8(VERSION);
  writer.u8(ROLE_CODES[claims.role]);
  writer.u8(
    (ticks === undefined ? 0 : Flag.TICKS) |
      (ops === undefined ? 0 : Flag.OPS) |
      (ttlS === undefined ? 0 : Flag.TTL) |
      (subject === "" ? 0 : Flag.SUBJECT) |
      (scopes.length === 0 ? 0 : Flag.SCOPES) |
      (quotas === undefined ? 0 : Flag.QUOTAS),
  );
  if (ticks !== undefined) writer.u64(ticks);
  if (ops !== undefined) writer.u64(ops);
  if (ttlS !== undefined) writer.u64(ttlS);
  if (subject !== "") writer.string(subject);
  writer.u64(claims.issuedAtMs);
  writer.string(claims.mountService);
  writer.string(claims.mountAt);
  if (scopes.length > 0) {
    writer.u8(scopes.length);
    for (const { path, verb, ratePerSecond } of scopes) {
      writer.string(path);
      writer.u8(SCOPE_VERBS.indexOf(verb));
      writer.u32(ratePerSecond);
    }
  }
  if (quotas !== undefined) {
    writer.u64(quotas.bandwidthBytes);
    writer.u32(quotas.cursorResumes);
    writer.u32(quotas.cursorAdvances);
  }
  return writer.payload();
}

/** What no ticket may say, `undefined` if all is well. Both directions ask it, so what is minted is what is taken. */
function mistakeIn(claims: Claims, limits: TicketLimits): string | undefined {
  const { role, subject, mountService, mountAt, scopes, quotas } = claims;
  if (![claims.ticks ?? 0, claims.ops ?? 0, claims.ttlS ?? 0, claims.issuedAtMs].every(isCount)) {
    return "a number is not a whole one from 0 to 2^53-1";
  }
  if (subject === "" && needsSubject(role)) return `a ${role} must name its subject`;
  if (utf8Length(subject) > limits.subject) return `the subject is longer than ${limits.subject} bytes`;
  // A subject stands in audit lines.
  if (hasInvisible(subject)) return "the subject has blanks or control characters";
  if ((mountService === "") !== (mountAt === "")) return "a mount has a service and a path";
  if (utf8Length(mountService) > STRING_BYTES || mountService.includes("/") || hasInvisible(mountService)) {
    return "the mount's service is no name";
  }
  if (mountAt !== "" && !isPath(mountAt)) return "the mount's path is none";
  if (scopes.length > SCOPES_MAX) return `more than ${SCOPES_MAX} scopes`;
  for (const { path, ratePerSecond } of scopes) {
    if (!isPath(path)) return "a scope's path is none";
    if (!isCount(ratePerSecond) || ratePerSecond > SCOPE_RATE_MAX) return `a scope's rate is above ${SCOPE_RATE_MAX}`;
  }
  if (quotas === undefined) return undefined;
  const { bandwidthBytes, cursorResumes, cursorAdvances } = quotas;
  const counts = isCount(bandwidthBytes) && isCount(cursorResumes) && isCount(cursorAdvances);
  return counts && cursorResumes <= U32_MAX && cursorAdvances <= U32_MAX ? undefined : "a quota is out of range";
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isPath(path: string): boolean {
  return namesOf(path) !== undefined && utf8Length(path) <= STRING_BYTES && !hasControl(path);
}

/** Bytes of a text in UTF-8. */
function utf8Length(text: string): number {
  let length = 0;
  for (const character of text) {
    const point = character.codePointAt(0)!;
    length += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return length;
}

/** Reads a payload in order. After the first `fault` everything it returns means nothing. */
class Reader {
  fault = "";
  readonly #bytes: Bytes;
  readonly #payload: Uint8Array;
  #at = 0;

  constructor(bytes: Bytes, payload: Uint8Array) {
    this.#bytes = bytes;
    this.#payload = payload;
  }

  get left(): number {
    return this.#payload.length - this.#at;
  }

  u8(): number {
    return this.#unsigned(1);
  }

  u64(): number {
    const low = this.#unsigned(4);
    const high = this.#unsigned(4);
    const value = high * 0x1_0000_0000 + low;
    if (this.fault === "" && !Number.isSafeInteger(value)) this.fault = "a number is above 2^53-1";
    return value;
  }

  string(): string {
    const length = this.#unsigned(2);
    if (this.fault === "" && length > STRING_BYTES) this.fault = `a string is longer than ${STRING_BYTES} bytes`;
    if (!this.#has(length)) return "";
    const start = this.#at;
    this.#at += length;
    if (!this.#bytes.validate(this.#payload, start, length)) {
      this.fault = "a string is not UTF-8";
      return "";
    }
    return this.#bytes.decode(this.#payload, start, length);
  }

  scopes(): Scope[] {
    const count = this.u8();
    if (this.fault === "" && count > SCOPES_MAX) this.fault = `more than ${SCOPES_MAX} scopes`;
    const scopes: Scope[] = [];
    while (this.fault === "" && scopes.length < count) {
      const path = this.string();
      const verb = SCOPE_VERBS[this.u8()];
      const ratePerSecond = this.#unsigned(4);
      if (verb === undefined) this.fault = "a scope's verb is not known";
      else scopes.push({ path, verb, ratePerSecond });
    }
    return scopes;
  }

  quotas(): Quotas {
    const bandwidthBytes = this.u64();
    const cursorResumes = this.#unsigned(4);
    return { bandwidthBytes, cursorResumes, cursorAdvances: this.#unsigned(4) };
  }

  #unsigned(size: 1 | 2 | 4): number {
    if (!this.#has(size)) return 0;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.#payload[this.#at + i]!;
    this.#at += size;
    return value;
  }

  #has(length: number): boolean {
    if (this.fault === "" && length > this.left) this.fault = "it ends too early";
    return this.fault === "";
  }
}

/** Writes a payload in order. */
class Writer {
  readonly #bytes: Bytes;
  // Every field at its longest: checked claims always fit.
  readonly #buffer = new Uint8Array(3 + 5 * 8 + 8 + (3 + SCOPES_MAX) * (2 + STRING_BYTES) + 1 + SCOPES_MAX * 5);
  #at = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  u8(value: number): void {
    this.#unsigned(value, 1);
  }

  u32(value: number): void {
    this.#unsigned(value, 4);
  }

  u64(value: number): void {
    this.#unsigned(value, 8);
  }

  string(text: string): void {
    const start = this.#at;
    this.#at += 2;
    const length = this.#bytes.encode(text, this.#buffer, this.#at);
    this.#at = start;
    this.#unsigned(length, 2);
    this.#at += length;
  }

  payload(): Uint8Array {
    return this.#buffer.slice(0, this.#at);
  }

  #unsigned(value: number, size: number): void {
    let rest = value;
    for (let i = 0; i < size; i++) {
      this.#buffer[this.#at++] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  }
}

/** Bytes as lowercase hexadecimal digits. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += (byte < 16 ? "0" : "") + byte.toString(16);
  return text;
}

/** Lowercase only: a ticket has one text. */
function fromHex(text: string, start: number, end: number): Uint8Array | undefined {
  if ((end - start) % 2 !== 0) return undefined;
  const bytes = new Uint8Array((end - start) / 2);
  for (let i = 0; i < bytes.length; i++) {
    const high = digit(text.charCodeAt(start + 2 * i));
    const low = digit(text.charCodeAt(start + 2 * i + 1));
    if (high < 0 || low < 0) return undefined;
    bytes[i] = high * 16 + low;
  }
  return bytes;
}

function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
}
