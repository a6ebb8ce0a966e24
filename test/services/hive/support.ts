/** A whole hive for tests: the core on ports of the test, with visitors who come in through its door. */
import { expect } from "chai";
import type { Programs } from "../../../cohsh/mock/components.ts";
import { loadCtlSchemas } from "../../../scripts/lib/schemas.ts";
import { LAYOUT } from "../../../services/components/layout.ts";
import { Supervisor } from "../../../services/components/supervisor.ts";
import { Hive } from "../../../services/hive/hive.ts";
import { HIVE_LIMITS, type HiveLimits } from "../../../services/hive/limits.ts";
import type { HiveSession, Login, Source } from "../../../services/hive/session.ts";
import { Timers } from "../../../services/pump/timers.ts";
import { type Role, ROLES } from "../../../services/roles/roles.ts";
import { type Claims, claimsOf, deriveKey, signTicket } from "../../../services/roles/ticket.ts";
import type { SessionOptions } from "../../../services/secure9p/session.ts";
import { WORKER_RULES, type WorkerRules } from "../../../services/workers/rules.ts";
import { Visitor } from "../ninedoor/support.ts";
import { InProcessComponents } from "../support/in-process-components.ts";
import { LineLog, ManualClock, nodeBytes, text } from "../support/ports.ts";
import { TicketSession } from "./ticket-session.ts";

const schemas = await loadCtlSchemas();

export const TOKEN = "operator-token";
export const SECRETS = Object.fromEntries(ROLES.map((role) => [role, `secret of ${role}`])) as Record<Role, string>;
export const SERIAL: Source = { name: "serial", throttle: 1, local: true };
export const TCP: Source = { name: "tcp 10.0.2.2", throttle: 2, local: false };

/** Unix time when the test's machine booted, in seconds. */
export const BOOT_S = 1_700_000_000;

/** After each test: no provider has thrown. */
export function expectNoErrors(): void {
  for (const { errors } of TestHive.all.splice(0)) expect(errors).to.deep.equal([]);
}

export interface Setup {
  readonly limits?: Partial<HiveLimits>;
  readonly rules?: Partial<WorkerRules>;
  readonly timers?: number;
  readonly programs?: Programs;
  readonly components?: number;
  readonly onFault?: "destroy" | "keep";
}

export class TestHive {
  readonly clock = new ManualClock();
  readonly bootLog = new LineLog();
  readonly timers: Timers;
  readonly components: InProcessComponents;
  readonly supervisor: Supervisor;
  readonly hive: Hive;
  /** Whether the machine has a clock of the day, and what its random numbers are. */
  wall = true;
  random: "drawn" | "none" | "broken" = "drawn";

  /** Microseconds that a component's step takes. */
  stepUs = 100;
  /** What a file's provider threw. */
  readonly errors: unknown[] = [];
  /** Carries what others on the wire have to say to each other. @returns whether there was any */
  around: (() => boolean) | undefined = undefined;
  /** All that there were, for whoever looks after a test whether one threw. */
  static all: TestHive[] = [];

  constructor(setup: Setup = {}) {
    TestHive.all.push(this);
    const { limits, rules, timers = 256, programs, components: capacity, onFault = "destroy" } = setup;
    const { clock, bootLog } = this;
    const components = new InProcessComponents(programs, capacity);
    this.components = components;
    this.timers = new Timers(timers);
    this.supervisor = new Supervisor({
      components,
      log: bootLog,
      clock,
      timers: this.timers,
      layout: LAYOUT,
      policy: onFault,
    });
    let drawn = 0;
    this.hive = new Hive({
      clock,
      spare: clock,
      wallClock: { unixSeconds: () => (this.wall ? BOOT_S + Math.floor(clock.us / 1_000_000) : undefined) },
      random: {
        ready: true,
        fill: (into) => {
          if (this.random === "broken") throw new Error("the device is broken");
          if (this.random === "drawn") into.fill(++drawn);
          return this.random === "drawn";
        },
      },
      bytes: nodeBytes,
      timers: this.timers,
      components,
      supervisor: this.supervisor,
      bootLog,
      schemas,
      credentials: { token: TOKEN, secrets: SECRETS },
      limits: { ...HIVE_LIMITS, ...limits },
      workers: { ...WORKER_RULES, ...rules },
      failed: (error) => this.errors.push(error),
    });
  }

  get unixMs(): number {
    return BOOT_S * 1000 + Math.floor(this.clock.us / 1000);
  }

  /** A ticket signed with the role's secret, and from now unless it says otherwise. */
  ticket(role: Role, more: Partial<Claims> = {}): string {
    const key = deriveKey(nodeBytes, SECRETS[role]);
    return signTicket(nodeBytes, key, claimsOf(role, { issuedAtMs: this.unixMs, ...more }));
  }

  /** Log in. */
  attach(role: Role, credential: string, source = TCP): Login {
    return this.hive.attach(role, credential, source);
  }

  /** Log in where that must work. */
  login(role: Role, credential = this.ticket(role), source = TCP): HiveSession {
    const login = this.attach(role, credential, source);
    if (login.kind === "refused") throw new Error(`${role}: ${login.tag}`);
    return login.session;
  }

  operator(): HiveSession {
    return this.login("queen", TOKEN, SERIAL);
  }

  visit(session: HiveSession): Visitor {
    const visitor = new Visitor(session.open9p());
    visitor.around = () => this.around?.() === true;
    return visitor;
  }

  /** A 9P session where the ticket in `aname` decides, as a listener of tests serves it. */
  ticketSession(options: Pick<SessionOptions, "unsentBytes" | "failed"> = {}): TicketSession {
    const { hive, clock } = this;
    return new TicketSession({ hive, clock, source: TCP, ...options });
  }

  /** Let time pass: turns with the timers and events that come due, and between them what components do. */
  pass(ms: number): void {
    const { clock, timers, components, supervisor } = this;
    const until = clock.us + ms * 1000;
    for (;;) {
      timers.fire(clock.us, 16);
      supervisor.raise();
      const served = supervisor.serve(16, clock.us);
      if (this.around?.() === true || served > 0 || timers.nextUs() <= clock.us) continue;
      if (components.run()) clock.us += this.stepUs;
      else if (timers.nextUs() > until) break;
      else clock.us = timers.nextUs();
    }
    clock.us = Math.max(clock.us, until);
  }

  /** Lines of the audit log without their times. */
  log(): string[] {
    const { ring } = this.hive.queenLog;
    let all = "";
    ring.send(
      {
        put(bytes, start, length) {
          all += text(bytes.subarray(start, start + length));
          return length;
        },
      },
      ring.start,
      ring.end - ring.start,
    );
    return all
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.replace(/^\[.{11}\] /, ""));
  }

  /** What `refused` answers, as a client sees it. */
  refusal(role: Role, credential: string, source = TCP): string {
    const login = this.attach(role, credential, source);
    return login.kind === "admitted" ? "admitted" : `${login.tag} ${login.delayMs}`;
  }
}
