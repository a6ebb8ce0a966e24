/**
 * The program of a heartbeat worker, without its engine: from one reply of the root to the next call. It speaks 9P and nothing
 * else; whatever the hive refuses it ends with an Error of one sentence. Once it beats it allocates nothing that stays.
 */
import type { Bytes } from "../ports/index.ts";
import { Client, NO_TAG } from "../secure9p/client.ts";
import type { Done } from "../secure9p/client-calls.ts";
import { O_RDONLY, O_WRONLY } from "../secure9p/constants.ts";
import type { Message } from "../secure9p/message.ts";
import type { Refusal } from "../secure9p/refusal.ts";
import { FORM, FRAME_BYTES, KIND, PROTOCOL_VERSION, WORKER, type WorkerArgs } from "./protocol.ts";

/** What a worker has of its engine. */
export interface WorkerPort {
  readonly bytes: Bytes;
  /** {@link FRAME_BYTES}, shared with the root. */
  readonly frame: Uint8Array;
  readonly args: WorkerArgs;
}

/** A call: its label and word. */
export type WorkerCall = readonly [label: number, word: number];

/** Fids, by hand: there are no others. */
const ROOT = 0;
const TELEMETRY = 1;
const YIELD = 2;
const TIME = 3;

const TELEMETRY_PATH = ["worker", "self", "telemetry"] as const;
const YIELD_PATH = ["worker", "self", "yield"] as const;
const TIME_PATH = ["proc", "time"] as const;
/** `/proc/time` begins with it, then come digits and a newline. */
const UPTIME = "uptime_ms ";
const TIME_BYTES = 64;
/** Holds the longest line of both forms. */
const LINE_BYTES = 64;

export class HeartbeatWorker {
  readonly #bytes: Bytes;
  readonly #frame: Uint8Array;
  readonly #client: Client;
  readonly #last: number;
  readonly #json: boolean;
  readonly #line = new Uint8Array(LINE_BYTES);
  readonly #pause = new Uint8Array(LINE_BYTES);
  readonly #pauseLength: number;
  readonly #call: [label: number, word: number] = [WORKER.HELLO, PROTOCOL_VERSION];
  #lineLength = 0;
  #beats = 0;
  #uptimeMs = 0;
  #state: "new" | "greeted" | "started" | "finished" = "new";
  #failure: Error | undefined = undefined;

  /** @throws Error if it is asked to be another kind of worker. */
  constructor({ bytes, frame, args }: WorkerPort) {
    const [kind, beats, intervalMs, form] = args;
    if (kind !== KIND.HEARTBEAT) throw new Error(`Worker: this program is no worker of kind ${kind}.`);
    this.#bytes = bytes;
    this.#frame = frame;
    this.#last = beats;
    this.#json = form === FORM.JSON;
    this.#pauseLength = bytes.encode(`${intervalMs}\n`, this.#pause, 0);
    this.#client = new Client({
      bytes,
      fids: 4,
      tags: 4,
      unsentBytes: 16384,
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
    else if (this.#state === "started" && label === WORKER.FRAMES) this.#client.receive(this.#frame, 0, word);
    else throw new Error(`Worker: the root answered with label ${label} out of turn.`);
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#client.ended !== undefined) throw new Error("Worker: the hive's answers are no 9P.");
    return this.#finished() ? this.#next(WORKER.EXIT, 0) : this.#next(WORKER.FRAMES, this.#flush());
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
    const client = this.#client;
    let at = 0;
    while (client.unsent > 0 && at < FRAME_BYTES) {
      const length = Math.min(client.run, FRAME_BYTES - at);
      this.#bytes.copy(this.#frame, at, client.out, client.start, length);
      client.sent(length);
      at += length;
    }
    return at;
  }

  #start(length: number): void {
    const ticket = this.#bytes.decode(this.#frame, 0, length);
    const client = this.#client;
    this.#state = "started";
    client.version((_, error) => {
      accept("version", error);
      send(client.attach(ROOT, "", ticket, this.#attached));
    });
  }

  readonly #attached: Done = (_, error) => {
    accept("attach", error);
    this.#open(TELEMETRY, TELEMETRY_PATH, O_WRONLY, () => this.#open(YIELD, YIELD_PATH, O_WRONLY, () => this.#beat()));
  };

  #open(fid: number, path: readonly string[], flags: number, then: () => void): void {
    const client = this.#client;
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

  #beat(): void {
    if (this.#json) send(this.#client.walk(ROOT, TIME, TIME_PATH, this.#timeWalked));
    else this.#write(`heartbeat ${this.#beats + 1}\n`);
  }

  readonly #timeWalked: Done = (_, error) => {
    accept("walk to /proc/time", error);
    send(this.#client.open(TIME, O_RDONLY, this.#timeOpened));
  };

  readonly #timeOpened: Done = (_, error) => {
    accept("open /proc/time", error);
    send(this.#client.read(TIME, 0, TIME_BYTES, this.#timeRead));
  };

  readonly #timeRead: Done = (reply, error) => {
    accept("read /proc/time", error);
    this.#uptimeMs = this.#parseTime(reply);
    send(this.#client.clunk(TIME, this.#timeClunked));
  };

  readonly #timeClunked: Done = (_, error) => {
    accept("clunk /proc/time", error);
    this.#write(`{"tick":${this.#beats + 1},"ts_ms":${this.#uptimeMs}}\n`);
  };

  #parseTime({ data }: Message): number {
    const { bytes, start, length } = data;
    let value = -1;
    for (let i = 0; i < length; i++) {
      const byte = bytes[start + i]!;
      if (i < UPTIME.length) {
        if (byte !== UPTIME.charCodeAt(i)) break;
      } else if (byte >= 0x30 && byte <= 0x39) {
        value = (value < 0 ? 0 : value) * 10 + byte - 0x30;
      } else {
        break;
      }
    }
    if (value < 0) throw new Error("Worker: /proc/time tells no time.");
    return value;
  }

  #write(line: string): void {
    this.#lineLength = this.#bytes.encode(line, this.#line, 0);
    send(this.#client.write(TELEMETRY, 0, this.#line, 0, this.#lineLength, this.#wrote));
  }

  readonly #wrote: Done = (reply, error) => {
    accept("take a heartbeat", error, error !== undefined || reply.count === this.#lineLength);
    if (++this.#beats === this.#last) this.#state = "finished";
    else send(this.#client.write(YIELD, 0, this.#pause, 0, this.#pauseLength, this.#yielded));
  };

  readonly #yielded: Done = (_, error) => {
    accept("let it wait", error);
    this.#beat();
  };
}

/** @throws Error if the hive refused that, or did it by halves. */
function accept(what: string, error: Refusal | undefined, whole = true): void {
  if (error !== undefined) throw new Error(`Worker: the hive refused to ${what}: ${error.code}.`);
  if (!whole) throw new Error(`Worker: the hive did not ${what}.`);
}

function send(tag: number): void {
  if (tag === NO_TAG) throw new Error("Worker: a request could not be sent.");
}
