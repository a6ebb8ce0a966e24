/** Passes connections on to a unix socket and tells somebody all that goes through, both ways. */
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Direction } from "./listener.ts";

export interface TapOptions {
  /** The unix socket where they go. */
  readonly to: string;
  readonly tap: (connection: number, direction: Direction, bytes: Uint8Array) => void;
}

export class Tap {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #connections = 0;

  /** @param where a path of a unix socket, or a loopback TCP port, 0 for a free one */
  static async open(where: string | number, options: TapOptions): Promise<Tap> {
    const tap = new Tap(options);
    const server = tap.#server;
    await new Promise<void>((settle, fail) => {
      server.once("error", fail);
      if (typeof where === "number") server.listen(where, "127.0.0.1", settle);
      else server.listen(where, settle);
    });
    return tap;
  }

  private constructor({ to, tap }: TapOptions) {
    this.#server = createServer((client) => {
      const number = ++this.#connections;
      const server = connect(to);
      for (const [from, into, direction] of [
        [client, server, "request"],
        [server, client, "reply"],
      ] as const) {
        this.#sockets.add(from);
        from.on("error", () => undefined);
        from.on("data", (bytes: Buffer) => tap(number, direction, bytes));
        from.pipe(into);
        from.once("close", () => {
          this.#sockets.delete(from);
          into.destroySoon();
        });
      }
    });
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("Tap: no port, it is a unix socket");
    return address.port;
  }

  /** Connections there were, and that are. */
  get accepted(): number {
    return this.#connections;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((settle) => this.#server.close(() => settle()));
  }
}
