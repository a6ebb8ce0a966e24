/**
 * The console door: accepts connections, serves each fairly within the pump's budgets, and keeps their number bounded. Those that
 * are not authenticated are few, the newest of them push out the oldest, and none of them keeps an operator with the token out.
 */
import type { Bytes, Clock, Pool } from "../../ports/index.ts";
import { Several } from "../../proc/pools.ts";
import { snake } from "../../proc/rows.ts";
import { HeldTimer } from "../../pump/held-timer.ts";
import { isOutOfMemory } from "../../pump/out-of-memory.ts";
import type { Source } from "../../pump/pump.ts";
import { SLICE_US } from "../../pump/schedule.ts";
import type { TimerPort } from "../../pump/timers.ts";
import { SINK_BYTES } from "../output.ts";
import type { Handler, MachineVerb } from "../verbs.ts";
import { DoorClient } from "./client.ts";
import type { Connection, Listener } from "./connection.ts";
import { DoorCounters, ENDS } from "./counters.ts";
import { leaver } from "./crowd.ts";
import type { DoorHive, Doorway } from "./doorway.ts";
import { DOOR_LIMITS, type DoorLimits } from "./limits.ts";
import { LineScratch } from "./outbox.ts";
import { CLIENT_BYTES, clientPools } from "./pools.ts";

export interface DoorServerOptions {
  readonly listener: Listener;
  readonly bytes: Bytes;
  readonly clock: Clock;
  readonly timers: TimerPort;
  /** `undefined` as long as there is none: who comes then is told that it is busy. */
  readonly hive: () => DoorHive | undefined;
  readonly verbs: Readonly<Record<MachineVerb, Handler>>;
  readonly limits?: Partial<DoorLimits>;
  /** How long a provider may take for one request; 5 s if it is not said. */
  readonly patienceUs?: number;
  /** A verb, or what serves a connection, threw. */
  readonly failed: (what: string, error: unknown) => void;
}

/** Units of the dispatch stage that the door has for each that a serial line has: it is as many lines. */
const SHARE = 4;

export class DoorServer {
  readonly counters = new DoorCounters();
  readonly limits: DoorLimits;
  /** The pump's view: stages `net-rx`, `dispatch` and `net-tx`, behind the network's own and before TCP is served. */
  readonly receive: Source;
  readonly dispatch: Source;
  readonly transmit: Source;
  readonly #listener: Listener;
  readonly #door: Doorway;
  readonly #timer: HeldTimer;
  readonly #clients: DoorClient[] = [];
  readonly #pools: Several;
  /** Whose turn it is first. */
  #first = 0;
  #last = 0;
  #closed = false;
  /** Somebody was pushed out while others were served. */
  #pushed = false;

  /** @throws RangeError if the limits hold no answer, Error if all timers are in use. */
  constructor(options: DoorServerOptions) {
    const { listener, bytes, clock, timers, hive, verbs, patienceUs, failed } = options;
    this.limits = { ...DOOR_LIMITS, ...options.limits };
    const { unsentBytes } = this.limits;
    if (unsentBytes < SINK_BYTES) throw new RangeError(`DoorServer: ${unsentBytes} unsent bytes hold no answer`);
    this.#listener = listener;
    this.#pools = new Several(this.limits.sessions + this.limits.strangers, clientPools(this.limits));
    const timer = HeldTimer.take(timers, (nowUs) => this.#expire(nowUs));
    if (timer === undefined) throw new Error("DoorServer: no timer is left");
    this.#timer = timer;
    this.#door = {
      bytes,
      clock,
      timers,
      limits: this.limits,
      hive,
      verbs,
      patienceUs,
      counters: this.counters,
      scratch: new LineScratch(bytes),
      admits: () => this.sessions < this.limits.sessions || this.#makePlace(),
      ended: (pools) => this.#pools.ended(pools),
      failed,
    };
    this.receive = {
      serve: (budget) => this.#accept(budget),
      ready: () => !this.#closed && this.#listener.pending > 0,
    };
    this.dispatch = {
      serve: (budget, nowUs) => Math.ceil(this.#serve(budget * SHARE, nowUs) / SHARE),
      ready: () => this.#ready,
      refused: () => this.counters.heldBack,
    };
    this.transmit = {
      serve: (_budget, nowUs) => this.#transmit(nowUs),
      ready: () => this.#transmits,
      backlog: () => this.#clients.reduce((sum, client) => sum + client.unsent, 0),
    };
  }

  /** Connections, and those of them that are authenticated. */
  get connections(): number {
    return this.#clients.length;
  }

  get sessions(): number {
    let sessions = 0;
    for (const client of this.#clients) if (client.authenticated) sessions++;
    return sessions;
  }

  /** Counters as one line. */
  summary(): string {
    const { accepted, authenticated, ok, err } = this.#totals();
    return (
      `door connections=${this.connections} sessions=${this.sessions} accepted=${accepted}` +
      ` authenticated=${authenticated} ok=${ok} err=${err}`
    );
  }

  /** For `/proc/net/console`: counters as `name value`, then one line for each connection. */
  lines(): readonly string[] {
    const { ends, ...numbers } = this.#totals();
    const { sessions, strangers } = this.limits;
    const rows = Object.entries({ connections: this.connections, sessions: this.sessions, most: sessions, strangers })
      .concat(Object.entries(numbers))
      .map(([name, value]) => `${snake(name)} ${value}`);
    for (const end of ENDS) rows.push(`end_${end} ${ends[end]}`);
    for (const { number, phase, source, connection, session, unsent } of this.#clients) {
      const role = session?.role ?? "-";
      rows.push(`connection ${number} ${phase} ${role} ${source.name}:${connection.remotePort} unsent=${unsent}`);
    }
    return rows;
  }

  pools(): Pool[] {
    const { counters, sessions: used, limits } = this;
    const { sessions, strangers } = limits;
    const { sessionsHighWater, strangersHighWater, ends } = counters;
    const others = this.connections - used;
    return [
      ["door.sessions", sessions * CLIENT_BYTES, used, sessions, sessionsHighWater, "refused", ends.busy],
      ["door.strangers", strangers * CLIENT_BYTES, others, strangers, strangersHighWater, "pushed_out", ends.crowded],
      ...this.#pools.pools(this.#clients.map((client) => client.pools())),
    ];
  }

  /** Serve nobody any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const client of this.#clients) client.abort("closed");
    this.#clients.length = 0;
    this.#timer.release();
  }

  #accept(budget: number): number {
    let done = 0;
    while (done < budget && !this.#closed && this.#listener.pending > 0 && this.#hasRoom()) {
      const connection = this.#listener.accept();
      if (connection === undefined) break;
      this.#add(connection);
      done++;
    }
    return done;
  }

  #add(connection: Connection): void {
    const { counters } = this;
    counters.accepted++;
    const client = new DoorClient(this.#door, connection, ++this.#last);
    this.#clients.push(client);
    counters.connectionsHighWater = Math.max(counters.connectionsHighWater, this.connections);
    counters.strangersHighWater = Math.max(counters.strangersHighWater, this.connections - this.sessions);
    this.#timeFor(client);
  }

  /** Whether one more may come; who is least worth a place is pushed out for it. If nobody is yet, the next turn knows more. */
  #hasRoom(): boolean {
    if (this.connections - this.sessions < this.limits.strangers) return true;
    const leaving = leaver(this.#clients);
    if (leaving === undefined) return false;
    leaving.client.abort(leaving.why);
    this.#sweep();
    return true;
  }

  /** Push out who has been longest in with the token alone, for whoever wants to work. @returns whether there was one */
  #makePlace(): boolean {
    const idler = this.#clients.find(({ phase, session }) => phase === "lines" && session?.role === undefined);
    idler?.abort("crowded");
    this.#pushed ||= idler !== undefined;
    return idler !== undefined;
  }

  get #ready(): boolean {
    const clients = this.#clients;
    for (let at = 0; at < clients.length; at++) if (clients[at]!.ready) return true;
    return false;
  }

  get #transmits(): boolean {
    const clients = this.#clients;
    for (let at = 0; at < clients.length; at++) if (clients[at]!.transmits) return true;
    return false;
  }

  #serve(budget: number, nowUs: number): number {
    const clients = this.#clients;
    const count = clients.length;
    const { counters } = this;
    const before = counters.authenticated;
    let first = this.#first;
    let cost = 0;
    let gone = false;
    const { clock } = this.#door;
    for (let visited = 0; visited < count && cost < budget; visited++) {
      if (cost > 0 && clock.nowUs() >= nowUs + SLICE_US) break;
      if (first >= count) first = 0;
      const client = clients[first]!;
      first++;
      if (!client.ready) continue;
      this.#first = first;
      try {
        cost += client.serve(budget - cost, nowUs);
      } catch (error) {
        cost++;
        this.#failed(client, error);
      }
      if (client.phase === "gone") gone = true;
      else this.#timeFor(client);
    }
    if (counters.authenticated !== before) {
      counters.sessionsHighWater = Math.max(counters.sessionsHighWater, this.sessions);
    }
    if (gone || this.#pushed) this.#sweep();
    this.#pushed = false;
    return cost;
  }

  #transmit(nowUs: number): number {
    const clients = this.#clients;
    let served = 0;
    let gone = false;
    for (let at = 0; at < clients.length; at++) {
      const client = clients[at]!;
      if (!client.transmits) continue;
      served++;
      try {
        client.transmit(nowUs);
      } catch (error) {
        this.#failed(client, error);
      }
      if (client.phase === "gone") gone = true;
      else this.#timeFor(client);
    }
    if (gone) this.#sweep();
    return served;
  }

  #expire(nowUs: number): void {
    for (const client of this.#clients) {
      try {
        if (client.nextUs <= nowUs) client.expire(nowUs);
      } catch (error) {
        this.#failed(client, error);
      }
    }
    this.#sweep();
    for (const client of this.#clients) this.#timeFor(client);
  }

  /** What goes wrong with one of them is its own end alone. */
  #failed(client: DoorClient, error: unknown): void {
    if (isOutOfMemory(error)) throw error;
    this.#door.failed(`connection ${client.number} of the door failed`, error);
    client.abort("failed");
  }

  /** The timer may come too early, for a time that has moved on: then it is set again. */
  #timeFor(client: DoorClient): void {
    const { nextUs } = client;
    if (nextUs < this.#timer.deadlineUs) this.#timer.set(nextUs);
  }

  #sweep(): void {
    const clients = this.#clients;
    let kept = 0;
    for (const client of clients) if (client.phase !== "gone") clients[kept++] = client;
    clients.length = kept;
  }

  /** What is counted of those that are over, and of those that are not. */
  #totals(): DoorCounters {
    const totals = { ...this.counters, ends: this.counters.ends };
    for (const { session, phase } of this.#clients) {
      if (session === undefined || phase === "closing") continue;
      const { lines, ok, err, dropped } = session.counters;
      totals.frames += lines;
      totals.ok += ok;
      totals.err += err;
      totals.dropped += dropped;
    }
    return totals;
  }
}
