/**
 * Keeps a quiet connection alive and finds a dead one: PING when nothing went either way for a while, and a word when nothing at all
 * came back. Its answers are taken out of what the hive says, wherever they stand, so nobody sees them who did not ask.
 */

const PING = "ping";
const ANSWER = "OK PING reply=pong";
const PONG = "PONG";

export interface HeartbeatOptions {
  /** Milliseconds of silence until it speaks, and from there until the connection is taken for dead. */
  readonly silence: number;
  readonly patience: number;
  send(line: string): void;
  /** The hive says nothing any more. */
  dead(): void;
  /** Lines that are not its own. */
  line(text: string): void;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: NodeJS.Timeout | undefined;
  /** Its own pings that are not answered. */
  #asked = 0;
  /** Whether the last line may have been the first half of an answer to it. */
  #half = false;
  #stopped = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.stir();
  }

  /** Something was sent. */
  stir(): void {
    if (this.#asked > 0) return;
    this.#wait(this.#options.silence, () => {
      this.#asked++;
      this.#options.send(PING);
      this.#wait(this.#options.patience, () => this.#options.dead());
    });
  }

  /** A line came. */
  heard(line: string): void {
    const { patience } = this.#options;
    if (this.#half) {
      this.#half = false;
      if (line === PONG) {
        this.#asked--;
        this.stir();
        return;
      }
      this.#options.line(ANSWER);
    }
    if (this.#asked > 0) this.#wait(patience, () => this.#options.dead());
    else this.stir();
    if (this.#asked > 0 && line === ANSWER) this.#half = true;
    else this.#options.line(line);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #wait(ms: number, then: () => void): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(then, ms);
    this.#timer.unref();
  }
}
