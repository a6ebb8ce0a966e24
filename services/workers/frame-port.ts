/**
 * A worker's 9P session through the frame that it shares with the root. Its call is answered when there are replies, at once or
 * when something that waits is answered; requests that its unread replies hold back are kept, up to one frame of them.
 */
import type { Bytes } from "../ports/index.ts";
import type { Session } from "../secure9p/session.ts";
import { FRAME_BYTES } from "./protocol.ts";

const NOTHING = new Uint8Array(0);

export class FramePort {
  readonly #bytes: Bytes;
  readonly #session: Session;
  readonly #frame: Uint8Array;
  readonly #answer: (length: number) => void;
  /** Whether its call is unanswered. */
  #calling = false;
  /** Whether requests are being done, so that more replies may come before the call is answered. */
  #busy = false;
  /** Requests that were held back; room is taken when that happens first. */
  #kept = NOTHING;
  #keptLength = 0;

  /** @param answer answers the worker's call: so many bytes of replies are in the frame */
  constructor(bytes: Bytes, session: Session, frame: Uint8Array, answer: (length: number) => void) {
    this.#bytes = bytes;
    this.#session = session;
    this.#frame = frame;
    this.#answer = answer;
  }

  /** A call with that many bytes of requests in the frame. @returns what was wrong with it. */
  take(length: number): string | undefined {
    this.#busy = true;
    const fits = this.#receive(length);
    this.#busy = false;
    if (!fits) return `more than ${FRAME_BYTES} bytes of requests, and it takes no replies`;
    if (this.#session.ended) return "its requests are no 9P";
    this.#calling = true;
    this.flush();
    return undefined;
  }

  /** Answer the call if there is something to answer it with. */
  flush(): void {
    const session = this.#session;
    if (!this.#calling || this.#busy || session.unsent === 0) return;
    let at = 0;
    while (session.unsent > 0 && at < FRAME_BYTES) {
      const run = Math.min(session.run, FRAME_BYTES - at);
      this.#bytes.copy(this.#frame, at, session.out, session.start, run);
      session.sent(run);
      at += run;
    }
    this.#calling = false;
    this.#answer(at);
  }

  /** Put bytes into the frame, for an answer of another kind. */
  put(bytes: Uint8Array): void {
    this.#bytes.copy(this.#frame, 0, bytes, 0, bytes.length);
  }

  /** So many bytes of the frame as text. */
  text(length: number): string {
    return this.#bytes.decode(this.#frame, 0, length);
  }

  /** End the session; no call is answered any more. */
  close(): void {
    this.#calling = false;
    this.#session.close();
  }

  /** @returns false if there is too much of it. */
  #receive(length: number): boolean {
    const session = this.#session;
    if (this.#keptLength === 0) {
      const taken = session.receive(this.#frame, 0, length);
      return taken === length || this.#keep(taken, length - taken);
    }
    if (length > 0 && !this.#keep(0, length)) return false;
    const taken = session.receive(this.#kept, 0, this.#keptLength);
    this.#keptLength -= taken;
    if (taken > 0 && this.#keptLength > 0) this.#bytes.copy(this.#kept, 0, this.#kept, taken, this.#keptLength);
    return true;
  }

  #keep(start: number, length: number): boolean {
    if (this.#keptLength + length > FRAME_BYTES) return false;
    if (this.#kept.length === 0) this.#kept = new Uint8Array(FRAME_BYTES);
    this.#bytes.copy(this.#kept, this.#keptLength, this.#frame, start, length);
    this.#keptLength += length;
    return true;
  }
}
