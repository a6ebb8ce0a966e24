/**
 * A connection that was switched to 9P2000.L: bytes from the transport to the login's 9P session and back, none of them copied on
 * the way in. The session answers whatever comes and says itself when the client has to take replies first.
 */
import type { Session } from "../../secure9p/session.ts";
import type { Connection } from "./connection.ts";

/** A request and its reply, and bytes, in units of the dispatch stage. */
const REQUEST_COST = 64;
const BYTES_PER_COST = 16;

export class Nine {
  /** Bytes that the transport took. */
  sent = 0;
  /** Of the last {@link serve}, in units of the dispatch stage. */
  cost = 0;
  readonly session: Session;
  readonly #connection: Connection;

  constructor(session: Session, connection: Connection) {
    this.session = session;
    this.#connection = connection;
  }

  get unsent(): number {
    return this.session.unsent;
  }

  /** Whether nothing more can come of what the client says. */
  get over(): boolean {
    return this.session.ended || this.#connection.ended;
  }

  get ready(): boolean {
    return this.over || (this.#connection.readable > 0 && !this.session.heldBack);
  }

  /** Whether the rest of a request is waited for. */
  get waits(): boolean {
    return this.session.partial && this.#connection.readable === 0;
  }

  /** Take requests. @returns bytes taken; what it cost is in {@link cost} */
  serve(budget: number): number {
    const connection = this.#connection;
    const { session } = this;
    let bytes = 0;
    this.cost = 0;
    while (this.cost < budget && connection.readable > 0) {
      const before = session.counters.requests;
      const frames = Math.ceil((budget - this.cost) / REQUEST_COST);
      const taken = session.receive(connection.memory, connection.head, connection.run, frames);
      if (taken === 0) break;
      connection.skip(taken);
      bytes += taken;
      this.cost += (session.counters.requests - before) * REQUEST_COST + taken / BYTES_PER_COST;
    }
    return bytes;
  }

  /** Hand over what the transport takes. @returns bytes */
  drain(): number {
    const { session } = this;
    let done = 0;
    while (session.unsent > 0) {
      const { run } = session;
      const taken = this.#connection.write(session.out, session.start, run);
      session.sent(taken);
      done += taken;
      if (taken < run) break;
    }
    this.sent += done;
    return done;
  }
}
