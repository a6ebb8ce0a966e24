/**
 * The logins of a hive, at most so many at once. Whatever a login's 9P sessions do is paid from its account, which all sessions
 * of one ticket share; when the account is closed they are all revoked, and what they had parked or open is answered `Closed`.
 */
import type { AuditLog } from "../log/audit-log.ts";
import { SessionTree } from "../ninedoor/attach.ts";
import type { Namespace } from "../ninedoor/namespace.ts";
import type { Exports } from "../ninedoor/remote/exports.ts";
import type { RemoteService } from "../ninedoor/remote/service.ts";
import { View, viewPools } from "../ninedoor/view.ts";
import type { Bytes, Clock, Log, Pool } from "../ports/index.ts";
import type { Revocation } from "../roles/budget.ts";
import type { Grant } from "../roles/grant.ts";
import type { Role } from "../roles/roles.ts";
import type { Leases } from "../roles/policy.ts";
import { Several } from "../proc/pools.ts";
import { sessionPools } from "../secure9p/pools.ts";
import { CLOSED, type Refusal } from "../secure9p/refusal.ts";
import { Session } from "../secure9p/session.ts";
import type { HiveLimits } from "./limits.ts";
import type { HiveSession, Source } from "./session.ts";
import type { Sweepable, Sweeper } from "./sweeper.ts";

/** Lines that a machine has of its own at most, a UART and a virtio console, for each of which somebody may be logged in. */
const LINES = 2;
/** Memory of a login with its 9P session and a console's end of that, without what is counted as fids, tags and replies. */
const LOGIN_BYTES = 114_688;

export interface SessionsOptions {
  readonly bytes: Bytes;
  readonly clock: Clock;
  readonly log: Log;
  /** For denials, and for those who come and go and are no Queen. */
  readonly audit: AuditLog;
  readonly comings: AuditLog;
  readonly namespace: Namespace;
  readonly exports: Exports;
  readonly leases: Leases;
  readonly limits: HiveLimits;
  readonly sweeper: Sweeper;
  /** Told what a file's provider threw. */
  readonly failed: (error: unknown) => void;
}

/** One login as `/proc/9p/sessions` shows it. */
export class LiveSession implements HiveSession {
  readonly number: number;
  readonly view: View;
  readonly source: Source;
  readonly sinceUs: number;
  #revoked: Revocation | undefined;
  #over = false;
  #sessions: Session[] = [];
  #exported: RemoteService | undefined;
  #listeners: ((why: Revocation) => void)[] = [];
  readonly #owner: Sessions;

  constructor(owner: Sessions, view: View, source: Source, nowUs: number) {
    this.#owner = owner;
    this.number = view.session;
    this.view = view;
    this.source = source;
    this.sinceUs = nowUs;
  }

  /** Its 9P sessions that are not over. */
  get sessions(): readonly Session[] {
    return this.#sessions.filter((session) => !session.ended);
  }

  get revoked(): Revocation | undefined {
    return this.#revoked;
  }

  onRevoked(listener: (why: Revocation) => void): void {
    if (this.#revoked !== undefined) listener(this.#revoked);
    else if (!this.#over) this.#listeners.push(listener);
  }

  open9p(): Session {
    this.#sessions = [...this.sessions];
    const session = this.#owner.serve(this.view, this.#sessions.length);
    if (this.#over) session.revoke();
    else this.#sessions.push(session);
    return session;
  }

  export9p(service: string): RemoteService | Refusal {
    const why = this.#over ? CLOSED : this.view.mayExport(service);
    if (why !== undefined) return why;
    const exported = this.#owner.export(service, this.number);
    if (!("errno" in exported)) this.#exported = exported;
    return exported;
  }

  close(): void {
    if (this.#over) return;
    this.#end("ended");
    for (const session of this.#sessions) session.close();
    this.#owner.ended(this, undefined);
  }

  /** Its account is closed. */
  revoke(why: Revocation): void {
    if (this.#over) return;
    this.#revoked = why;
    const listeners = this.#end("revoked");
    for (const session of this.#sessions) session.revoke(CLOSED);
    this.#owner.ended(this, why);
    for (const listener of listeners) listener(why);
  }

  #end(how: string): ((why: Revocation) => void)[] {
    const listeners = this.#listeners;
    this.#over = true;
    this.#listeners = [];
    this.#exported?.end(how);
    this.#exported = undefined;
    return listeners;
  }
}

export class Sessions implements Sweepable {
  /** Logins, and how they ended. */
  readonly counters = { opened: 0, closed: 0, revoked: 0, refused: 0, highWater: 0 };
  readonly #options: SessionsOptions;
  readonly #live = new Map<number, LiveSession>();
  readonly #views: Several;
  readonly #nine: Several;
  #last = 0;

  constructor(options: SessionsOptions) {
    this.#options = options;
    const { limits, namespace } = options;
    this.#views = new Several(this.#most, viewPools(limits.mounts, namespace.limits.openTextBytes));
    this.#nine = new Several(this.#most, sessionPools("9p", limits));
  }

  get #most(): number {
    return this.#options.limits.sessions + LINES;
  }

  get size(): number {
    return this.#live.size;
  }

  /**
   * Whether there is no place for a login from there: the machine's own lines and the network take none from each other, and the
   * network's last place of several is a Queen's, so that no holders of lesser tickets keep her out.
   */
  full({ local }: Source, role: Role): boolean {
    const { sessions } = this.#options.limits;
    let taken = 0;
    let lesser = 0;
    for (const { source, view } of this.#live.values()) {
      if (source.local !== local) continue;
      taken++;
      if (view.grant.role !== "queen") lesser++;
    }
    const kept = !local && role !== "queen" && lesser >= Math.max(1, sessions - 1);
    if (taken < sessions && !kept) return false;
    this.counters.refused++;
    return true;
  }

  pools(): Pool[] {
    const { counters, size } = this;
    const { exports, limits } = this.#options;
    const live = this.list();
    const most = this.#most;
    return [
      ["login.sessions", most * LOGIN_BYTES, size, most, counters.highWater, "refused", counters.refused],
      ...this.#views.pools(live.map(({ view }) => view.pools())),
      ...this.#nine.pools(live.flatMap(({ sessions }) => sessions.map((session) => session.pools("9p")))),
      ...exports.pools(limits.sessions),
    ];
  }

  list(): LiveSession[] {
    return [...this.#live.values()];
  }

  /** What a grant sees, with mounts of its own. @param session 0 for a worker's own, whose subject names it */
  view(grant: Grant, session = ++this.#last): View {
    const { namespace, leases, audit, clock, limits } = this.#options;
    const view = new View({ namespace, grant, session, leases, audit, clock, mounts: limits.mounts });
    const why = view.mountOfTicket();
    // Whoever logs in shall find that in the log and not before a closed door.
    if (why !== undefined) {
      const { service = "", at = "" } = grant.mount ?? {};
      this.#write(grant, `mount of the ticket refused service=${service} at=${at} why=${why.name} session=${session}`);
    }
    return view;
  }

  /** A login. */
  open(grant: Grant, source: Source, by: string): LiveSession {
    const { clock, sweeper } = this.#options;
    const session = new LiveSession(this, this.view(grant), source, clock.nowUs());
    this.#live.set(session.number, session);
    this.counters.opened++;
    this.counters.highWater = Math.max(this.counters.highWater, this.#live.size);
    this.#write(grant, `admitted ${describe(session)} from=${source.name} by=${by}`);
    sweeper.changed();
    return session;
  }

  /** What a login exports. @returns why it does not */
  export(service: string, session: number): RemoteService | Refusal {
    return this.#options.exports.open(service, session);
  }

  /** A 9P session that is paid from the view's grant. @throws Error if the login has too many open. */
  serve(view: View, open: number): Session {
    const { bytes, clock, namespace, limits, sweeper, failed } = this.#options;
    const { msize, fids, tags, unsentBytes } = limits;
    if (open >= limits.sessions9p) throw new Error(`HiveSession: ${open} 9P sessions of one login are open`);
    const { account } = view.grant;
    const admit = (): Refusal | undefined => {
      if (account.check(clock.nowUs()) === undefined) return undefined;
      sweeper.soon();
      return CLOSED;
    };
    const spent = (): void => {
      if (account.spendOp(clock.nowUs()) !== undefined) sweeper.soon();
    };
    const tree = new SessionTree(view, namespace.counters);
    const over = (session: Session): void => this.#nine.ended(session.pools("9p"));
    return new Session({ tree, bytes, msize, fids, tags, unsentBytes, admit, spent, failed, over });
  }

  ended(session: LiveSession, why: Revocation | undefined): void {
    this.#live.delete(session.number);
    this.#views.ended(session.view.pools());
    if (why === undefined) this.counters.closed++;
    else this.counters.revoked++;
    const what = why === undefined ? `ended ${describe(session)}` : `revoked ${describe(session)} why=${why.why}`;
    this.#write(session.view.grant, what);
    this.#options.sweeper.changed();
  }

  /** What a Queen does has a line whatever others do. */
  #write({ role }: Grant, text: string): void {
    const { log, comings } = this.#options;
    if (role === "queen") log.line("login", text);
    else comings.line("login", text);
  }

  sweep(nowUs: number): void {
    // What a listener does may end other sessions.
    for (const session of this.list()) {
      const why = session.view.grant.account.check(nowUs);
      if (why !== undefined) session.revoke(why);
    }
  }

  nextUs(): number {
    let nextUs = Infinity;
    for (const { view } of this.#live.values()) nextUs = Math.min(nextUs, view.grant.account.deadlineUs);
    return nextUs;
  }
}

function describe({ number, view }: LiveSession): string {
  const { role, subject } = view.grant;
  return `role=${role}${subject === "" ? "" : ` subject=${subject}`} session=${number}`;
}
