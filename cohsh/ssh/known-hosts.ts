/**
 * The file of known hosts of OpenSSH, as sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT" has it: patterns, hashed names, `[host]:port`,
 * `@revoked` and `@cert-authority`. A line that cannot be read makes nobody known; one that would revoke is told apart, for what it
 * says must not be lost. Names are compared in time that is linear in the line for each `*` of it.
 */

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { SSH_PORT } from "./destination.ts";

export interface KnownKey {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly marker: "revoked" | "cert-authority" | undefined;
  /** Of the key, e.g. `ssh-ed25519`. */
  readonly type: string;
  /** As on the wire (RFC 4253 §6.6). */
  readonly key: Buffer;
  /** Whether it is of that host: in lower case, and with a port other than ssh's as `[host]:port`. */
  readonly matches: (name: string) => boolean;
}

export interface Mistake {
  readonly file: string;
  readonly line: number;
  readonly why: string;
  /** It would have revoked a key. */
  readonly revoked: boolean;
}

export interface KnownHosts {
  readonly keys: readonly KnownKey[];
  readonly mistakes: readonly Mistake[];
}

/** Far above the longest key with many names. */
export const LINE_LIMIT = 32_768;
export const KEYS_LIMIT = 65_536;

/** @param file as messages call it */
export function parseKnownHosts(text: string, file: string): KnownHosts {
  const keys: KnownKey[] = [];
  const mistakes: Mistake[] = [];
  for (const [at, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const read = keys.length >= KEYS_LIMIT ? `is behind ${KEYS_LIMIT} keys` : readLine(line);
    const place = { file, line: at + 1 };
    if (typeof read !== "string") keys.push({ ...place, ...read });
    else mistakes.push({ ...place, why: read, revoked: /^@revoked(?:\s|$)/i.test(line) });
  }
  return { keys, mistakes };
}

/** @returns why it cannot be read, as what it "is" or "has" */
function readLine(line: string): Omit<KnownKey, "file" | "line"> | string {
  if (line.length > LINE_LIMIT) return `is longer than ${LINE_LIMIT} characters`;
  const words = line.split(/[ \t]+/);
  const marked = line.startsWith("@");
  const marker = marked ? words.shift()?.slice(1) : undefined;
  if (marker !== undefined && marker !== "revoked" && marker !== "cert-authority") return "has a marker that is none";
  const [hosts = "", type = "", base64 = ""] = words;
  if (base64 === "") return "has not all of host, kind and key";
  const matches = hosts.startsWith("|") ? hashedName(hosts) : patterns(hosts);
  if (matches === undefined) return "has a hashed name that is none";
  const key = decoded(base64);
  if (key === undefined || typeOf(key) !== type) return "has a key that is none, or of another kind than it says";
  return { marker, type, key, matches };
}

/** Canonical base64 alone: half a key is none. */
function decoded(base64: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  const bytes = Buffer.from(base64, "base64");
  return bytes.toString("base64") === base64 ? bytes : undefined;
}

/** The kind that a key says it is of: its first string (RFC 4253 §6.6). */
export function typeOf(key: Buffer): string | undefined {
  if (key.length < 4) return undefined;
  const length = key.readUInt32BE(0);
  if (length === 0 || length > 64 || key.length <= 4 + length) return undefined;
  return key.toString("latin1", 4, 4 + length);
}

/** `|1|salt|hash`: HMAC-SHA1 of the name with the salt as its key. */
function hashedName(text: string): KnownKey["matches"] | undefined {
  const [, magic, salt64, hash64, ...more] = text.split("|");
  if (magic !== "1" || more.length > 0) return undefined;
  const salt = decoded(salt64 ?? "");
  const hash = decoded(hash64 ?? "");
  if (salt?.length !== 20 || hash?.length !== 20) return undefined;
  return (name) => timingSafeEqual(createHmac("sha1", salt).update(name).digest(), hash);
}

/** Names and patterns with commas between them; one behind `!` that matches takes the whole line away. */
function patterns(text: string): KnownKey["matches"] {
  const all = text
    .toLowerCase()
    .split(",")
    .filter((pattern) => pattern !== "");
  return (name) => {
    let found = false;
    for (const pattern of all) {
      const negated = pattern.startsWith("!");
      if (!wildcard(negated ? pattern.slice(1) : pattern, name)) continue;
      if (negated) return false;
      found = true;
    }
    return found;
  };
}

/** `*` is any number of characters and `?` is one. Only the last `*` is ever gone back to, so that no pattern takes for ever. */
export function wildcard(pattern: string, name: string): boolean {
  let [p, n] = [0, 0];
  let star: { readonly p: number; n: number } | undefined;
  while (n < name.length) {
    if (pattern[p] === "*") star = { p: p++, n };
    else if (pattern[p] === "?" || pattern[p] === name[n]) [p, n] = [p + 1, n + 1];
    else if (star !== undefined) [p, n] = [star.p + 1, ++star.n];
    else return false;
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}

/** What a host is called in such a file. */
export function knownName(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === SSH_PORT ? name : `[${name}]:${port}`;
}

/** What the files say of a key that a host shows. */
export type Verdict =
  | { readonly kind: "known" }
  | { readonly kind: "revoked"; readonly by: KnownKey }
  /** Another key of that kind is known. */
  | { readonly kind: "changed"; readonly known: readonly KnownKey[] }
  /** Nothing of that kind is; keys of other kinds may be, and authorities, whose certificates nobody here reads. */
  | { readonly kind: "unknown"; readonly others: readonly KnownKey[]; readonly authorities: readonly KnownKey[] };

/**
 * As ssh judges with StrictHostKeyChecking=yes. A key that is known of the host at ssh's own port is known at every port of it; what
 * is revoked of either name is revoked.
 */
export function judge(keys: readonly KnownKey[], host: string, port: number, shown: Buffer): Verdict {
  const own = knownName(host, port);
  const plain = knownName(host, SSH_PORT);
  const here = keys.filter(({ matches }) => matches(own));
  const anywhere = own === plain ? here : keys.filter(({ matches }) => matches(own) || matches(plain));
  const by = anywhere.find(({ marker, key }) => marker === "revoked" && key.equals(shown));
  if (by !== undefined) return { kind: "revoked", by };
  const plainKeys = (all: readonly KnownKey[]): KnownKey[] => all.filter(({ marker }) => marker === undefined);
  const known = plainKeys(here);
  if (known.some(({ key }) => key.equals(shown))) return { kind: "known" };
  const same = known.filter(({ type }) => type === typeOf(shown));
  if (same.length > 0) return { kind: "changed", known: same };
  if (plainKeys(anywhere).some(({ key }) => key.equals(shown))) return { kind: "known" };
  const authorities = here.filter(({ marker }) => marker === "cert-authority");
  return { kind: "unknown", others: known, authorities };
}

/** The kinds of keys by which a host is known, so that it is asked for one of those. */
export function knownTypes(keys: readonly KnownKey[], host: string, port: number): string[] {
  const of = (name: string): string[] => [
    ...new Set(keys.filter(({ marker, matches }) => marker === undefined && matches(name)).map(({ type }) => type)),
  ];
  const own = of(knownName(host, port));
  return own.length > 0 ? own : of(knownName(host, SSH_PORT));
}

/** As `ssh-keygen -l` shows it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}
