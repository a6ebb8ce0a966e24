/**
 * Budgets: how long and how much a session or worker may still do. An account only ever runs down, says once and for all why it
 * is out, and is shared by everything that uses the same ticket; it has no clock and allocates nothing when it is charged.
 */
import type { Role } from "./roles.ts";

/** Seconds since the start, successful 9P requests, quanta of 10 ms. Infinity: none. */
export interface Budget {
  readonly ttlS: number;
  readonly ops: number;
  readonly ticks: number;
}

/** What somebody asks for; the rest stays as it is. */
export interface BudgetRequest {
  readonly ttlS?: number | undefined;
  readonly ops?: number | undefined;
  readonly ticks?: number | undefined;
}

/** A budget's fields as JSON and the console name them. */
export const BUDGET_FIELDS = { ttlS: "ttl_s", ops: "ops", ticks: "ticks" } as const;
export type BudgetField = (typeof BUDGET_FIELDS)[keyof typeof BUDGET_FIELDS];

const UNLIMITED: Budget = { ttlS: Infinity, ops: Infinity, ticks: Infinity };

/** What holds where nothing was asked for. */
export const DEFAULT_BUDGETS: Readonly<Record<Role, Budget>> = {
  queen: UNLIMITED,
  "worker-heartbeat": { ttlS: 300, ops: 10_000, ticks: 1000 },
  "worker-gpu": { ttlS: 120, ops: 640, ticks: 1000 },
  observer: UNLIMITED,
  service: UNLIMITED,
};

/** Most that may be asked for, unless the manifest says otherwise: a day, all of it at full speed. */
export const MAXIMUM_BUDGET: Budget = { ttlS: 86_400, ops: 10_000_000, ticks: 8_640_000 };

/** A budget, and what of the request was cut down to the maximum. */
export interface Resolved {
  readonly budget: Budget;
  readonly clamped: readonly BudgetField[];
}

/** The budget of a request over what holds otherwise. Only what is without a limit by default stays without one. */
export function resolveBudget(asked: BudgetRequest, otherwise: Budget, maximum: Budget): Resolved {
  const clamped: BudgetField[] = [];
  const field = (name: keyof Budget): number => {
    const wanted = asked[name];
    if (wanted === undefined) return otherwise[name] === Infinity ? Infinity : Math.min(otherwise[name], maximum[name]);
    if (wanted > maximum[name]) clamped.push(BUDGET_FIELDS[name]);
    return Math.min(wanted, maximum[name]);
  };
  return { budget: { ttlS: field("ttlS"), ops: field("ops"), ticks: field("ticks") }, clamped };
}

/** Why an account is closed. `tag` is what a client is told, `why` what the log says. */
export interface Revocation {
  readonly tag: "expired" | "revoked";
  readonly why: string;
}

const TTL_OUT: Revocation = { tag: "expired", why: "its time (ttl_s) is over" };
const OPS_OUT: Revocation = { tag: "revoked", why: "its requests (ops) are used up" };
const TICKS_OUT: Revocation = { tag: "revoked", why: "its quanta (ticks) are used up" };

/** What is left and what was used of a budget. */
export class Account {
  readonly startedUs: number;
  opsUsed = 0;
  ticksUsed = 0;
  #budget: Budget;
  #revocation: Revocation | undefined;

  /** @param startedUs when its time began, in the clock of all other times; before boot is negative. */
  constructor(budget: Budget, startedUs: number) {
    this.#budget = budget;
    this.startedUs = startedUs;
  }

  get budget(): Budget {
    return this.#budget;
  }

  /** When its time is over, Infinity for never. */
  get deadlineUs(): number {
    return this.startedUs + this.#budget.ttlS * 1_000_000;
  }

  /** Why it is closed, `undefined` while it is open. */
  check(nowUs: number): Revocation | undefined {
    if (this.#revocation === undefined) {
      const { ttlS, ops, ticks } = this.#budget;
      if (nowUs >= this.startedUs + ttlS * 1_000_000) this.#revocation = TTL_OUT;
      else if (this.opsUsed >= ops) this.#revocation = OPS_OUT;
      else if (this.ticksUsed >= ticks) this.#revocation = TICKS_OUT;
    }
    return this.#revocation;
  }

  /** A request succeeded. The one that uses up the budget is still answered. @returns why it is now closed, if it is. */
  spendOp(nowUs: number): Revocation | undefined {
    this.opsUsed++;
    return this.check(nowUs);
  }

  /** It ran for some quanta. @returns why it is now closed, if it is. */
  spendTicks(ticks: number, nowUs: number): Revocation | undefined {
    this.ticksUsed += ticks;
    return this.check(nowUs);
  }

  /** Close it. The first reason stays. */
  revoke(why: string): void {
    this.#revocation ??= { tag: "revoked", why };
  }

  /** Change what was asked for; times and uses so far count. @returns what was cut down to the maximum, nothing if it is closed. */
  change(asked: BudgetRequest, maximum: Budget, nowUs: number): Resolved | undefined {
    if (this.check(nowUs) !== undefined) return undefined;
    const resolved = resolveBudget(asked, this.#budget, maximum);
    this.#budget = resolved.budget;
    return resolved;
  }

  /** What is left at that time. */
  left(nowUs: number): Budget {
    if (this.check(nowUs) !== undefined) return { ttlS: 0, ops: 0, ticks: 0 };
    const { ttlS, ops, ticks } = this.#budget;
    return {
      ttlS: ttlS === Infinity ? Infinity : Math.ceil((this.deadlineUs - nowUs) / 1_000_000),
      ops: ops - this.opsUsed,
      ticks: ticks - this.ticksUsed,
    };
  }
}
