/**
 * A 9P client of a hive on the other side of TCP: attached and switched as `cohsh 9p` does it, then secure9p's own client, which
 * sends as many requests at once as it has tags and lets the others wait. What is refused reads `!EPERM` and the like.
 */
import type { Duplex } from "node:stream";
import { attach9p } from "../../cohsh/9p/attach.ts";
import { nodeBytes } from "../../scripts/lib/node-bytes.ts";
import type { Role } from "../../services/roles/roles.ts";
import { Client, NO_TAG } from "../../services/secure9p/client.ts";
import type { Done } from "../../services/secure9p/client-calls.ts";
import { O_RDONLY, O_WRONLY } from "../../services/secure9p/constants.ts";
import { Entries } from "../../services/secure9p/entries.ts";
import type { Message } from "../../services/secure9p/message.ts";
import { CLOSED } from "../../services/secure9p/refusal.ts";

const PATIENCE_MS = 20_000;
const ROOT = 0;
/** As many as a hive lets one session have. */
const TAGS = 16;
const READ_BYTES = 8000;

export interface Login {
  readonly port: number;
  readonly token: string;
  readonly role: Role;
  readonly ticket: string;
}

/** Of a directory; `type` is its qid's. */
export interface Listed {
  readonly name: string;
  readonly type: number;
}

export class NineClient {
  readonly #socket: Duplex;
  readonly #client: Client;
  readonly #failures: unknown[] = [];
  /** Requests that found no free tag. */
  readonly #waiting: (() => boolean)[] = [];

  /** @throws Error with one sentence if the hive does not let it in. */
  static async open({ port, token, role, ticket }: Login): Promise<NineClient> {
    const { socket, rest } = await attach9p(
      {
        address: { host: "127.0.0.1", port },
        token: () => ({ credential: token }),
        role,
        credential: () => ({ credential: ticket }),
      },
      AbortSignal.timeout(PATIENCE_MS),
    );
    const client = new NineClient(socket, rest);
    const why = await client.#begin();
    if (why === "") return client;
    client.close();
    throw new Error(`9P as ${role}: ${why}`);
  }

  private constructor(socket: Duplex, rest: Uint8Array) {
    this.#socket = socket;
    this.#client = new Client({ bytes: nodeBytes, tags: TAGS, failed: (error) => this.#failures.push(error) });
    this.#client.fids.take();
    const take = (bytes: Uint8Array): void => {
      this.#client.receive(bytes, 0, bytes.length);
      this.#more();
    };
    socket.on("data", take);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#client.close(CLOSED);
      this.#more();
    });
    socket.resume();
    if (rest.length > 0) take(rest);
  }

  /** Leave. @throws Error if what the hive said could not be taken. */
  close(): void {
    this.#socket.destroy();
    this.#client.close(CLOSED);
    if (this.#failures.length > 0) throw new AggregateError(this.#failures, "an answer was not taken");
  }

  /** @returns the fid, or why there is none; a walk that ends on its way is asked why. */
  async walk(path: string): Promise<number | string> {
    const names = path.split("/").filter((name) => name !== "");
    const fid = this.#client.fids.take();
    if (fid < 0) throw new Error("NineClient: all fids are open");
    // A number whose walk made no fid is free again by itself.
    const walked = await this.#walk(ROOT, fid, names);
    if (typeof walked === "string") return walked;
    if (walked === names.length) return fid;
    const part = this.#client.fids.take();
    await this.#walk(ROOT, part, names.slice(0, walked));
    const why = await this.#walk(part, this.#client.fids.take(), names.slice(walked));
    await this.clunk(part);
    if (typeof why === "string") return why;
    throw new Error(`${path}: it was not there, and then it was`);
  }

  async open(path: string, flags = O_RDONLY): Promise<number | string> {
    const fid = await this.walk(path);
    if (typeof fid === "string") return fid;
    const why = await this.#ask((done) => this.#client.open(fid, flags, done));
    if (why === "") return fid;
    await this.clunk(fid);
    return why;
  }

  /** Open what must open. */
  async opened(path: string, flags = O_RDONLY): Promise<number> {
    const fid = await this.open(path, flags);
    if (typeof fid === "string") throw new Error(`${path}: ${fid}`);
    return fid;
  }

  /** Bytes from an offset, none at the end; or why not. */
  async read(fid: number, offset: number): Promise<Buffer | string> {
    let data = Buffer.alloc(0);
    const why = await this.#ask(
      (done) => this.#client.read(fid, offset, READ_BYTES, done),
      ({ data: { bytes, start, length } }) => {
        data = Buffer.from(bytes.slice(start, start + length));
      },
    );
    return why === "" ? data : why;
  }

  /** @returns how many bytes were taken, or why none were. */
  async write(fid: number, data: string | Uint8Array, offset = 0): Promise<string> {
    const bytes = Buffer.from(data);
    let count = -1;
    const why = await this.#ask(
      (done) => this.#client.write(fid, offset, bytes, 0, bytes.length, done),
      (reply) => {
        count = reply.count;
      },
    );
    return why === "" ? String(count) : why;
  }

  async clunk(fid: number): Promise<string> {
    return this.#ask((done) => this.#client.clunk(fid, done));
  }

  /** All of a file, or why not. */
  async cat(path: string): Promise<string> {
    return this.#with(path, O_RDONLY, async (fid) => {
      const parts: Buffer[] = [];
      for (let offset = 0; ;) {
        const part = await this.read(fid, offset);
        if (typeof part === "string") return part;
        if (part.length === 0) return Buffer.concat(parts).toString();
        parts.push(part);
        offset += part.length;
      }
    });
  }

  /** Open, write, close. @returns what {@link write} does */
  echo(line: string, path: string): Promise<string> {
    return this.#with(path, O_WRONLY, (fid) => this.write(fid, line));
  }

  /** What is in a directory, or why that is not told. */
  async list(path: string): Promise<Listed[] | string> {
    return this.#with(path, O_RDONLY, async (fid) => {
      const entries = new Entries(nodeBytes);
      const listed: Listed[] = [];
      for (let offset = 0, before = -1; listed.length > before;) {
        before = listed.length;
        const why = await this.#ask(
          (done) => this.#client.readdir(fid, offset, READ_BYTES, done),
          (reply) => {
            entries.begin(reply.data);
            while (entries.next()) {
              listed.push({ name: entries.name.text(nodeBytes), type: entries.qid.type });
              offset = entries.offset;
            }
          },
        );
        if (why !== "") return why;
      }
      return listed;
    });
  }

  /** The names in it. */
  async names(path: string): Promise<string[] | string> {
    const listed = await this.list(path);
    return typeof listed === "string" ? listed : listed.map(({ name }) => name);
  }

  /** The value that stands behind a name in a file of counters. */
  async counter(path: string, name: string): Promise<number> {
    const value = new RegExp(`^${name} (\\d+)$`, "m").exec(await this.cat(path))?.[1];
    if (value === undefined) throw new Error(`${path} has no ${name}`);
    return Number(value);
  }

  /** Do something with an open file, and close it. */
  async #with<T>(path: string, flags: number, work: (fid: number) => Promise<T>): Promise<T | string> {
    const fid = await this.open(path, flags);
    if (typeof fid === "string") return fid;
    const result = await work(fid);
    await this.clunk(fid);
    return result;
  }

  async #begin(): Promise<string> {
    const why = await new Promise<string>((settle) => {
      this.#client.version((_, error) => settle(error === undefined ? "" : `!${error.code}`));
      this.#flush();
    });
    return why === "" ? this.#ask((done) => this.#client.attach(ROOT, "", "", done)) : why;
  }

  async #walk(from: number, to: number, names: readonly string[]): Promise<number | string> {
    let walked = 0;
    const why = await this.#ask(
      (done) => this.#client.walk(from, to, names, done),
      (reply) => {
        walked = reply.nwqid;
      },
    );
    return why === "" ? walked : why;
  }

  /** @returns "" or why not. */
  #ask(send: (done: Done) => number, take?: (reply: Message) => void): Promise<string> {
    return new Promise((settle) => {
      const done: Done = (reply, error) => {
        if (error === undefined) take?.(reply);
        settle(error === undefined ? "" : `!${error.code}`);
      };
      this.#waiting.push(() => {
        if (send(done) !== NO_TAG) return true;
        const { ended } = this.#client;
        if (ended !== undefined) settle(`!${ended.code}`);
        return ended !== undefined;
      });
      this.#more();
    });
  }

  /** Send what can be sent now, in the order in which it was asked. */
  #more(): void {
    while (this.#waiting[0]?.() === true) this.#waiting.shift();
    this.#flush();
  }

  #flush(): void {
    const client = this.#client;
    while (client.unsent > 0) {
      const { start, run } = client;
      this.#socket.write(client.out.slice(start, start + run));
      client.sent(run);
    }
  }
}
