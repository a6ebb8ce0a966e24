/**
 * Load on a 9P server at the other end of a unix socket, by secure9p's own client: operations that each wait for their
 * answers, as many of them side by side as wanted. Every answer is checked, so a server cannot be fast by refusing.
 */
import { connect } from "node:net";
import { nodeBytes } from "./node-bytes.ts";
import { Client } from "../../services/secure9p/client.ts";
import type { Done } from "../../services/secure9p/client-calls.ts";
import { O_RDONLY, O_WRONLY } from "../../services/secure9p/constants.ts";
import type { Message } from "../../services/secure9p/message.ts";
import type { Refusal } from "../../services/secure9p/refusal.ts";
import { NinePWire } from "./ninep-wire.ts";

export interface LoadOptions {
  readonly socket: string;
  readonly aname: string;
  /** Most operations side by side. */
  readonly lanes: number;
  /** Bytes of `/proc/boot`. */
  readonly bootBytes: number;
}

/** What is done again and again. */
export type Work = "boot" | "append";

const BOOT = ["proc", "boot"];
const LOG = ["log", "queen.log"];
/** open(2); a server that keeps files would overwrite otherwise. */
const O_APPEND = 0o2000;
const LINE = Buffer.from("heartbeat 42: all is well, and the line has some length to it.\n");
const ROOT_FID = 0;
const LOG_FID = 1;
const READ_BYTES = 4096;

export class NinePLoad {
  readonly #client: Client;
  readonly #wire: NinePWire;
  readonly #lanes: readonly Lane[];
  #running = 0;
  #stopped = true;
  #operations = 0;
  #ended: ((error: Error | undefined) => void) | undefined;

  /** @throws Error if the server does not let it in. */
  static async open(options: LoadOptions): Promise<NinePLoad> {
    const load = new NinePLoad(options);
    const client = load.#client;
    await new Promise<void>((settle, fail) => load.#wire.socket.once("connect", settle).once("error", fail));
    await load.#ask((done) => client.version(done));
    await load.#ask((done) => client.attach(ROOT_FID, "root", options.aname, done));
    await load.#ask((done) => client.walk(ROOT_FID, LOG_FID, LOG, done));
    await load.#ask((done) => client.open(LOG_FID, O_WRONLY | O_APPEND, done));
    return load;
  }

  private constructor({ socket, lanes, bootBytes }: LoadOptions) {
    const client = new Client({
      bytes: nodeBytes,
      tags: lanes,
      failed: (error) => this.#end(error instanceof Error ? error : new Error(String(error))),
    });
    this.#client = client;
    this.#wire = new NinePWire(client, (buffer, callback) => connect({ path: socket, onread: { buffer, callback } }));
    this.#wire.socket.on("close", () => this.#end(new Error("the server has closed the connection")));
    this.#lanes = Array.from(
      { length: lanes },
      (_, i) => new Lane(client, LOG_FID + 1 + i, bootBytes, () => this.#more()),
    );
  }

  /** Do that, so many side by side, for so long. @returns operations a second */
  async run(work: Work, lanes: number, ms: number): Promise<number> {
    this.#operations = 0;
    this.#running = lanes;
    this.#stopped = false;
    const since = performance.now();
    const ended = new Promise<Error | undefined>((settle) => (this.#ended = settle));
    for (const lane of this.#lanes.slice(0, lanes)) lane.begin(work);
    this.#wire.flush();
    const timer = setTimeout(() => (this.#stopped = true), ms);
    const error = await ended;
    clearTimeout(timer);
    if (error !== undefined) throw error;
    return (this.#operations * 1000) / (performance.now() - since);
  }

  close(): void {
    this.#wire.socket.destroy();
  }

  /** An operation is done. @returns whether its lane goes on. */
  #more(): boolean {
    this.#operations++;
    if (!this.#stopped) return true;
    if (--this.#running === 0) this.#end(undefined);
    return false;
  }

  #end(error: Error | undefined): void {
    this.#stopped = true;
    this.#ended?.(error);
    this.#ended = undefined;
  }

  #ask(send: (done: Done) => unknown): Promise<void> {
    return new Promise((settle, fail) => {
      this.#wire.socket.once("close", () => fail(new Error("the server has closed the connection")));
      send((_, error) => (error === undefined ? settle() : fail(new Error(`the server answers ${error.code}`))));
      this.#wire.flush();
    });
  }
}

/** One operation after the other. */
class Lane {
  readonly #client: Client;
  readonly #fid: number;
  readonly #bootBytes: number;
  readonly #more: () => boolean;

  constructor(client: Client, fid: number, bootBytes: number, more: () => boolean) {
    this.#client = client;
    this.#fid = fid;
    this.#bootBytes = bootBytes;
    this.#more = more;
  }

  begin(work: Work): void {
    if (work === "boot") this.#walk();
    else this.#append();
  }

  #walk(): void {
    this.#client.walk(ROOT_FID, this.#fid, BOOT, this.#walked);
  }

  readonly #walked = (reply: Message, error: Refusal | undefined): void => {
    expect(error, reply.nwqid, BOOT.length);
    this.#client.open(this.#fid, O_RDONLY, this.#opened);
  };

  readonly #opened = (_: Message, error: Refusal | undefined): void => {
    expect(error, 0, 0);
    this.#client.read(this.#fid, 0, READ_BYTES, this.#read);
  };

  readonly #read = (reply: Message, error: Refusal | undefined): void => {
    expect(error, reply.data.length, this.#bootBytes);
    this.#client.clunk(this.#fid, this.#clunked);
  };

  readonly #clunked = (_: Message, error: Refusal | undefined): void => {
    expect(error, 0, 0);
    if (this.#more()) this.#walk();
  };

  #append(): void {
    this.#client.write(LOG_FID, 0, LINE, 0, LINE.length, this.#appended);
  }

  readonly #appended = (reply: Message, error: Refusal | undefined): void => {
    expect(error, reply.count, LINE.length);
    if (this.#more()) this.#append();
  };
}

function expect(error: Refusal | undefined, got: number, wanted: number): void {
  if (error !== undefined) throw new Error(`the server answers ${error.code}`);
  if (got !== wanted) throw new Error(`the server answers ${got}, not ${wanted}`);
}
