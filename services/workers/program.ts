/**
 * What the programs of all workers are made of, without their engine: from one reply of the root to the next call. A program
 * speaks 9P and nothing else; whatever the hive refuses that it cannot do without ends it with an Error of one sentence.
 */
import type { Bytes } from "../ports/index.ts";
import { Client, NO_TAG } from "../secure9p/client.ts";
import type { Done } from "../secure9p/client-calls.ts";
import type { Refusal } from "../secure9p/refusal.ts";
import { FRAME_BYTES, PROTOCOL_VERSION, WORKER, type WorkerArgs } from "./protocol.ts";

/** What a worker has of its engine. */
export interface WorkerPort {
  readonly bytes: Bytes;
  /** {@link FRAME_BYTES}, shared with the root. */
  readonly frame: Uint8Array;
  readonly args: WorkerArgs;
}

/** A call: its label and word. */
export type WorkerCall = readonly [label: number, word: number];

/** What its 9P client may hold. */
export interface ProgramLimits {
  readonly fids: number;
  readonly tags: number;
  readonly unsentBytes: number;
}

/** Where every program attaches. */
export const ROOT = 0;

export abstract class Program {
  protected readonly bytes: Bytes;
  protected readonly client: Client;
  readonly #frame: Uint8Array;
  readonly #call: [label: number, word: number] = [WORKER.HELLO, PROTOCOL_VERSION];
  #state: "new" | "greeted" | "started" | "finished" = "new";
  #failure: Error | undefined = undefined;

  /** @throws Error if it is asked to be another kind of worker. */
  constructor({ bytes, frame, args: [kind] }: WorkerPort, own: number, limits: ProgramLimits) {
    if (kind !== own) throw new Error(`Worker: this program is no worker of kind ${kind}.`);
    this.bytes = bytes;
    this.#frame = frame;
    this.client = new Client({
      bytes,
      ...limits,
      failed: (error) => {
        // What is no Error is the engine's word for having no memory left.
        this.#failure ??= error instanceof Error ? error : new Error("Worker: out of memory.");
      },
    });
  }

  /** @returns the next call, the same array each time. @throws Error, one sentence, if it cannot go on. */
  step(label: number, word: number): WorkerCall {
    if (this.#state === "new") {
      this.#state = "greeted";
      return this.#call;
    }
    if (this.#state === "greeted" && label === WORKER.START) this.#start(word);
    else if (this.#state === "started" && label === WORKER.FRAMES) this.client.receive(this.#frame, 0, word);
    else throw new Error(`Worker: the root answered with label ${label} out of turn.`);
    if (this.#failure !== undefined) throw this.#failure;
    if (this.client.ended !== undefined) throw new Error("Worker: the hive's answers are no 9P.");
    this.received();
    return this.#finished() ? this.#next(WORKER.EXIT, 0) : this.#next(WORKER.FRAMES, this.#flush());
  }

  /** It has its session. @param about what it was told besides its ticket, "" if nothing */
  protected abstract attached(about: string): void;

  /** All replies that came together have been taken. */
  protected received(): void {
    // Most have done what is to be done with each.
  }

  /** It has done what it is for. */
  protected finish(): void {
    this.#state = "finished";
  }

  /** Walk to a file and open it. */
  protected open(fid: number, path: readonly string[], flags: number, then: () => void): void {
    const { client } = this;
    const walked: Done = (reply, error) => {
      const whole = error !== undefined || reply.nwqid === path.length;
      accept(whole ? `walk to /${path.join("/")}` : `walk all of /${path.join("/")}`, error, whole);
      send(
        client.open(fid, flags, (_, why) => {
          accept(`open /${path.join("/")}`, why);
          then();
        }),
      );
    };
    send(client.walk(ROOT, fid, path, walked));
  }

  #finished(): boolean {
    return this.#state === "finished";
  }

  #next(label: number, word: number): WorkerCall {
    this.#call[0] = label;
    this.#call[1] = word;
    return this.#call;
  }

  /** Move requests to the frame. */
  #flush(): number {
    const { client } = this;
    let at = 0;
    while (client.unsent > 0 && at < FRAME_BYTES) {
      const length = Math.min(client.run, FRAME_BYTES - at);
      this.bytes.copy(this.#frame, at, client.out, client.start, length);
      client.sent(length);
      at += length;
    }
    return at;
  }

  #start(length: number): void {
    const text = this.bytes.decode(this.#frame, 0, length);
    const end = text.indexOf("\n");
    const ticket = end < 0 ? text : text.slice(0, end);
    const about = end < 0 ? "" : text.slice(end + 1);
    const { client } = this;
    this.#state = "started";
    client.version((_, error) => {
      accept("version", error);
      const attached: Done = (_reply, why) => {
        accept("attach", why);
        this.attached(about);
      };
      send(client.attach(ROOT, "", ticket, attached));
    });
  }
}

/** @throws Error if the hive refused that, or did it by halves. */
export function accept(what: string, error: Refusal | undefined, whole = true): void {
  if (error !== undefined) throw new Error(`Worker: the hive refused to ${what}: ${error.code}.`);
  if (!whole) throw new Error(`Worker: the hive did not ${what}.`);
}

/** @throws Error if that request could not be sent. */
export function send(tag: number): void {
  if (tag === NO_TAG) throw new Error("Worker: a request could not be sent.");
}
