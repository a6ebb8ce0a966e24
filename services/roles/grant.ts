/**
 * What a session was granted: a role, its ticket's scopes and quotas, and the account that they are paid from. All sessions of one
 * ticket share one grant, so attaching again refills nothing.
 */
import { RateLimit } from "../net/rate.ts";
import { Account, DEFAULT_BUDGETS } from "./budget.ts";
import { decide, type Denial, type Leases, type Operation, type Principal } from "./policy.ts";
import type { Role } from "./roles.ts";
import { namesOf, OUT_OF_SCOPE, type Scope, scopeFor } from "./scope.ts";
import type { Claims, Quotas } from "./ticket.ts";

/** Nobody has leased anything. A lease only ever adds to what is granted. */
const NO_LEASES: Leases = { isLessee: () => false };
const NO_QUOTAS: Quotas = { bandwidthBytes: 0, cursorResumes: 0, cursorAdvances: 0 };

/** A service and the path where a login shows it. */
export interface TicketMount {
  readonly service: string;
  readonly at: string;
}

/** Where a GPU worker finds its GPU unless its ticket says otherwise. */
const GPU_MOUNT: TicketMount = { service: "gpu-bridge", at: "/gpu" };

/** A role with its limits. */
export class Grant implements Principal {
  readonly role: Role;
  readonly subject: string;
  readonly account: Account;
  readonly quotas: Quotas;
  /** What its ticket has mounted where at each login, `undefined` for nothing. */
  readonly mount: TicketMount | undefined;
  /** Requests refused because of a scope's rate, and because of a quota. */
  readonly refused = { rate: 0, quota: 0 };
  /** Whether scopes narrow it; without them no rate is taken from. */
  readonly narrowed: boolean;
  readonly #scopes: readonly Scope[];
  readonly #paths: readonly (readonly string[])[];
  readonly #rates: readonly (RateLimit | undefined)[];
  #bytesUsed = 0;
  #resumesUsed = 0;
  #advancesUsed = 0;

  constructor(
    role: Role,
    subject: string,
    account: Account,
    scopes: readonly Scope[],
    quotas: Quotas | undefined,
    mount?: TicketMount,
  ) {
    this.role = role;
    this.subject = subject;
    this.account = account;
    this.quotas = quotas ?? NO_QUOTAS;
    this.mount = mount;
    this.narrowed = scopes.length > 0;
    this.#scopes = scopes;
    this.#paths = scopes.map(({ path }) => namesOf(path) ?? []);
    this.#rates = scopes.map(({ ratePerSecond: rate }) => (rate === 0 ? undefined : new RateLimit(rate, rate)));
  }

  /** Whether anything of it can run out. */
  get limited(): boolean {
    const { ttlS, ops, ticks } = this.account.budget;
    const { bandwidthBytes, cursorResumes, cursorAdvances } = this.quotas;
    return Math.min(ttlS, ops, ticks) < Infinity || bandwidthBytes + cursorResumes + cursorAdvances > 0;
  }

  static ofTicket(claims: Claims, account: Account): Grant {
    const { role, subject, scopes, quotas, mountService: service, mountAt: at } = claims;
    // Nobody else can mount it for a worker.
    const otherwise = role === "worker-gpu" ? GPU_MOUNT : undefined;
    return new Grant(role, subject, account, scopes, quotas, service === "" ? otherwise : { service, at });
  }

  /** The operator at the machine itself, whose token stands for a Queen's ticket. */
  static ofOperator(nowUs: number): Grant {
    return new Grant("queen", "", new Account(DEFAULT_BUDGETS.queen, nowUs), [], undefined);
  }

  /** Whether it may, by its role and then by its ticket's scopes. @param names of the resolved path. */
  decide(operation: Operation, names: readonly string[], leases: Leases): "granted" | "out-of-scope" | Denial {
    const decision = decide(this, operation, names, leases);
    if (decision !== "granted" || this.#scopes.length === 0) return decision;
    return scopeFor(this.#scopes, this.#paths, operation, names) === OUT_OF_SCOPE ? "out-of-scope" : decision;
  }

  /** Whether it may whoever holds a lease, and so for good: its role, subject and scopes never change. */
  always(operation: Operation, names: readonly string[]): boolean {
    return this.decide(operation, names, NO_LEASES) === "granted";
  }

  /** Take one request from the rate of the scope that covers it. @returns false if there is none left in this second. */
  takeRate(operation: Operation, names: readonly string[], nowUs: number): boolean {
    if (this.#scopes.length === 0) return true;
    const rate = this.#rates[scopeFor(this.#scopes, this.#paths, operation, names)];
    if (rate === undefined || rate.take(nowUs)) return true;
    this.refused.rate++;
    return false;
  }

  /** Pay for bytes read or written. @returns false, and takes nothing, if the quota has not that many left. */
  takeBytes(count: number): boolean {
    const { bandwidthBytes } = this.quotas;
    if (bandwidthBytes !== 0 && this.#bytesUsed + count > bandwidthBytes) return this.#overQuota();
    this.#bytesUsed += count;
    return true;
  }

  /** Pay for a read that goes back to an earlier offset. @returns false if none is left. */
  takeResume(): boolean {
    const { cursorResumes } = this.quotas;
    if (cursorResumes !== 0 && this.#resumesUsed >= cursorResumes) return this.#overQuota();
    this.#resumesUsed++;
    return true;
  }

  /** Pay for a read that goes on from where the last one ended. @returns false if none is left. */
  takeAdvance(): boolean {
    const { cursorAdvances } = this.quotas;
    if (cursorAdvances !== 0 && this.#advancesUsed >= cursorAdvances) return this.#overQuota();
    this.#advancesUsed++;
    return true;
  }

  #overQuota(): false {
    this.refused.quota++;
    return false;
  }
}
