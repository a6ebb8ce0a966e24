/**
 * The program of a heartbeat worker: a line of telemetry, a wait, and so on. Once it beats it allocates nothing that stays.
 */
import type { Done } from "../secure9p/client-calls.ts";
import { O_RDONLY, O_WRONLY } from "../secure9p/constants.ts";
import type { Message } from "../secure9p/message.ts";
import { accept, Program, ROOT, send, type WorkerPort } from "./program.ts";
import { FORM, KIND } from "./protocol.ts";

/** Fids, by hand: there are no others. */
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

export class HeartbeatWorker extends Program {
  readonly #last: number;
  readonly #json: boolean;
  readonly #line = new Uint8Array(LINE_BYTES);
  readonly #pause = new Uint8Array(LINE_BYTES);
  readonly #pauseLength: number;
  #lineLength = 0;
  #beats = 0;
  #uptimeMs = 0;

  /** @throws Error if it is asked to be another kind of worker. */
  constructor(port: WorkerPort) {
    super(port, KIND.HEARTBEAT, { fids: 4, tags: 4, unsentBytes: 16384 });
    const [, beats, intervalMs, form] = port.args;
    this.#last = beats;
    this.#json = form === FORM.JSON;
    this.#pauseLength = port.bytes.encode(`${intervalMs}\n`, this.#pause, 0);
  }

  protected override attached(): void {
    this.open(TELEMETRY, TELEMETRY_PATH, O_WRONLY, () => this.open(YIELD, YIELD_PATH, O_WRONLY, () => this.#beat()));
  }

  #beat(): void {
    if (this.#json) send(this.client.walk(ROOT, TIME, TIME_PATH, this.#timeWalked));
    else this.#write(`heartbeat ${this.#beats + 1}\n`);
  }

  readonly #timeWalked: Done = (_, error) => {
    accept("walk to /proc/time", error);
    send(this.client.open(TIME, O_RDONLY, this.#timeOpened));
  };

  readonly #timeOpened: Done = (_, error) => {
    accept("open /proc/time", error);
    send(this.client.read(TIME, 0, TIME_BYTES, this.#timeRead));
  };

  readonly #timeRead: Done = (reply, error) => {
    accept("read /proc/time", error);
    this.#uptimeMs = this.#parseTime(reply);
    send(this.client.clunk(TIME, this.#timeClunked));
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
    this.#lineLength = this.bytes.encode(line, this.#line, 0);
    send(this.client.write(TELEMETRY, 0, this.#line, 0, this.#lineLength, this.#wrote));
  }

  readonly #wrote: Done = (reply, error) => {
    accept("take a heartbeat", error, error !== undefined || reply.count === this.#lineLength);
    if (++this.#beats === this.#last) this.finish();
    else send(this.client.write(YIELD, 0, this.#pause, 0, this.#pauseLength, this.#yielded));
  };

  readonly #yielded: Done = (_, error) => {
    accept("let it wait", error);
    this.#beat();
  };
}
