/** Reads what a hive has, by lines and by 9P, over a real connection. */
import { createHash } from "node:crypto";
import type { Keyring } from "../../../cohsh/tickets/keyring.ts";
import { connectConsole, type ConsoleConnection } from "../../../cohsh/transports/tcp-connection.ts";
import { nodeBytes } from "../../../scripts/lib/node-bytes.ts";
import { Client } from "../../../services/secure9p/client.ts";
import type { Message } from "../../../services/secure9p/message.ts";
import type { Refusal } from "../../../services/secure9p/refusal.ts";

/** Verbs whose acknowledgement is all of the answer. */
const SINGLE = /^OK (AUTH|ATTACH|DETACH|MOUNT|BIND|ECHO|SPAWN|KILL|STOP|QUIT|SECURE9P)\b|^ERR /;
const PATIENCE_MS = 60_000;

export class HiveReader {
  readonly #connection: ConsoleConnection;
  #lines: string[] = [];
  #changed: () => void = () => undefined;
  #gone: string | undefined;

  private constructor(connection: ConsoleConnection) {
    this.#connection = connection;
    connection.listen(
      (line) => {
        this.#lines.push(line);
        this.#changed();
      },
      (reason) => {
        this.#gone = reason;
        this.#changed();
      },
    );
  }

  /** A session of the Queen's. */
  static async queen(port: number, keys: Keyring): Promise<HiveReader> {
    const token = keys.token();
    const ticket = keys.find("queen", undefined);
    if ("missing" in token || "missing" in ticket) throw new Error("no credentials");
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const connection = await connectConsole({ host: "127.0.0.1", port }, token.credential, signal);
    const reader = new HiveReader(connection);
    const [answer] = await reader.say(`ATTACH queen ${ticket.credential}`);
    if (answer !== "OK ATTACH role=queen") throw new Error(answer);
    return reader;
  }

  /** The answer to a line, `END` included. */
  async say(line: string): Promise<string[]> {
    this.#connection.send(line);
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const [first] = this.#lines;
      if (first !== undefined && (SINGLE.test(first) || this.#lines.at(-1) === "END")) return this.#lines.splice(0);
      if (this.#gone !== undefined) throw new Error(`${line}: ${this.#gone}`);
      if (performance.now() > deadline) throw new Error(`${line}: no answer but ${this.#lines.join("|")}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Mount a service that has dialled in, as soon as the hive has come to know it. */
  async mount(service: string, at: string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const [answer = ""] = await this.say(`MOUNT ${service} ${at}`);
      if (answer === `OK MOUNT service=${service} at=${at}`) return;
      if (!/error=(?:ENOENT|EBUSY)$/.test(answer) || performance.now() > deadline) throw new Error(answer);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Speak 9P from now on. */
  async secure9p(): Promise<NineReader> {
    const released = new Promise<ReturnType<ConsoleConnection["release"]>>((resolve, reject) => {
      this.#connection.listen(
        (line) => (line.startsWith("OK SECURE9P") ? resolve(this.#connection.release()) : reject(new Error(line))),
        (reason) => reject(new Error(reason)),
      );
    });
    this.#connection.send("SECURE9P");
    return NineReader.of(await released);
  }

  close(): void {
    this.#connection.close();
  }
}

export class NineReader {
  readonly client = new Client({ bytes: nodeBytes });
  readonly #socket: ReturnType<ConsoleConnection["release"]>["socket"];

  private constructor(socket: ReturnType<ConsoleConnection["release"]>["socket"]) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.client.receive(bytes, 0, bytes.length);
      this.#send();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => this.client.close());
    socket.resume();
  }

  static async of({ socket, rest }: ReturnType<ConsoleConnection["release"]>): Promise<NineReader> {
    const reader = new NineReader(socket);
    const { client } = reader;
    client.receive(rest, 0, rest.length);
    await reader.ask((done) => Number(client.version(done)));
    await reader.ask((done) => client.attach(client.fids.take(), "", "", done));
    return reader;
  }

  /** @throws Error with the errno's name */
  ask<T = undefined>(
    send: (done: (reply: Message, error: Refusal | undefined) => void) => number,
    take?: (reply: Message) => T,
  ): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const tag = send((reply, error) => {
        if (error === undefined) resolve(take?.(reply));
        else reject(new Error(error.code));
      });
      if (tag < 0) reject(new Error(this.client.ended?.code ?? "no tag"));
      this.#send();
    });
  }

  async open(names: readonly string[]): Promise<number> {
    const fid = this.client.fids.take();
    const walked = await this.ask(
      (done) => this.client.walk(0, fid, names, done),
      ({ nwqid }) => nwqid,
    );
    if (walked !== names.length) throw new Error(`walked ${walked} of ${names.join("/")}`);
    await this.ask((done) => this.client.open(fid, 0, done));
    return fid;
  }

  async read(fid: number, offset: number): Promise<Buffer> {
    const data = await this.ask(
      (done) => this.client.read(fid, offset, 8192, done),
      (reply) => Buffer.from(reply.data.bytes.slice(reply.data.start, reply.data.start + reply.data.length)),
    );
    return data!;
  }

  /** All of a file, eight reads at a time. */
  async cat(names: readonly string[]): Promise<Buffer> {
    const fid = await this.open(names);
    const { iounit } = this.client;
    const parts: Buffer[] = [];
    for (let at = 0; ; at += 8 * iounit) {
      const some = await Promise.all(Array.from({ length: 8 }, (_, i) => this.read(fid, at + i * iounit)));
      const whole = some.map((part) => part.subarray(0, iounit));
      parts.push(...whole);
      if (whole.some((part) => part.length < iounit)) break;
    }
    await this.ask((done) => this.client.clunk(fid, done));
    return Buffer.concat(parts);
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(): void {
    const { client } = this;
    while (client.unsent > 0) {
      this.#socket.write(client.out.slice(client.start, client.start + client.run));
      client.sent(client.run);
    }
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
