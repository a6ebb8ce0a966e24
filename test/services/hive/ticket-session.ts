/**
 * A 9P session for listeners of tests, where no console logs in first: the ticket in the `aname` of its first attach does, by the
 * hive's own door. So it is counted, audited and bounded as any login, is paid from the ticket's account, and both end together.
 */
import { SessionTree } from "../../../services/ninedoor/attach.ts";
import type { Hive } from "../../../services/hive/hive.ts";
import type { Source } from "../../../services/hive/session.ts";
import type { LiveSession } from "../../../services/hive/sessions.ts";
import type { Clock } from "../../../services/ports/index.ts";
import type { Role } from "../../../services/roles/roles.ts";
import { roleOfPayload, splitTicket } from "../../../services/roles/ticket.ts";
import { BUSY, CLOSED, PERMISSION, type Refusal } from "../../../services/secure9p/refusal.ts";
import { Session, type SessionOptions } from "../../../services/secure9p/session.ts";
import type { Request, Tree } from "../../../services/secure9p/tree.ts";
import { nodeBytes } from "../support/ports.ts";

export interface TicketSessionOptions extends Pick<SessionOptions, "unsentBytes" | "failed"> {
  readonly hive: Hive;
  readonly clock: Clock;
  readonly source: Source;
}

export class TicketSession extends Session {
  readonly #entrance: Entrance;

  constructor(options: TicketSessionOptions) {
    const { hive, clock, source, ...limits } = options;
    const entrance = new Entrance(hive, clock, source, (why) => this.revoke(why));
    super({
      ...limits,
      tree: entrance,
      bytes: nodeBytes,
      admit: () => entrance.admit(),
      spent: () => entrance.spent(),
    });
    this.#entrance = entrance;
  }

  override close(): void {
    super.close();
    this.#entrance.login?.close();
  }
}

/** Where its attaches come to. */
class Entrance implements Tree {
  login: LiveSession | undefined;
  readonly #hive: Hive;
  readonly #clock: Clock;
  readonly #source: Source;
  readonly #revoke: (why: Refusal) => void;
  #ticket = "";

  constructor(hive: Hive, clock: Clock, source: Source, revoke: (why: Refusal) => void) {
    this.#hive = hive;
    this.#clock = clock;
    this.#source = source;
    this.#revoke = revoke;
  }

  attach(request: Request, aname: string): void {
    const { counters } = this.#hive.namespace;
    const why = this.login === undefined ? this.#enter(aname) : undefined;
    // One connection is one login: who wants to be somebody else opens another.
    if (this.login !== undefined && aname === this.#ticket) {
      return new SessionTree(this.login.view, counters).attach(request);
    }
    counters.attachesRefused++;
    request.refuse(why ?? BUSY);
  }

  admit(): Refusal | undefined {
    const why = this.login?.view.grant.account.check(this.#clock.nowUs());
    return why === undefined ? undefined : CLOSED;
  }

  spent(): void {
    const nowUs = this.#clock.nowUs();
    // No session may be ended from here.
    if (this.login?.view.grant.account.spendOp(nowUs) !== undefined) queueMicrotask(() => this.#sweep(nowUs));
  }

  /** End all logins of an account that is out, as the hive's sweeper does. */
  #sweep(nowUs: number): void {
    for (const live of this.#hive.sessions()) {
      const why = live.view.grant.account.check(nowUs);
      if (why !== undefined) live.revoke(why);
    }
  }

  #enter(ticket: string): Refusal | undefined {
    // What is no ticket is a wrong credential, whoever it is for.
    const role: Role = roleOfPayload(splitTicket(ticket)?.payload ?? new Uint8Array(0)) ?? "queen";
    const answer = this.#hive.attach(role, ticket, this.#source);
    if (answer.kind === "refused") return answer.tag === "busy" ? BUSY : PERMISSION;
    const { number } = answer.session;
    const login = this.#hive.sessions().find((live) => live.number === number);
    if (login === undefined) throw new Error(`the hive does not know its session ${number}`);
    this.login = login;
    this.#ticket = ticket;
    login.onRevoked(() => this.#revoke(CLOSED));
    return undefined;
  }
}
