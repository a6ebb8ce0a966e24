/** A tree that is asked over 9P by secure9p's own client, as promises; what carries the bytes is a subclass's. */
import { Client } from "../../services/secure9p/client.ts";
import type { Done } from "../../services/secure9p/client-calls.ts";
import type { Message } from "../../services/secure9p/message.ts";
import { nodeBytes } from "./node-bytes.ts";

/** Each function rejects with the errno's name where it is refused. */
export abstract class Nine {
  protected readonly client: Client;
  readonly #root: number;

  protected constructor(options: { readonly tags: number; readonly unsentBytes: number }) {
    this.client = new Client({ bytes: nodeBytes, ...options });
    this.#root = this.client.fids.take();
  }

  /** Let what the client has for the tree go its way. */
  protected abstract carry(): void;
  /** What waits is refused. */
  abstract close(): void;

  /** Before all else. */
  protected async begin(): Promise<void> {
    const { client } = this;
    await this.#ask((done) => (client.version(done) ? 0 : -1));
    await this.#ask((done) => client.attach(this.#root, "bench", "", done));
  }

  /** @param flags as those of open(2). @returns the fid */
  async open(path: string, flags: number): Promise<number> {
    const { client } = this;
    const fid = client.fids.take();
    const names = path.split("/");
    const walked = await this.#ask(
      (done) => client.walk(this.#root, fid, names, done),
      ({ nwqid }) => nwqid,
    );
    if (walked !== names.length) throw new Error(`there is no ${path}`);
    await this.#ask((done) => client.open(fid, flags, done));
    return fid;
  }

  /** @returns up to so many bytes, none at the end */
  read(fid: number, offset: number, count: number): Promise<Uint8Array> {
    return this.#ask(
      (done) => this.client.read(fid, offset, count, done),
      ({ data }) => data.bytes.slice(data.start, data.start + data.length),
    );
  }

  /** @returns how many of the bytes were taken */
  write(fid: number, offset: number, bytes: Uint8Array): Promise<number> {
    return this.#ask(
      (done) => this.client.write(fid, offset, bytes, 0, bytes.length, done),
      ({ count }) => count,
    );
  }

  async clunk(fid: number): Promise<void> {
    await this.#ask((done) => this.client.clunk(fid, done));
  }

  /** Bytes of the largest read. */
  get iounit(): number {
    return this.client.iounit;
  }

  /** Write all from a file's beginning, so many writes at once. @returns bytes that were taken */
  writeAll(fid: number, bytes: Uint8Array, atOnce: number): Promise<number> {
    return spread(bytes.length, this.iounit, atOnce, (offset, length) =>
      this.write(fid, offset, bytes.subarray(offset, offset + length)),
    );
  }

  /** Fill it from a file's beginning, so many reads at once. @returns bytes that there were */
  readAll(fid: number, into: Uint8Array, atOnce: number): Promise<number> {
    return spread(into.length, this.iounit, atOnce, async (offset, length) => {
      const part = await this.read(fid, offset, length);
      into.set(part, offset);
      return part.length;
    });
  }

  #ask<T = void>(send: (done: Done) => number, take?: (reply: Message) => T): Promise<T> {
    return new Promise((settle, fail) => {
      const tag = send((reply, error) => {
        if (error === undefined) settle(take?.(reply) as T);
        else fail(new Error(`the tree answers ${error.code}`));
      });
      if (tag < 0) fail(new Error("it is asked for more than it has room for"));
      this.carry();
    });
  }
}

/** Move that many bytes in parts, so many at once. @param move says how many bytes of a part it moved. @returns all that were moved */
async function spread(
  length: number,
  part: number,
  atOnce: number,
  move: (offset: number, length: number) => Promise<number>,
): Promise<number> {
  let next = 0;
  let moved = 0;
  const lane = async (): Promise<void> => {
    while (next < length) {
      const from = next;
      const to = Math.min(length, from + part);
      next = to;
      for (let at = from; at < to;) {
        const count = await move(at, to - at);
        if (count === 0) return;
        at += count;
        moved += count;
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return moved;
}
