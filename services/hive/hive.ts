/**
 * The hive's core, made of ports only, so the machine and the shell's mock have the same one: the namespace, who may log in and
 * for how long, what the Queen commands, and the workers. Everything that it refuses is counted, and every login, denial and
 * command is a line of `/log/queen.log`.
 */
import type { Supervisor } from "../components/supervisor.ts";
import { auditsOf, leadLessee } from "../gpu/lessee.ts";
import { BRIDGE, LeaseOffice } from "../gpu/office.ts";
import { AuditLog } from "../log/audit-log.ts";
import { Namespace } from "../ninedoor/namespace.ts";
import { OWN_SESSION } from "../ninedoor/place.ts";
import type { QueenLog } from "../ninedoor/queen-log.ts";
import { Exports, type Keeper } from "../ninedoor/remote/exports.ts";
import { View } from "../ninedoor/view.ts";
import type { Bytes, Clock, Components, Log, Pool, Random, WallClock } from "../ports/index.ts";
import { isOutOfMemory } from "../pump/out-of-memory.ts";
import type { TimerPort } from "../pump/timers.ts";
import { QueenControl } from "../queen/control.ts";
import type { CtlSchemas } from "../queen/schemas.ts";
import { Ledger } from "../roles/ledger.ts";
import type { Role } from "../roles/roles.ts";
import { LoginThrottle } from "../roles/throttle.ts";
import { TicketVerifier } from "../roles/verifier.ts";
import { PERMISSION } from "../secure9p/refusal.ts";
import type { WorkerRules } from "../workers/rules.ts";
import { Scheduler } from "../workers/scheduler.ts";
import { Workers } from "../workers/workers.ts";
import { Actions } from "./actions.ts";
import type { HiveLimits } from "./limits.ts";
import { Logins } from "./logins.ts";
import { addTime, counterLines, sessionLines, workerLines } from "./proc.ts";
import type { Authentication, Door, Login, Source } from "./session.ts";
import { type LiveSession, Sessions } from "./sessions.ts";
import { Sweeper } from "./sweeper.ts";
import { WallTime } from "./wall-time.ts";

export interface HiveOptions {
  readonly clock: Clock;
  /** Counts the time in which components can run. */
  readonly spare: Clock;
  readonly wallClock: WallClock;
  readonly random: Random;
  readonly bytes: Bytes;
  readonly timers: TimerPort;
  readonly components: Components;
  readonly supervisor: Supervisor;
  /** For what is about the machine and not about who did what. */
  readonly bootLog: Log;
  readonly schemas: CtlSchemas;
  readonly credentials: {
    /** The operator's, "" for none. */
    readonly token: string;
    readonly secrets: Readonly<Partial<Record<Role, string>>>;
  };
  readonly limits: HiveLimits;
  readonly workers: WorkerRules;
  /** Told what a file's provider threw; without it a line of the boot log says so. */
  readonly failed?: (error: unknown) => void;
}

export class Hive implements Door {
  readonly namespace: Namespace;
  readonly control: QueenControl<View>;
  readonly verifier: TicketVerifier;
  readonly ledger: Ledger;
  readonly throttle = new LoginThrottle();
  readonly workers: Workers;
  readonly scheduler: Scheduler;
  readonly exports: Exports;
  /** Where GPUs are leased. */
  readonly office: LeaseOffice;
  readonly #sessions: Sessions;
  readonly #logins: Logins;
  readonly #audit: AuditLog;
  readonly #wallTime: WallTime;

  /** @throws Error if all timers are in use. */
  constructor(options: HiveOptions) {
    const { bytes, clock, timers, components, limits, schemas, credentials, bootLog, workers: rules } = options;
    const failed = options.failed ?? ((error: unknown) => report(bootLog, error));
    const sweeper = new Sweeper(clock, timers);
    this.#wallTime = new WallTime(clock, options.wallClock);
    this.namespace = new Namespace({
      bytes,
      clock,
      limits: limits.namespace,
      queen: {
        take: (from, start, length, client) =>
          client instanceof View ? this.control.take(from, start, length, client) : PERMISSION,
      },
    });
    const { namespace, queenLog: log } = this;
    const audit = new AuditLog(log, clock);
    // Apart, so that who comes and goes hides nothing of what was refused.
    const comings = new AuditLog(log, clock);
    this.#audit = audit;
    this.verifier = new TicketVerifier(bytes, credentials.secrets, limits.tickets);
    this.ledger = new Ledger({ workers: { find: (id) => this.workers.find(id) }, maximum: rules.maximum });
    const { services, files } = namespace;
    const { providerUs } = limits;
    const office = new LeaseOffice({
      bytes,
      clock,
      audit: new AuditLog(log, clock),
      sweeper,
      changed: (worker) => this.workers.wake(worker),
    });
    this.office = office;
    const bridge: Keeper = {
      lead: leadLessee,
      audits: auditsOf,
      came: (root, ready) => office.came(root, ready),
      left: () => office.left(),
    };
    const keepers = new Map([[BRIDGE, bridge]]);
    this.exports = new Exports({ bytes, clock, timers, log, services, qids: files.qids, providerUs, keepers, failed });
    const { exports } = this;
    this.#sessions = new Sessions({
      bytes,
      clock,
      log,
      audit,
      comings,
      namespace,
      exports,
      leases: office,
      limits,
      sweeper,
      failed,
    });
    const { quantumUs, stuckQuanta } = rules;
    this.scheduler = new Scheduler({ components, clock, spare: options.spare, timers, quantumUs, stuckQuanta });
    this.workers = new Workers({
      bytes,
      clock,
      timers,
      components,
      random: options.random,
      supervisor: options.supervisor,
      scheduler: this.scheduler,
      rules,
      namespace,
      verifier: this.verifier,
      ledger: this.ledger,
      log,
      bootLog,
      office,
      unixMs: () => this.#wallTime.unixMs(),
      sweeper,
      view: (grant) => this.#sessions.view(grant, OWN_SESSION),
      failed,
    });
    this.control = new QueenControl<View>({
      actions: new Actions(this.workers),
      schemas,
      bytes,
      log,
      nameOf: ({ session, grant }) => `session ${session} (${grant.role})`,
    });
    this.#logins = new Logins({
      bytes,
      clock,
      wallTime: this.#wallTime,
      audit,
      comings,
      token: credentials.token,
      verifier: this.verifier,
      ledger: this.ledger,
      throttle: this.throttle,
    });
    // A worker's end closes the accounts of those who logged in as it.
    sweeper.add(this.workers);
    sweeper.add(office);
    sweeper.add(this.#sessions);
    addTime(namespace, clock, this.#wallTime);
    this.#addCounters(limits);
  }

  /** The audit log. */
  get queenLog(): QueenLog {
    return this.namespace.queenLog;
  }

  /** Check the operator's token for a connection that is to be opened by it; audited, counted and slowed down as logins are. */
  authenticate(token: string, source: Source): Authentication {
    return this.#logins.authenticate(token, source);
  }

  noteRefused(what: string, why: string, source: Source): void {
    this.#audit.line("audit", `refused ${what} why=${why} from=${source.name}`);
  }

  attach(role: Role, credential: string, source: Source): Login {
    const checked = this.#logins.check(role, credential, source);
    if (checked.kind === "refused") return checked;
    if (this.#sessions.full(source, role)) return this.#logins.full(role, source);
    return { kind: "admitted", session: this.#sessions.open(checked.grant, source, checked.by) };
  }

  /** What the hive may hold, and does. */
  pools(): Pool[] {
    const { namespace, workers, ledger, verifier, throttle } = this;
    const parts = [namespace, this.#sessions, workers, this.office, ledger, verifier, throttle];
    return parts.flatMap((part) => part.pools());
  }

  /** The logins there are. */
  sessions(): readonly LiveSession[] {
    return this.#sessions.list();
  }

  #addCounters({ sessions: most }: HiveLimits): void {
    const { namespace } = this;
    const add = (name: string, text: () => string): void => namespace.addProc(`9p/${name}`, text);
    const sessions = this.#sessions;
    add("sessions", () => {
      const counters = { sessions: sessions.size, most, ...sessions.counters };
      return counterLines(counters) + sessionLines(sessions.list());
    });
    add("ninedoor", () => counterLines({ ...namespace.counters }));
    add("roles", () => {
      const { ledger, verifier, throttle } = this;
      return (
        counterLines(this.#logins.counters, "login_") +
        counterLines({ size: ledger.size, capacity: ledger.capacity, ...ledger.counters }, "ledger_") +
        counterLines(verifier.counters, "verifier_") +
        counterLines({ sources: throttle.size, ...throttle.counters }, "throttle_")
      );
    });
    add("services", () => {
      const { counters, requests } = this.exports;
      return counterLines({ ...counters, ...requests }) + this.exports.lines();
    });
    add("gpu", () => counterLines({ ...this.office.counters }) + this.office.lines());
    add("queen", () => counterLines({ ...this.control.counters }));
    add("workers", () => workerLines(this.workers, this.scheduler, namespace.limits.workers));
  }
}

function report(log: Log, error: unknown): void {
  if (isOutOfMemory(error)) throw error;
  log.line("hive", `a file's provider threw: ${error instanceof Error ? error.message : String(error)}`);
}
