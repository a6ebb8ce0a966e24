/** A file of a hive, open over 9P on a connection that was switched to it: all of it read, or much written, many at once. */
import { Client } from "../../services/secure9p/client.ts";
import type { Message } from "../../services/secure9p/message.ts";
import type { Refusal } from "../../services/secure9p/refusal.ts";
import type { DoorWire } from "./door-wire.ts";
import { nodeBytes } from "./node-bytes.ts";

const ROOT_FID = 0;
const FILE_FID = 1;

export class NineFile {
  readonly #client: Client;
  readonly #send: () => void;
  readonly close: () => void;
  #fail: (error: Error) => void = () => undefined;

  private constructor(released: ReturnType<DoorWire["release"]>) {
    const { socket, rest } = released;
    const client = new Client({ bytes: nodeBytes, failed: (error) => this.#fail(error as Error) });
    this.#client = client;
    this.#send = () => {
      while (client.unsent > 0) {
        const { run } = client;
        socket.write(Buffer.from(client.out.subarray(client.start, client.start + run)));
        client.sent(run);
      }
    };
    this.close = () => socket.destroy();
    socket.on("data", (bytes: Buffer) => {
      client.receive(bytes, 0, bytes.length);
      this.#send();
    });
    socket.once("close", () => this.#fail(new Error("the hive has closed the connection")));
    client.receive(rest, 0, rest.length);
    socket.resume();
  }

  /** @param flags as those of open(2) */
  static async open(wire: DoorWire, names: readonly string[], flags: number): Promise<NineFile> {
    const file = new NineFile(await wire.switchTo9p());
    const client = file.#client;
    await file.#ask((done) => client.version(done));
    await file.#ask((done) => client.attach(ROOT_FID, "root", "", done));
    await file.#ask((done) => client.walk(ROOT_FID, FILE_FID, names, done));
    await file.#ask((done) => client.open(FILE_FID, flags, done));
    return file;
  }

  /** All there is, with so many reads under way. @returns bytes */
  read(depth: number): Promise<number> {
    const client = this.#client;
    return new Promise((settle, fail) => {
      this.#fail = fail;
      let total = 0;
      let offset = 0;
      let waiting = 0;
      let over = false;
      const next = (): void => {
        waiting++;
        client.read(FILE_FID, offset, client.iounit, (reply, error) => {
          waiting--;
          if (error !== undefined) return fail(new Error(`the hive answers ${error.code}`));
          total += reply.data.length;
          if (reply.data.length < client.iounit) over = true;
          if (!over) next();
          else if (waiting === 0) settle(total);
        });
        offset += client.iounit;
      };
      for (let i = 0; i < depth; i++) next();
      this.#send();
    });
  }

  /** Write so often, with so many writes under way. @returns bytes that were taken */
  write(bytes: Uint8Array, times: number, depth: number): Promise<number> {
    const client = this.#client;
    return new Promise((settle, fail) => {
      this.#fail = fail;
      let total = 0;
      let left = times;
      let waiting = 0;
      const next = (): void => {
        waiting++;
        left--;
        client.write(FILE_FID, 0, bytes, 0, bytes.length, (reply, error) => {
          waiting--;
          if (error !== undefined) return fail(new Error(`the hive answers ${error.code}`));
          total += reply.count;
          if (left > 0) next();
          else if (waiting === 0) settle(total);
        });
      };
      for (let i = 0; i < depth && left > 0; i++) next();
      this.#send();
    });
  }

  #ask(send: (done: (reply: Message, error: Refusal | undefined) => void) => unknown): Promise<void> {
    return new Promise((settle, fail) => {
      this.#fail = fail;
      send((_, error) => (error === undefined ? settle() : fail(new Error(`the hive answers ${error.code}`))));
      this.#send();
    });
  }
}
