/**
 * A connection that was switched to 9P2000.L: bytes from the transport to the login's 9P session and back, none of them copied on
 * the way in. The session answers whatever comes and says itself when the client has to take replies first.
 */
import type { Clock } from "../../ports/index.ts";
import type { Session } from "../../secure9p/session.ts";
import { type Connection, drain } from "./connection.ts";
import type { End } from "./counters.ts";

/** A request and its reply, and bytes, in units of the dispatch stage. */
export const REQUEST_COST = 64;
export const BYTES_PER_COST = 16;

/** What speaks on a connection that carries lines no more. */
export interface Speaker {
  /** Bytes that the transport took. */
  readonly sent: number;
  /** Of the last {@link serve}, in units of the dispatch stage. */
  readonly cost: number;
  readonly unsent: number;
  /** Whether {@link serve} could do something now. */
  readonly ready: boolean;
  /** How it is over. */
  readonly end: End | undefined;
  /** Whether the rest of a frame is waited for, by the count of all; and whether the peer has to take something first. */
  readonly waits: boolean;
  readonly frames: number;
  readonly heldBack: boolean;
  /** Take what came, until then. @returns bytes taken */
  serve(budget: number, untilUs: number): number;
  /** Hand over what the transport takes. @returns bytes */
  drain(): number;
  /** The connection is over. */
  close(why: End): void;
}

export class Nine implements Speaker {
  sent = 0;
  cost = 0;
  readonly session: Session;
  readonly #connection: Connection;
  readonly #clock: Clock;

  constructor(session: Session, connection: Connection, clock: Clock) {
    this.session = session;
    this.#connection = connection;
    this.#clock = clock;
  }

  get unsent(): number {
    return this.session.unsent;
  }

  get end(): End | undefined {
    if (this.session.ended) return "length";
    return this.#connection.ended ? "left" : undefined;
  }

  get ready(): boolean {
    return this.end !== undefined || (this.#connection.readable > 0 && !this.session.heldBack);
  }

  get waits(): boolean {
    return this.session.partial && this.#connection.readable === 0;
  }

  get frames(): number {
    return this.session.counters.requests;
  }

  get heldBack(): boolean {
    return this.session.heldBack;
  }

  serve(budget: number, untilUs: number): number {
    const connection = this.#connection;
    const { session } = this;
    let bytes = 0;
    this.cost = 0;
    while (this.cost < budget && connection.readable > 0) {
      if (this.cost > 0 && this.#clock.nowUs() >= untilUs) break;
      const before = session.counters.requests;
      const taken = session.receive(connection.memory, connection.head, connection.run, 1);
      if (taken === 0) break;
      connection.skip(taken);
      bytes += taken;
      this.cost += (session.counters.requests - before) * REQUEST_COST + taken / BYTES_PER_COST;
    }
    return bytes;
  }

  drain(): number {
    const done = drain(this.session, this.#connection);
    this.sent += done;
    return done;
  }

  close(): void {
    // The session ends with its login.
  }
}
