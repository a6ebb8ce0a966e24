/** The door of a whole hive, with connections whose other end is the test: it says bytes, takes what it wants, and leaves. */
import type { Connection } from "../../../../services/console/door/connection.ts";
import type { DoorLimits } from "../../../../services/console/door/limits.ts";
import { DoorServer, type DoorServerOptions } from "../../../../services/console/door/server.ts";
import type { Role } from "../../../../services/roles/roles.ts";
import { TestHive, TOKEN } from "../../hive/support.ts";
import { nodeBytes } from "../../support/ports.ts";
import { MACHINE } from "../terminal.ts";
import { frame, linesOf } from "./wire.ts";

/** As QEMU's user network shows its host. */
const REMOTE = (10 << 24) | (2 << 8) | 2;
const NOTHING = Buffer.alloc(0);

export class Caller implements Connection {
  readonly remoteAddress: number;
  readonly remotePort = 40_000;
  /** Bytes that it takes. */
  room = Infinity;
  /** Longest run in which its bytes lie, as at the end of a ring. */
  row = Infinity;
  memory: Uint8Array = NOTHING;
  head = 0;
  /** How the door ended it. */
  over: "" | "shut" | "closed" | "aborted" = "";
  #half = false;
  #reset = false;
  #come: Buffer = NOTHING;
  readonly #door: DoorTest;

  constructor(door: DoorTest, address = REMOTE) {
    this.#door = door;
    this.remoteAddress = address;
  }

  get connected(): boolean {
    return !this.#reset && this.over !== "closed" && this.over !== "aborted";
  }

  get readable(): number {
    return this.memory.length - this.head;
  }

  get run(): number {
    return Math.min(this.readable, this.row);
  }

  get ended(): boolean {
    return this.readable === 0 && (this.#half || !this.connected);
  }

  skip(count: number): void {
    if (count < 0 || count > this.readable) throw new RangeError(`skip: ${count} of ${this.readable} bytes`);
    this.head += count;
  }

  get writable(): number {
    return this.connected && this.over === "" ? this.room : 0;
  }

  write(from: Uint8Array, start: number, length: number): number {
    if (length <= 0) throw new RangeError(`write: ${length} bytes`);
    const taken = Math.min(length, this.writable);
    this.room -= taken;
    this.#come = Buffer.concat([this.#come, from.subarray(start, start + taken)]);
    return taken;
  }

  shutdown(): void {
    if (this.over === "") this.over = "shut";
  }

  close(): void {
    if (this.over === "aborted") throw new Error("close: it was aborted");
    this.over = "closed";
    this.#empty();
  }

  abort(): void {
    if (this.over === "closed") throw new Error("abort: it was closed");
    this.over = "aborted";
    this.#empty();
  }

  /** Send bytes. */
  send(...bytes: readonly Uint8Array[]): this {
    this.memory = Buffer.concat([this.memory.subarray(this.head), ...bytes]);
    this.head = 0;
    return this;
  }

  /** Close this side of it. */
  leave(): this {
    this.#half = true;
    this.#door.settle();
    return this;
  }

  reset(): void {
    this.vanish();
    this.#door.settle();
  }

  /** The same, and the door has no turn yet. */
  vanish(): void {
    this.#reset = true;
    this.#empty();
  }

  /** Bytes that came, since this was last asked. */
  bytes(): Buffer {
    this.#door.settle();
    return this.take();
  }

  /** The same, and the door has no turn before. */
  take(): Buffer {
    const come = this.#come;
    this.#come = NOTHING;
    return come;
  }

  lines(): string[] {
    return linesOf(this.bytes());
  }

  /** What comes for these lines. */
  say(...texts: (string | Uint8Array)[]): string[] {
    return this.send(...texts.map(frame)).lines();
  }

  /** Let time pass; what comes. */
  pass(ms: number): string[] {
    this.#door.pass(ms);
    return this.lines();
  }

  #empty(): void {
    this.memory = NOTHING;
    this.head = 0;
  }
}

export interface DoorSetup extends Partial<Pick<DoorServerOptions, "hive" | "verbs" | "timers">> {
  readonly limits?: Partial<DoorLimits>;
  readonly all?: TestHive;
}

export class DoorTest {
  readonly all: TestHive;
  readonly server: DoorServer;
  readonly failures: string[] = [];
  /** What one turn may do. */
  budget = 320;
  readonly #waiting: Caller[] = [];

  constructor({ all = new TestHive(), limits = {}, ...rest }: DoorSetup = {}) {
    this.all = all;
    const waiting = this.#waiting;
    this.server = new DoorServer({
      listener: {
        get pending() {
          return waiting.length;
        },
        accept: () => waiting.shift(),
      },
      bytes: nodeBytes,
      clock: all.clock,
      timers: all.timers,
      hive: () => all.hive,
      verbs: MACHINE,
      limits,
      failed: (what, error) => this.failures.push(`${what}: ${String(error)}`),
      ...rest,
    });
  }

  call(address?: number): Caller {
    const caller = this.queue(address);
    this.settle();
    return caller;
  }

  /** Somebody who waits to be accepted. */
  queue(address?: number): Caller {
    const caller = new Caller(this, address);
    this.#waiting.push(caller);
    return caller;
  }

  /** Somebody with the token. */
  enter(address?: number): Caller {
    const caller = this.call(address);
    const [answer] = caller.say(`AUTH ${TOKEN}`);
    if (answer !== "OK AUTH") throw new Error(`AUTH: ${answer}`);
    return caller;
  }

  /** Somebody who is logged in. */
  attach(role: Role = "queen", ticket = this.all.ticket(role)): Caller {
    const caller = this.enter();
    const [answer] = caller.say(`ATTACH ${role} ${ticket}`);
    if (answer !== `OK ATTACH role=${role}`) throw new Error(`ATTACH: ${answer}`);
    return caller;
  }

  /** Turns until nothing could be done. */
  settle(limit = 20_000): void {
    const { receive, dispatch, transmit } = this.server;
    const stages = [receive, dispatch, transmit];
    for (let turns = 0; stages.some((stage) => stage.ready(this.all.clock.us)); turns++) {
      if (turns === limit) throw new Error("the door never rests");
      for (const stage of stages) stage.serve(this.budget, this.all.clock.us);
    }
  }

  /** Let time pass, with a turn whenever a timer fires. */
  pass(ms: number): void {
    const { clock, timers } = this.all;
    const until = clock.us + ms * 1000;
    this.settle();
    while (timers.nextUs() <= until) {
      clock.us = Math.max(clock.us, timers.nextUs());
      this.all.pass(0);
      this.settle();
    }
    clock.us = until;
    this.settle();
  }

  get ends(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.server.counters.ends).filter(([, count]) => count > 0));
  }
}
