/**
 * Scopes of a ticket: they narrow what its role may do to some paths, to reading or writing, and to a rate.
 * They never widen it, and a ticket without scopes is not narrowed.
 */
import type { Operation } from "./policy.ts";

/** Most scopes of a ticket, and most requests a second that one may name. */
export const SCOPES_MAX = 8;
export const SCOPE_RATE_MAX = 64;
/** Most names of a path. */
const DEPTH_MAX = 8;

export const SCOPE_VERBS = ["read", "write", "both"] as const;
export type ScopeVerb = (typeof SCOPE_VERBS)[number];

export interface Scope {
  /** The path that it covers, with everything below. */
  readonly path: string;
  readonly verb: ScopeVerb;
  /** Requests a second, 0 for no limit. */
  readonly ratePerSecond: number;
}

/** Scopes as they are looked up. */
export type ScopeNames = readonly (readonly string[])[];

export const OUT_OF_SCOPE = -1;

/** The names of an absolute path without empty, `.` and `..` ones; `undefined` if it is none. */
export function namesOf(path: string): string[] | undefined {
  if (path === "/") return [];
  if (!path.startsWith("/") || path.includes("\0")) return undefined;
  const names = path.slice(1).split("/");
  if (names.length > DEPTH_MAX) return undefined;
  return names.every((name) => name !== "" && name !== "." && name !== "..") ? names : undefined;
}

/** The first scope that covers the request, {@link OUT_OF_SCOPE} if none does. One may walk to what a scope covers. */
export function scopeFor(
  scopes: readonly Scope[],
  paths: ScopeNames,
  operation: Operation,
  names: readonly string[],
): number {
  const walk = operation === "walk";
  const refused = operation === "read" ? "write" : "read";
  for (let i = 0; i < scopes.length; i++) {
    if (!walk && scopes[i]!.verb === refused) continue;
    const path = paths[i]!;
    if (!walk && names.length < path.length) continue;
    const length = Math.min(path.length, names.length);
    let at = 0;
    while (at < length && path[at] === names[at]) at++;
    if (at === length) return i;
  }
  return OUT_OF_SCOPE;
}
