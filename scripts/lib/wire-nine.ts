/** A hive's tree, asked over 9P on a connection of its console that was switched to it. */
import type { Duplex } from "node:stream";
import type { DoorWire } from "./door-wire.ts";
import { Nine } from "./nine.ts";

/** What a hive lets a session have under way. */
const TAGS = 16;
const UNSENT_BYTES = TAGS * 8192;

export class WireNine extends Nine {
  readonly #socket: Duplex;

  private constructor(socket: Duplex) {
    super({ tags: TAGS, unsentBytes: UNSENT_BYTES });
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.client.receive(bytes, 0, bytes.length);
      this.carry();
    });
    socket.once("close", () => this.client.close());
  }

  /** @param wire on which somebody is attached; it is this one's from here on */
  static async on(wire: DoorWire): Promise<WireNine> {
    const { socket, rest } = await wire.switchTo9p();
    const nine = new WireNine(socket);
    socket.unshift(rest);
    socket.resume();
    await nine.begin();
    return nine;
  }

  close(): void {
    this.#socket.destroy();
    this.client.close();
  }

  protected carry(): void {
    const { client } = this;
    while (client.unsent > 0) {
      const { run } = client;
      this.#socket.write(Buffer.from(client.out.subarray(client.start, client.start + run)));
      client.sent(run);
    }
  }
}
