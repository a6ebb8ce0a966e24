/**
 * The console door of a hive in this process, on a port of the loopback: real sockets and real time before the very code that
 * serves TCP in the hive. For tests of clients.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Connection, Listener } from "../../../../services/console/door/connection.ts";
import type { DoorLimits } from "../../../../services/console/door/limits.ts";
import { DoorServer } from "../../../../services/console/door/server.ts";
import type { Handler, MachineVerb } from "../../../../services/console/verbs.ts";
import type { Clock } from "../../../../services/ports/index.ts";
import type { TimerPort } from "../../../../services/pump/timers.ts";
import { parseIpv4 } from "../../../../services/net/address.ts";
import type { TestHive } from "../../hive/support.ts";
import { nodeBytes } from "../../support/ports.ts";
import { MACHINE } from "../terminal.ts";

/** Bytes that a connection keeps in each direction, as a TCP of the hive's does. */
const BUFFER = 16_384;
/** Longest time between two looks at the clock, in milliseconds. */
const LOOK_MS = 5;
const BUDGET = 320;
const NOTHING = new Uint8Array(0);

class NodeConnection implements Connection {
  readonly remoteAddress: number;
  readonly remotePort: number;
  memory: Uint8Array = NOTHING;
  head = 0;
  #finished = false;
  #closed = false;
  readonly #socket: Socket;

  constructor(socket: Socket, changed: () => void) {
    this.#socket = socket;
    this.remoteAddress = parseIpv4(socket.remoteAddress ?? "") ?? 0;
    this.remotePort = socket.remotePort ?? 0;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => {
      this.memory = Buffer.concat([this.memory.subarray(this.head), bytes]);
      this.head = 0;
      if (this.run > BUFFER) socket.pause();
      changed();
    });
    socket.on("end", () => {
      this.#finished = true;
      changed();
    });
    socket.on("drain", changed);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#closed = true;
      changed();
    });
  }

  get connected(): boolean {
    return !this.#closed;
  }

  get readable(): number {
    return this.memory.length - this.head;
  }

  get run(): number {
    return this.readable;
  }

  get ended(): boolean {
    return this.readable === 0 && (this.#finished || this.#closed);
  }

  skip(count: number): void {
    if (count > this.readable) throw new RangeError(`skip: ${count} of ${this.readable} bytes`);
    this.head += count;
    if (this.readable <= BUFFER) this.#socket.resume();
  }

  get writable(): number {
    return this.#closed || this.#socket.writableEnded ? 0 : Math.max(0, BUFFER - this.#socket.writableLength);
  }

  write(from: Uint8Array, start: number, length: number): number {
    const taken = Math.min(length, this.writable);
    if (taken > 0) this.#socket.write(from.slice(start, start + taken));
    return taken;
  }

  shutdown(): void {
    this.#socket.end();
  }

  close(): void {
    this.memory = NOTHING;
    this.head = 0;
    this.#socket.end();
    this.#socket.resume();
  }

  abort(): void {
    this.memory = NOTHING;
    this.head = 0;
    this.#closed = true;
    this.#socket.resetAndDestroy();
  }
}

/** What a door needs of a hive in this process. */
export type DoorHost = Pick<TestHive, "hive" | "errors" | "pass"> & {
  readonly timers: TimerPort;
  readonly clock: Clock & { readonly us: number };
};

export interface OpenDoorOptions {
  /** 0 for a free one. */
  readonly port: number;
  readonly limits?: Partial<DoorLimits>;
  readonly verbs?: Readonly<Record<MachineVerb, Handler>>;
}

export interface OpenDoor {
  readonly port: number;
  readonly server: DoorServer;
  /** Cut all connections, as a link that fails does, and go on listening. */
  cut(): void;
  close(): Promise<void>;
}

/** Open the door of a hive on 127.0.0.1. The hive's clock goes with the real one until it is closed. */
export async function openDoor(
  all: DoorHost,
  { port, limits = {}, verbs = MACHINE }: OpenDoorOptions,
): Promise<OpenDoor> {
  const waiting: NodeConnection[] = [];
  const sockets = new Set<Socket>();
  const listener: Listener = {
    get pending() {
      return waiting.length;
    },
    accept: () => waiting.shift(),
  };
  const door = new DoorServer({
    listener,
    bytes: nodeBytes,
    clock: all.clock,
    timers: all.timers,
    hive: () => all.hive,
    verbs,
    limits,
    failed: (what, error) => all.errors.push(new Error(what, { cause: error })),
  });
  let thenMs = performance.now();
  let turn: NodeJS.Immediate | undefined;
  const serve = (): void => {
    turn = undefined;
    const nowMs = performance.now();
    all.pass(Math.floor(nowMs - thenMs));
    thenMs += Math.floor(nowMs - thenMs);
    const { receive, dispatch, transmit } = door;
    const nowUs = all.clock.us;
    receive.serve(BUDGET, nowUs);
    dispatch.serve(BUDGET, nowUs);
    transmit.serve(BUDGET, nowUs);
    if (receive.ready(nowUs) || dispatch.ready(nowUs) || transmit.ready(nowUs)) changed();
  };
  const changed = (): void => {
    turn ??= setImmediate(serve);
  };
  const look = setInterval(changed, LOOK_MS);
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    waiting.push(new NodeConnection(socket, changed));
    changed();
  });
  await new Promise<void>((settle, fail) => {
    server.once("error", fail);
    server.listen(port, "127.0.0.1", settle);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("openDoor: no port");
  return {
    port: address.port,
    server: door,
    cut: () => sockets.forEach((socket) => socket.resetAndDestroy()),
    close: async () => {
      clearInterval(look);
      clearImmediate(turn);
      door.close();
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((settle) => server.close(() => settle()));
    },
  };
}
