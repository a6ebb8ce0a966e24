/**
 * What a console, a listener or a test asks of the hive for one login: who it is, what it sees, and a 9P session on that.
 * A login ends once: by its owner or by revocation, and its 9P sessions with it.
 */
import type { RemoteService } from "../ninedoor/remote/service.ts";
import type { View } from "../ninedoor/view.ts";
import type { Revocation } from "../roles/budget.ts";
import type { Role } from "../roles/roles.ts";
import type { Refusal } from "../secure9p/refusal.ts";
import type { Session } from "../secure9p/session.ts";

/** Where a login comes from, for the throttle of failed ones and for the log. */
export interface Source {
  /** e.g. `serial`, `tcp 10.0.2.2`. */
  readonly name: string;
  /** Number of the line or address that failed logins are counted for; lines and addresses share no numbers. */
  readonly throttle: number;
  /** Whether the operator token stands for a Queen's ticket here. */
  readonly local: boolean;
}

/** One login. */
export interface HiveSession {
  /** For the log; never reused within a boot. */
  readonly number: number;
  /** Its role is `view.grant.role`. */
  readonly view: View;
  /** Why it was revoked; `undefined` while it holds. */
  readonly revoked: Revocation | undefined;
  /** Called once, when it is revoked; not for `close`. */
  onRevoked(listener: (why: Revocation) => void): void;
  /** A 9P session that sees what the login sees, whose requests are paid from its budget. Ends with the login. */
  open9p(): Session;
  /** Ask whoever logged in for the tree of a service. Ends with the login. @returns why not */
  export9p(service: string): RemoteService | Refusal;
  /** The login is over. May be called again. */
  close(): void;
}

/** The answer to a login. `tag` is what the client is told; an answer with a delay is given after it. */
export type Login =
  | { readonly kind: "admitted"; readonly session: HiveSession }
  | {
      readonly kind: "refused";
      readonly tag: "denied" | "expired" | "revoked" | "busy" | "rate-limited";
      readonly delayMs: number;
    };

/** The answer to the operator's token, where it opens a connection and is no login. */
export type Authentication = { readonly kind: "authenticated" } | Extract<Login, { kind: "refused" }>;

/** Where logins are made. It audits and counts each one. */
export interface Door {
  /** @param credential a ticket, or on a local line the operator token for the Queen */
  attach(role: Role, credential: string, source: Source): Login;
  /** Audit what a console has refused by itself. @param what the verb, as the acknowledgement names it */
  noteRefused(what: string, why: string, source: Source): void;
}
