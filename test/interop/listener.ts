/**
 * Serves a tree over secure9p to 9P clients that are not ours, on a Unix socket or loopback TCP: for tests only, the hive
 * itself has no such port. It keeps back-pressure as a server must: a peer that does not take its replies is not read, and
 * is dropped when that lasts; one that is gone leaves no session behind.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Session } from "../../services/secure9p/session.ts";

/** How long a peer may leave its replies waiting (docs/INTERFACES.md). */
const PATIENCE_MS = 30_000;
/** Providers answer parked requests when they can; how often somebody looks whether they did. */
const LOOK_MS = 5;

export type Direction = "request" | "reply";

export interface ListenerOptions {
  /** What serves a new connection. @param failed told what a provider threw */
  readonly session: (failed: (error: unknown) => void) => Session;
  readonly patienceMs?: number;
  /** Told every piece of every stream, in order. */
  readonly tap?: (connection: number, direction: Direction, bytes: Uint8Array) => void;
}

/** One connection. */
class Served {
  readonly session: Session;
  readonly errors: unknown[] = [];
  readonly #socket: Socket;
  readonly #options: ListenerOptions;
  readonly #number: number;
  /** Bytes that came and that the session did not take. */
  #waiting: Uint8Array[] = [];
  /** The socket takes no more until it says so. */
  #full = false;
  #late: NodeJS.Timeout | undefined;

  constructor(socket: Socket, number: number, options: ListenerOptions) {
    this.#socket = socket;
    this.#number = number;
    this.#options = options;
    this.session = options.session((error) => this.errors.push(error));
  }

  take(bytes: Uint8Array): void {
    this.#options.tap?.(this.#number, "request", bytes);
    this.#waiting.push(bytes);
    this.pump();
  }

  drained(): void {
    this.#full = false;
    // It takes something: patience begins anew.
    clearTimeout(this.#late);
    this.#late = undefined;
    this.pump();
  }

  /** Do what can be done now: send, then read on. */
  pump(): void {
    for (;;) {
      this.#send();
      const [next] = this.#waiting;
      if (next === undefined || this.session.heldBack) break;
      const taken = this.session.receive(next, 0, next.length);
      if (taken < next.length) this.#waiting[0] = next.subarray(taken);
      else this.#waiting.shift();
    }
    if (this.#waiting.length > 0) {
      this.#socket.pause();
      this.#late ??= setTimeout(() => this.#socket.destroy(), this.#options.patienceMs ?? PATIENCE_MS);
    } else {
      clearTimeout(this.#late);
      this.#late = undefined;
      this.#socket.resume();
    }
    if (this.session.ended && this.session.unsent === 0) this.#socket.end();
  }

  #send(): void {
    const { session } = this;
    while (session.unsent > 0 && !this.#full) {
      const { start, run } = session;
      const copy = session.out.slice(start, start + run);
      session.sent(run);
      this.#options.tap?.(this.#number, "reply", copy);
      this.#full = !this.#socket.write(copy);
    }
  }

  end(): void {
    clearTimeout(this.#late);
    this.session.close();
    this.#waiting = [];
    this.#socket.destroy();
  }
}

export class Listener {
  /** Connections there were. */
  accepted = 0;
  readonly #server: Server;
  readonly #served = new Set<Served>();
  readonly #look: NodeJS.Timeout;
  readonly #problems: string[] = [];

  private constructor(options: ListenerOptions) {
    this.#look = setInterval(() => this.pump(), LOOK_MS);
    this.#server = createServer((socket) => {
      const served = new Served(socket, ++this.accepted, options);
      this.#served.add(served);
      socket.setNoDelay(true);
      socket.on("data", (bytes: Buffer) => served.take(bytes));
      socket.on("drain", () => served.drained());
      socket.on("error", () => undefined);
      socket.on("close", () => this.#gone(served));
    });
  }

  /** @param where a path of a Unix socket, or a loopback TCP port, 0 for a free one */
  static async open(where: string | number, options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options);
    const server = listener.#server;
    await new Promise<void>((settle, fail) => {
      server.once("error", fail);
      if (typeof where === "number") server.listen(where, "127.0.0.1", settle);
      else server.listen(where, settle);
    });
    return listener;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("Listener: no port, it is a Unix socket");
    return address.port;
  }

  get sessions(): readonly Session[] {
    return Array.from(this.#served, ({ session }) => session);
  }

  /** What went wrong in sessions that are over or are not: nothing, if all is well. */
  get problems(): readonly string[] {
    return [...this.#problems, ...Array.from(this.#served).flatMap(({ errors }) => errors.map(String))];
  }

  /** Send what providers have answered meanwhile. */
  pump(): void {
    for (const served of this.#served) served.pump();
  }

  async close(): Promise<void> {
    clearInterval(this.#look);
    for (const served of this.#served) served.end();
    await new Promise<void>((settle) => this.#server.close(() => settle()));
  }

  /** The books of a session that is over must balance, whatever the peer did. */
  #gone(served: Served): void {
    if (!this.#served.delete(served)) return;
    served.end();
    this.#problems.push(...served.errors.map(String));
    const { session } = served;
    const { requests, replies, dropped } = session.counters;
    if (requests !== replies + dropped) {
      this.#problems.push(`${requests} requests, ${replies} replies, ${dropped} dropped`);
    }
    if (session.fids !== 0) this.#problems.push(`${session.fids} fids left`);
  }
}
