/**
 * A connection on which the client serves 9P and the hive asks: answers from the transport to those who wait for them, requests
 * back. What an answer costs is charged here, to the one who sends it; the request was charged to the one who asked.
 */
import type { RemoteService } from "../../ninedoor/remote/service.ts";
import { type Connection, drain } from "./connection.ts";
import type { End } from "./counters.ts";
import { BYTES_PER_COST, REQUEST_COST, type Speaker } from "./nine.ts";

/** Most bytes that are looked at in one step: of short answers these are many. */
const STEP = 1024;

export class Exported implements Speaker {
  sent = 0;
  cost = 0;
  frames = 0;
  /** One that takes no requests is late with its answers, and that is timed. */
  readonly heldBack = false;
  readonly #service: RemoteService;
  readonly #connection: Connection;

  constructor(service: RemoteService, connection: Connection) {
    this.#service = service;
    this.#connection = connection;
  }

  get unsent(): number {
    return this.#service.ended ? 0 : this.#service.unsent;
  }

  get end(): End | undefined {
    if (this.#service.ended) return "dropped";
    return this.#connection.ended ? "left" : undefined;
  }

  get ready(): boolean {
    return this.end !== undefined || this.#connection.readable > 0;
  }

  get waits(): boolean {
    return this.#service.partial && this.#connection.readable === 0;
  }

  serve(budget: number): number {
    const connection = this.#connection;
    const service = this.#service;
    let bytes = 0;
    this.cost = 0;
    while (this.cost < budget && connection.readable > 0 && !service.ended) {
      const size = Math.min(connection.run, STEP);
      const answers = service.receive(connection.memory, connection.head, size);
      connection.skip(size);
      bytes += size;
      this.frames += answers;
      this.cost += answers * REQUEST_COST + size / BYTES_PER_COST;
    }
    return bytes;
  }

  drain(): number {
    const done = drain(this.#service, this.#connection);
    this.sent += done;
    return done;
  }

  close(why: End): void {
    this.#service.end(why);
  }
}
