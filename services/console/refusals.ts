/**
 * How a console words what 9P, the queen's control and a login refuse: one reason and one tag for each kind, by the table of
 * docs/INTERFACES.md, with the errno's name.
 */
import type { Outcome } from "../queen/control.ts";
import type { Revocation } from "../roles/budget.ts";
import { BAD_FID, type Refusal as Errno, type RefusalName } from "../secure9p/refusal.ts";
import type { Login } from "../hive/session.ts";
import type { Reason, Refusal } from "./grammar.ts";

/** Reason and tag. A tag that is `undefined` is said by the errno alone. */
const KINDS: Readonly<Record<RefusalName, readonly [reason: Reason, tag: string | undefined]>> = {
  Permission: ["policy", "denied"],
  NotFound: ["policy", "not-found"],
  Busy: ["busy", "busy"],
  Invalid: ["policy", "invalid-payload"],
  TooBig: ["quota", "too-big"],
  Closed: ["cut", "revoked"],
  Stale: ["quota", undefined],
  RateLimited: ["quota", "rate-limited"],
  Unsupported: ["policy", "unsupported"],
  TimedOut: ["busy", "timed-out"],
  // Another server's own trouble: it may be gone the next time.
  Foreign: ["busy", undefined],
};

/** A pointer that cannot be taken for another field of the line. */
const POINTER = /^(?:\/[\w~.-]+){1,8}$/;

/** What somebody without a login is told. */
export const UNAUTHENTICATED: Refusal = { reason: "policy", detail: "unauthenticated" };
export const FAILED: Refusal = { reason: "busy", detail: "busy" };

/** @param path what was asked for, if it was a path. */
export function refusalOf(why: Errno, path?: string): Refusal {
  const [reason, tag] = KINDS[why.name];
  const detail = why === BAD_FID ? undefined : tag;
  return {
    reason,
    ...(detail === undefined ? {} : { detail }),
    ...(path === undefined ? {} : { path }),
    error: why.code,
  };
}

/** A directory where a file is wanted, or the other way round. */
export function wrongKind(path: string): Refusal {
  return { reason: "policy", detail: "invalid-path", path, error: "EINVAL" };
}

export function revocationOf({ tag }: Revocation): Refusal {
  return { reason: "cut", detail: tag, error: "ESHUTDOWN" };
}

export function loginRefusalOf({ tag, delayMs }: Extract<Login, { kind: "refused" }>): Refusal {
  switch (tag) {
    case "denied":
      return { reason: "policy", detail: tag };
    case "expired":
    case "revoked":
      return { reason: "cut", detail: tag, error: "ESHUTDOWN" };
    case "busy":
      return { reason: "busy", detail: tag, error: "EBUSY" };
    case "rate-limited":
      return { reason: "quota", detail: `${tag} delay_ms=${delayMs}`, error: "EAGAIN" };
  }
}

/** A command of `/queen/ctl` that was not done: with the JSON pointer of what is wrong, if that is printable. */
export function outcomeRefusalOf({ refusal, pointer }: Extract<Outcome, { done: false }>): Refusal {
  const plain = refusalOf(refusal);
  if (plain.detail === undefined || !POINTER.test(pointer)) return plain;
  return { ...plain, detail: `${plain.detail} pointer=${pointer}` };
}
