/**
 * The ledger of tickets: which have been used, and what of them is left. It is bounded; an entry leaves it only when its ticket
 * would be refused without it or had nothing that could run out, so nobody gets back what was used or revoked by filling it
 * up. Some places are the hive's own, so that no number of clients' tickets keeps it from spawning a worker.
 */
import type { Pool } from "../ports/index.ts";
import { Account, type Budget, DEFAULT_BUDGETS, MAXIMUM_BUDGET, resolveBudget } from "./budget.ts";
import { Grant } from "./grant.ts";
import { isWorker, type Role } from "./roles.ts";
import type { Claims } from "./ticket.ts";
import type { VerifiedTicket } from "./verifier.ts";

/** A living worker. */
export interface WorkerIdentity {
  readonly role: Role;
  /** Unix time in milliseconds at which it was spawned, `undefined` if no clock told. */
  readonly spawnedAtMs: number | undefined;
}

/** The living workers. Their ids are never used again. */
export interface Workers {
  find(id: string): WorkerIdentity | undefined;
}

export interface LedgerOptions {
  readonly workers: Workers;
  /** Most tickets that it knows at once. */
  readonly capacity?: number;
  /** Places beyond those that only {@link Ledger.issue} takes. */
  readonly reserved?: number;
  readonly maximum?: Budget;
  readonly defaults?: Readonly<Record<Role, Budget>>;
}

/** What comes of attaching. `tag` is what the client is told, `audit` what the log says. */
export type Admission =
  | { readonly kind: "admitted"; readonly grant: Grant }
  | {
      readonly kind: "refused";
      readonly tag: "denied" | "expired" | "revoked" | "busy";
      readonly audit: string;
    };

const CAPACITY = 256;
/** As many as there may be workers. */
const RESERVED = 64;
/** Memory of an entry with all that a ticket may say. */
const ENTRY_BYTES = 8192;
/** How far the hive's clock may be behind the one that a worker's ticket was issued by: a real time clock tells whole seconds. */
const CLOCK_BEHIND_MS = 2000;

interface Entry {
  readonly grant: Grant;
  /** The worker that it belongs to, "" if to none. */
  readonly worker: string;
  /** Whether its time counts from when it was issued, so that it has run out with or without an entry. */
  readonly absolute: boolean;
}

/** When the time of a ticket began, and whether the ticket itself says so. */
interface Start {
  readonly startedUs: number;
  readonly absolute: boolean;
}

/** The tickets that were used since boot. */
export class Ledger {
  readonly counters = { admitted: 0, denied: 0, expired: 0, revoked: 0, busy: 0, reclaimed: 0 };
  readonly capacity: number;
  readonly #reserved: number;
  readonly #workers: Workers;
  readonly #maximum: Budget;
  readonly #defaults: Readonly<Record<Role, Budget>>;
  readonly #entries = new Map<string, Entry>();
  #peak = 0;

  constructor(options: LedgerOptions) {
    this.#workers = options.workers;
    this.capacity = options.capacity ?? CAPACITY;
    this.#reserved = options.reserved ?? RESERVED;
    this.#maximum = options.maximum ?? MAXIMUM_BUDGET;
    this.#defaults = options.defaults ?? DEFAULT_BUDGETS;
  }

  /** Tickets that it knows. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Attach with a ticket.
   * @param role that was asked for
   * @param unixMs time of day, `undefined` if no clock tells
   */
  admit(ticket: VerifiedTicket, role: Role, nowUs: number, unixMs: number | undefined): Admission {
    const { claims } = ticket;
    if (claims.role !== role) return this.#refuse("denied", claims, `asked to be ${role}`);
    const known = this.#entries.get(ticket.mac);
    const problem = isWorker(role) ? this.#workerProblem(claims, known !== undefined, unixMs) : undefined;
    if (problem !== undefined) return problem;
    if (known !== undefined) return this.#enter(known.grant, claims, nowUs);

    const { startedUs, absolute } = startOf(claims, nowUs, unixMs);
    const { budget } = resolveBudget(claims, this.#defaults[role], this.#maximum);
    const grant = Grant.ofTicket(claims, new Account(budget, startedUs));
    // What has run out before its first use needs no entry to be refused again.
    if (absolute && nowUs >= grant.account.deadlineUs) return this.#enter(grant, claims, nowUs);
    if (!this.#makeRoom(nowUs)) return this.#refuse("busy", claims, "the ledger of tickets is full");
    this.#keep(ticket, { grant, worker: isWorker(role) ? claims.subject : "", absolute });
    return this.#enter(grant, claims, nowUs);
  }

  /**
   * Enter the ticket that the hive has minted for a worker that it is spawning; its time begins now.
   * @returns `undefined` if the ledger is full.
   */
  issue(ticket: VerifiedTicket, budget: Budget, nowUs: number): Grant | undefined {
    if (!this.#makeRoom(nowUs, this.#reserved)) {
      this.counters.busy++;
      return undefined;
    }
    const grant = Grant.ofTicket(ticket.claims, new Account(budget, nowUs));
    this.#keep(ticket, { grant, worker: ticket.claims.subject, absolute: false });
    return grant;
  }

  /** Revoke a ticket for good. @returns false if it was never used. */
  revoke(mac: string, why: string): boolean {
    const entry = this.#entries.get(mac);
    entry?.grant.account.revoke(why);
    return entry !== undefined;
  }

  /** A worker has ended: revoke all its tickets, and forget them, for {@link Workers} does not find it any more. */
  endWorker(id: string, why: string): void {
    for (const [mac, entry] of this.#entries) {
      if (entry.worker !== id) continue;
      entry.grant.account.revoke(why);
      this.#entries.delete(mac);
    }
  }

  pools(): Pool[] {
    const of = this.capacity + this.#reserved;
    return [["roles.tickets", of * ENTRY_BYTES, this.size, of, this.#peak, "refused", this.counters.busy]];
  }

  #keep({ mac }: VerifiedTicket, entry: Entry): void {
    this.#entries.set(mac, entry);
    this.#peak = Math.max(this.#peak, this.size);
  }

  #enter(grant: Grant, claims: Claims, nowUs: number): Admission {
    const closed = grant.account.check(nowUs);
    if (closed !== undefined) return this.#refuse(closed.tag, claims, closed.why);
    this.counters.admitted++;
    return { kind: "admitted", grant };
  }

  /** Why a worker's ticket is not the one of a worker that lives now. */
  #workerProblem(claims: Claims, known: boolean, unixMs: number | undefined): Admission | undefined {
    const worker = this.#workers.find(claims.subject);
    if (worker === undefined) return this.#refuse("revoked", claims, "there is no such worker");
    if (worker.role !== claims.role) return this.#refuse("denied", claims, `that worker is a ${worker.role}`);
    if (known) return undefined;
    // The hive's own tickets are known. Another must show that it was made in this boot, after the worker.
    if (worker.spawnedAtMs === undefined || unixMs === undefined) {
      return this.#refuse("denied", claims, "no clock tells whether it was issued after the worker was spawned");
    }
    if (claims.issuedAtMs < worker.spawnedAtMs) {
      return this.#refuse("denied", claims, "it was issued before the worker was spawned");
    }
    const inFuture = claims.issuedAtMs > unixMs + CLOCK_BEHIND_MS;
    return inFuture ? this.#refuse("denied", claims, "it was issued in the future") : undefined;
  }

  #refuse(tag: "denied" | "expired" | "revoked" | "busy", claims: Claims, why: string): Admission {
    this.counters[tag]++;
    const subject = claims.subject === "" ? "" : ` subject=${claims.subject}`;
    return { kind: "refused", tag, audit: `ticket refused role=${claims.role}${subject} why=${why}` };
  }

  /** @param beyond places that may be used beyond the capacity */
  #makeRoom(nowUs: number, beyond = 0): boolean {
    const most = this.capacity + beyond;
    if (this.#entries.size < most) return true;
    for (const [mac, { absolute, grant }] of this.#entries) {
      if (absolute && nowUs >= grant.account.deadlineUs) this.#reclaim(mac);
    }
    if (this.#entries.size < most) return true;
    // The oldest of those with nothing to run out: with or without an entry they are good for the same.
    for (const [mac, { worker, grant }] of this.#entries) {
      if (worker !== "" || grant.limited || grant.account.check(nowUs) !== undefined) continue;
      this.#reclaim(mac);
      return true;
    }
    return false;
  }

  #reclaim(mac: string): void {
    this.#entries.delete(mac);
    this.counters.reclaimed++;
  }
}

/** 0 and a time that is not over yet count from now, and so does every time where no clock tells. */
function startOf(claims: Claims, nowUs: number, unixMs: number | undefined): Start {
  const { issuedAtMs } = claims;
  if (unixMs === undefined || issuedAtMs === 0 || issuedAtMs > unixMs) return { startedUs: nowUs, absolute: false };
  return { startedUs: nowUs - (unixMs - issuedAtMs) * 1000, absolute: true };
}
