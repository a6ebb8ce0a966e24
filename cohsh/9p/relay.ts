/**
 * A unix socket at which programs of this user speak 9P2000.L with a hive: each connection gets one of its own to the hive, and bytes
 * go both ways no faster than they are taken. When either ends the other does; connections are bounded, and the socket is removed.
 */

import { chmodSync, lstatSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Attached, keepAlive } from "./attach.ts";
import { within } from "../transports/within.ts";

export interface RelayOptions {
  readonly path: string;
  /** A way to the hive for one connection. @throws Error with one sentence */
  readonly attach: (signal: AbortSignal) => Promise<Attached>;
  /** How long that may take. */
  readonly patienceMs: number;
  /** Told in a sentence what went wrong with a connection. */
  readonly said: (sentence: string) => void;
  /** Connections at once; a hive has 16 sessions for everybody. */
  readonly limit?: number;
}

const LIMIT = 8;
/** As long as a unix socket's name may be on every system that we know, its end included. */
const PATH_BYTES = 103;

export class Relay {
  readonly #options: RelayOptions;
  readonly #end = new AbortController();
  readonly #sockets = new Set<Duplex>();
  #server: Server | undefined;
  #clients = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  get clients(): number {
    return this.#clients;
  }

  /** Be there for others. @throws Error with one sentence */
  async listen(): Promise<void> {
    const { path } = this.#options;
    if (Buffer.byteLength(path) > PATH_BYTES) throw new Error(`${path} is longer than a unix socket's name may be`);
    await makeRoom(path);
    const server = createServer((client) => void this.#serve(client));
    this.#server = server;
    // From its first moment on nobody else may connect.
    const mask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", (error) =>
          reject(new Error(`${path} cannot be made: ${error.message}`, { cause: error })),
        );
        server.listen(path, resolve);
      });
      chmodSync(path, 0o600);
    } finally {
      process.umask(mask);
    }
  }

  async close(): Promise<void> {
    this.#end.abort();
    for (const socket of this.#sockets) socket.destroy();
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  async #serve(client: Socket): Promise<void> {
    const { attach, said, patienceMs, limit = LIMIT } = this.#options;
    client.pause();
    this.#keep(client);
    if (this.#clients >= limit) {
      said(`a connection was turned away: there are ${limit} already`);
      client.destroy();
      return;
    }
    this.#clients++;
    client.once("close", () => this.#clients--);
    try {
      const gone = new AbortController();
      client.once("close", () => gone.abort());
      const { socket, rest } = await within(patienceMs, [this.#end.signal, gone.signal], attach);
      this.#keep(socket);
      if (client.destroyed) {
        socket.destroy();
        return;
      }
      join(client, socket, rest);
    } catch (error) {
      if (!client.destroyed) said(error instanceof Error ? error.message : String(error));
      client.destroy();
    }
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => this.#sockets.delete(socket));
  }
}

function join(client: Socket, hive: Duplex, rest: Uint8Array): void {
  keepAlive(hive);
  client.once("close", () => hive.destroy());
  hive.once("close", () => client.destroySoon());
  if (rest.length > 0) client.write(rest);
  client.pipe(hive);
  hive.pipe(client);
}

/** Remove what a relay left behind that was killed, and nothing else. */
async function makeRoom(path: string): Promise<void> {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return;
  if (!status.isSocket()) throw new Error(`${path} is there and is no socket`);
  const answered = await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
  if (answered) throw new Error(`somebody listens at ${path} already`);
  rmSync(path);
}
