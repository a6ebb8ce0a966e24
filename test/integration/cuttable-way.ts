/** A port of the loopback that leads to another, and can be cut: whoever is connected then is cut off, and may come again. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

export class CuttableWay {
  /** Where it leads to; whoever comes next is led there. */
  target: number;
  /** Whether it leads nowhere: whoever comes is cut off at once. */
  closed = false;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  static async open(target: number): Promise<CuttableWay> {
    const way = new CuttableWay(target);
    way.#server.listen(0, "127.0.0.1");
    await once(way.#server, "listening");
    return way;
  }

  private constructor(target: number) {
    this.target = target;
    this.#server = createServer((near) => this.#lead(near));
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the way is closed");
    return address.port;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #lead(near: Socket): void {
    if (this.closed) return void near.destroy();
    const far = connect(this.target, "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}
