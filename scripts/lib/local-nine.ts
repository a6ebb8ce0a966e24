/** A tree of this process, asked over 9P by secure9p's own client: everything that 9P costs but a wire. */
import { SERVED } from "../../cohsh/export/serve.ts";
import { Client } from "../../services/secure9p/client.ts";
import type { Done } from "../../services/secure9p/client-calls.ts";
import type { Message } from "../../services/secure9p/message.ts";
import { Session } from "../../services/secure9p/session.ts";
import type { Tree } from "../../services/secure9p/tree.ts";
import { nodeBytes } from "./node-bytes.ts";

const TAGS = 32;
const UNSENT_BYTES = 32 * 8192;

/** Each function rejects with the errno's name where it is refused. */
export class LocalNine {
  readonly #client = new Client({ bytes: nodeBytes, tags: TAGS, unsentBytes: UNSENT_BYTES });
  readonly #session: Session;
  readonly #root: number;
  #carrying = false;
  #later: NodeJS.Immediate | undefined;

  private constructor(tree: Tree) {
    this.#session = new Session({
      tree,
      bytes: nodeBytes,
      ...SERVED,
      // As an exporter does: answers that come together leave together.
      replied: () => {
        if (!this.#carrying) this.#later ??= setImmediate(() => this.#carry());
      },
    });
    this.#root = this.#client.fids.take();
  }

  static async to(tree: Tree): Promise<LocalNine> {
    const nine = new LocalNine(tree);
    const client = nine.#client;
    await nine.#ask((done) => (client.version(done) ? 0 : -1));
    await nine.#ask((done) => client.attach(nine.#root, "bench", "", done));
    return nine;
  }

  /** Bytes of the largest read. */
  get iounit(): number {
    return this.#client.iounit;
  }

  /** @param flags as those of open(2). @returns the fid */
  async open(path: string, flags: number): Promise<number> {
    const client = this.#client;
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
      (done) => this.#client.read(fid, offset, count, done),
      ({ data }) => data.bytes.slice(data.start, data.start + data.length),
    );
  }

  /** @returns how many of the bytes were taken */
  write(fid: number, offset: number, bytes: Uint8Array): Promise<number> {
    return this.#ask(
      (done) => this.#client.write(fid, offset, bytes, 0, bytes.length, done),
      ({ count }) => count,
    );
  }

  async clunk(fid: number): Promise<void> {
    await this.#ask((done) => this.#client.clunk(fid, done));
  }

  /** What waits is refused. */
  close(): void {
    clearImmediate(this.#later);
    this.#session.close();
    this.#client.close();
  }

  #ask<T = void>(send: (done: Done) => number, take?: (reply: Message) => T): Promise<T> {
    return new Promise((settle, fail) => {
      const tag = send((reply, error) => {
        if (error === undefined) settle(take?.(reply) as T);
        else fail(new Error(`the tree answers ${error.code}`));
      });
      if (tag < 0) fail(new Error("it is asked for more than it has room for"));
      this.#carry();
    });
  }

  #carry(): void {
    this.#later = undefined;
    if (this.#carrying) return;
    this.#carrying = true;
    const client = this.#client;
    const session = this.#session;
    while (client.unsent + session.unsent > 0) {
      if (client.unsent > 0) client.sent(session.receive(client.out, client.start, client.run));
      if (session.unsent > 0) {
        const { run } = session;
        client.receive(session.out, session.start, run);
        session.sent(run);
      }
    }
    this.#carrying = false;
  }
}
