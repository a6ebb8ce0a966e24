/**
 * Who may log in: the operator's token on a local line, or a ticket. Every success and refusal is counted and audited, never with
 * the credential; whatever is wrong with a wrong one, the answer is the same, and whoever guesses is slowed down.
 */
import type { AuditLog } from "../log/audit-log.ts";
import type { Bytes, Clock } from "../ports/index.ts";
import { Grant } from "../roles/grant.ts";
import type { Ledger } from "../roles/ledger.ts";
import type { Role } from "../roles/roles.ts";
import type { LoginThrottle } from "../roles/throttle.ts";
import { equalBytes } from "../roles/ticket.ts";
import type { TicketVerifier } from "../roles/verifier.ts";
import type { Authentication, Login, Source } from "./session.ts";
import type { WallTime } from "./wall-time.ts";

type Refused = Extract<Login, { kind: "refused" }>;

export type Admitted = { readonly kind: "granted"; readonly grant: Grant; readonly by: "token" | "ticket" };

export interface LoginsOptions {
  readonly bytes: Bytes;
  readonly clock: Clock;
  readonly wallTime: WallTime;
  /** For refusals; and for those who come in with the token, which they may do as often as they like. */
  readonly audit: AuditLog;
  readonly comings: AuditLog;
  /** The operator's token, "" for none. */
  readonly token: string;
  readonly verifier: TicketVerifier;
  readonly ledger: Ledger;
  readonly throttle: LoginThrottle;
}

export class Logins {
  readonly counters = { authenticated: 0, wrong: 0, refused: 0, busy: 0, unlogged: 0 };
  readonly #options: LoginsOptions;
  readonly #token: Uint8Array;

  constructor(options: LoginsOptions) {
    this.#options = options;
    this.#token = encode(options.bytes, options.token);
  }

  /** What a credential is good for. */
  check(role: Role, credential: string, source: Source): Admitted | Refused {
    const nowUs = this.#options.clock.nowUs();
    if (source.local && role === "queen" && this.#isToken(credential)) {
      return { kind: "granted", grant: Grant.ofOperator(nowUs), by: "token" };
    }
    return this.#checkTicket(role, credential, source);
  }

  /** Whether somebody has the operator's token, which opens a connection where it is no login. */
  authenticate(token: string, source: Source): Authentication {
    if (!this.#isToken(token)) {
      this.#audit("refused AUTH why=wrong token", source);
      return this.#wrong(source, this.#options.clock.nowUs());
    }
    this.counters.authenticated++;
    this.#audit("authenticated", source, this.#options.comings);
    return { kind: "authenticated" };
  }

  #checkTicket(role: Role, text: string, source: Source): Admitted | Refused {
    const { clock, wallTime, verifier, ledger } = this.#options;
    const nowUs = clock.nowUs();
    const ticket = verifier.verify(text);
    if (ticket === undefined) {
      this.#audit(`refused role=${role} why=wrong credential`, source);
      return this.#wrong(source, nowUs);
    }
    const admission = ledger.admit(ticket, role, nowUs, wallTime.unixMs());
    if (admission.kind === "admitted") return { kind: "granted", grant: admission.grant, by: "ticket" };
    this.#audit(admission.audit, source);
    // A good ticket for another role is a wrong credential too, and nobody shall learn that it was good for something.
    if (admission.tag === "denied") return this.#wrong(source, nowUs);
    if (admission.tag === "busy") this.counters.busy++;
    else this.counters.refused++;
    return { kind: "refused", tag: admission.tag, delayMs: 0 };
  }

  /** A right credential, and no place for the session. */
  full(role: Role, source: Source): Refused {
    this.counters.busy++;
    this.#audit(`refused role=${role} why=too many sessions`, source);
    return { kind: "refused", tag: "busy", delayMs: 0 };
  }

  #isToken(credential: string): boolean {
    return this.#token.length > 0 && equalBytes(encode(this.#options.bytes, credential), this.#token);
  }

  #wrong({ throttle }: Source, nowUs: number): Refused {
    this.counters.wrong++;
    const { kind, delayMs } = this.#options.throttle.failed(throttle, nowUs);
    return { kind: "refused", tag: kind, delayMs };
  }

  #audit(text: string, { name }: Source, audit = this.#options.audit): void {
    if (!audit.line("login", `${text} from=${name}`)) this.counters.unlogged++;
  }
}

function encode(bytes: Bytes, text: string): Uint8Array {
  const buffer = new Uint8Array(3 * text.length);
  return buffer.subarray(0, bytes.encode(text, buffer, 0));
}
