/**
 * Finds the credential for a login that was typed without one: a ticket or token from the environment, else from the hive's
 * `credentials.json`, else a ticket minted from a role's secret. Where there is none, one sentence says why and what would
 * help; no secret is ever part of it.
 */

import { DEFAULT_BUDGETS } from "../../services/roles/budget.ts";
import { isWorker, needsSubject, type Role } from "../../services/roles/roles.ts";
import { roleOfPayload, splitTicket } from "../../services/roles/ticket.ts";
import type { Credentials } from "./credentials.ts";
import { mintTicket, parseTicketOptions } from "./mint.ts";

export type Found = { readonly credential: string } | { readonly missing: string };

export interface KeyringOptions {
  /** Of the environment; they go before the file's. */
  readonly token?: string | undefined;
  readonly ticket?: string | undefined;
  /** The file's, read when first needed. @throws Error with one sentence */
  readonly credentials: () => Credentials;
  /** Unix time in milliseconds. */
  readonly nowMs: () => number;
  /** Whether the operator's token stands for a Queen's ticket, as it does on a line; true if it is not said. */
  readonly tokenIsQueen?: boolean;
}

/** Most time of a ticket that is made here, in seconds: a day. A hive may forget it afterwards, and one without time never. */
const TTL_S = 86_400;
/** Tickets that are kept to be shown again; beyond it the oldest is made anew when it is wanted. */
const MINTED_LIMIT = 64;

interface Minted {
  readonly credential: string;
  /** From when on it is better made anew, in Unix milliseconds. */
  readonly renewAtMs: number;
}

export class Keyring {
  readonly #options: KeyringOptions;
  /** By role and subject. A hive keeps a place for every ticket, so the same login shows the same one. */
  readonly #mintedFor = new Map<string, Minted>();
  #credentials: Credentials | undefined;

  constructor(options: KeyringOptions) {
    this.#options = options;
  }

  /** @param subject a ticket for whom to mint; `undefined`: any that is there will do */
  find(role: Role, subject: string | undefined): Found {
    try {
      return subject === undefined ? this.#kept(role) : this.#minted(role, subject);
    } catch (error) {
      return { missing: error instanceof Error ? error.message : String(error) };
    }
  }

  /** The operator's token, which opens a connection over TCP. */
  token(): Found {
    try {
      return { credential: this.#options.token ?? this.#read().token };
    } catch (error) {
      return { missing: error instanceof Error ? error.message : String(error) };
    }
  }

  #kept(role: Role): Found {
    const { ticket, token, tokenIsQueen = true } = this.#options;
    if (ticket !== undefined && roleOfTicket(ticket) === role) return { credential: ticket };
    if (role === "queen" && token !== undefined && tokenIsQueen) return { credential: token };
    const credentials = this.#read();
    const kept = credentials.tickets[role];
    if (kept !== undefined) return { credential: kept };
    if (role === "queen" && tokenIsQueen) return { credential: credentials.token };
    if (!needsSubject(role)) return this.#minted(role, undefined);
    return { missing: `a ticket of ${role} must name whom it is for: attach ${role} subject=<name>.` };
  }

  #minted(role: Role, subject: string | undefined): Found {
    const nowMs = this.#options.nowMs();
    const whom = `${role} ${subject ?? ""}`;
    const before = this.#mintedFor.get(whom);
    if (before !== undefined && nowMs < before.renewAtMs) return { credential: before.credential };
    // A worker's is good for what a hive gives it by itself.
    const ttlS = Math.min(TTL_S, DEFAULT_BUDGETS[role].ttlS);
    // The clock of a hive tells whole seconds, and a ticket of its future holds from its first use on, so that it is never
    // forgotten. A worker's must not be older than the worker, and is forgotten with it.
    const issuedAtMs = isWorker(role) ? nowMs : Math.floor(nowMs / 1000) * 1000;
    const claims = parseTicketOptions({ role, subject, ttl: String(ttlS) }, issuedAtMs);
    const credential = mintTicket(this.#read(), claims);
    this.#mintedFor.delete(whom);
    for (const oldest of this.#mintedFor.keys()) {
      if (this.#mintedFor.size < MINTED_LIMIT) break;
      this.#mintedFor.delete(oldest);
    }
    this.#mintedFor.set(whom, { credential, renewAtMs: nowMs + ttlS * 500 });
    return { credential };
  }

  /** A hive refused a login or ended it: what was made here for others like it is made anew. */
  renew(): void {
    this.#mintedFor.clear();
  }

  #read(): Credentials {
    this.#credentials ??= this.#options.credentials();
    return this.#credentials;
  }
}

/** The role that a ticket claims to be of; `undefined` if it is none. */
function roleOfTicket(text: string): Role | undefined {
  const parts = splitTicket(text);
  return parts === undefined ? undefined : roleOfPayload(parts.payload);
}
