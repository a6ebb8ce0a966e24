/**
 * The other end of a session under fuzz: takes its replies as a peer would, and holds it to its books. Each reply must decode,
 * and at any time there are as many requests as replies, dropped ones and those in flight.
 */
import { DECODED, decode } from "../../../services/secure9p/decode.ts";
import { Message } from "../../../services/secure9p/message.ts";
import type { Session } from "../../../services/secure9p/session.ts";
import { getU32, Reader } from "../../../services/secure9p/wire.ts";

const ROOM = 1 << 18;

export class Ledger {
  /** Replies that came out. */
  replies = 0;
  readonly session: Session;
  readonly #took: ((m: Message) => void) | undefined;
  readonly #reader = new Reader();
  readonly #message = new Message();
  readonly #bytes = buffer;
  #held = 0;

  /** @param took told every reply; it is valid until that returns */
  constructor(session: Session, took?: (m: Message) => void) {
    this.session = session;
    this.#took = took;
  }

  /** Take all that is unsent. */
  drain(): void {
    const { session } = this;
    this.#held = 0;
    while (session.unsent > 0) {
      const { start, run, out } = session;
      this.#bytes.set(out.subarray(start, start + run), this.#held);
      this.#held += run;
      session.sent(run);
    }
    this.#read();
  }

  /** @throws Error unless the books balance. */
  check(): void {
    const { counters, inFlight, fids, unsent } = this.session;
    const { requests, replies, dropped } = counters;
    if (requests !== replies + dropped + inFlight) {
      throw new Error(`${requests} requests, ${replies} replies, ${dropped} dropped, ${inFlight} in flight`);
    }
    if (unsent === 0 && replies !== this.replies) throw new Error(`${replies} replies, ${this.replies} came out`);
    if (fids > 64 || inFlight > 16) throw new Error(`${fids} fids, ${inFlight} requests in flight`);
    if (counters.providerErrors > 0) throw new Error(`${counters.providerErrors} errors of providers`);
    if (counters.late > 0) throw new Error(`${counters.late} answers came late`);
  }

  /** The session is over: nothing may be held any more. @throws Error */
  end(): void {
    this.session.close();
    this.drain();
    this.check();
    const { fids, inFlight } = this.session;
    if (fids + inFlight > 0) throw new Error(`${fids} fids and ${inFlight} requests are left`);
  }

  #read(): void {
    const m = this.#message;
    const bytes = this.#bytes;
    for (let at = 0; at < this.#held;) {
      const size = getU32(bytes, at);
      if (size < 7 || at + size > this.#held) throw new Error(`a reply of ${size} bytes, ${this.#held - at} are there`);
      if (decode(m, this.#reader, bytes, at, size) !== DECODED || (m.type & 1) === 0) {
        throw new Error(
          `a reply of type ${m.type} that is none: ${Buffer.from(bytes.subarray(at, at + size)).toString("hex")}`,
        );
      }
      this.replies++;
      this.#took?.(m);
      at += size;
    }
  }
}

/** One for all: each is read to its end at once. */
const buffer = new Uint8Array(ROOM);
