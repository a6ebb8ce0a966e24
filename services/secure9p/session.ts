/**
 * The serving end of a 9P2000.L connection: bytes in, bytes out, no input or output of its own. Whatever the peer sends,
 * it does not throw, holds bounded memory, and each request gets exactly one reply or is dropped for a reason that is
 * counted; a peer that does not take its replies is not read until it does.
 */
import type { Bytes, Pool } from "../ports/index.ts";
import * as p9 from "./constants.ts";
import { createSessionCounters, type SessionCounters } from "./counters.ts";
import { DECODED, decode, UNKNOWN_TYPE } from "./decode.ts";
import { BROKEN, FRAME, Framing, NEED_MORE, type OVERSIZED } from "./framing.ts";
import { Message } from "./message.ts";
import { Operations } from "./operations.ts";
import { Outbox } from "./outbox.ts";
import { type SessionBounds, sessionPools, unsentBound } from "./pools.ts";
import { CLOSED, INVALID, type Refusal, TOO_BIG, UNSUPPORTED } from "./refusal.ts";
import { Replies } from "./replies.ts";
import type { Tree } from "./tree.ts";
import { Reader } from "./wire.ts";

export interface SessionOptions {
  readonly tree: Tree;
  readonly bytes: Bytes;
  /** Largest frame, 512 to 8192. */
  readonly msize?: number;
  readonly fids?: number;
  /** Requests that providers may have parked. */
  readonly tags?: number;
  /** Replies that may wait for the peer before it is read no more; at least msize. Parked requests may add theirs. */
  readonly unsentBytes?: number;
  /** Asked before each request that a budget counts, i.e. all but Tversion, Tattach, Tflush and Tclunk; a refusal is its answer. */
  readonly admit?: () => Refusal | undefined;
  /** Told of each successful request that a budget counts, when its reply is queued. It may not end the session: that comes later. */
  readonly spent?: () => void;
  /** Told of each reply when it is whole in `out`, so that whoever waits for one need not look. The same holds for it. */
  readonly replied?: () => void;
  /** Told what a provider threw. What this throws (running out of memory has to) is the one thing that leaves the session. */
  readonly failed?: (error: unknown) => void;
  /** Told once that it is over, be it closed or revoked. */
  readonly over?: (session: Session) => void;
}

export class Session {
  readonly counters: SessionCounters = createSessionCounters();
  readonly #msizeMax: number;
  /** Replies that may wait for another one to be sure to fit. */
  readonly #room: number;
  readonly #bytes: Bytes;
  readonly #out: Outbox;
  readonly #framing: Framing;
  readonly #reader = new Reader();
  readonly #message = new Message();
  readonly #replies: Replies;
  readonly #operations: Operations;
  readonly #bounds: SessionBounds;
  #over: ((session: Session) => void) | undefined;
  #ended = false;

  /** @throws RangeError, one sentence, if the limits cannot hold. */
  constructor(options: SessionOptions) {
    const { bytes, tree, msize = p9.MSIZE_MAX, fids = 64, tags = 16, unsentBytes = 65536 } = options;
    const { admit, spent, replied, failed } = options;
    const bounds = { msize, fids, tags, unsentBytes };
    if (!(msize >= p9.MSIZE_MIN && msize <= p9.MSIZE_MAX)) {
      throw new RangeError(`Session: msize ${msize} is not within ${p9.MSIZE_MIN} to ${p9.MSIZE_MAX}`);
    }
    if (unsentBytes < msize) throw new RangeError(`Session: ${unsentBytes} unsent bytes hold no frame of ${msize}`);
    if (fids < 1 || tags < 1) throw new RangeError(`Session: ${fids} fids and ${tags} tags serve nobody`);
    this.#bounds = bounds;
    this.#over = options.over;
    this.#msizeMax = msize;
    this.#room = unsentBytes - msize;
    this.#bytes = bytes;
    this.#out = new Outbox(bytes, unsentBound(bounds));
    this.#framing = new Framing(bytes, msize);
    this.#replies = new Replies(bytes, this.#out, this.counters, { spent, replied });
    this.#operations = new Operations({ tree, bytes, fids, tags, admit, failed }, this.#replies, this.counters);
  }

  /** Agreed on by Tversion; 0 before that. */
  get msize(): number {
    return this.#operations.msize;
  }

  /** Largest frame that Tversion can agree on. */
  get msizeMax(): number {
    return this.#msizeMax;
  }

  get fids(): number {
    return this.#operations.fids.size;
  }

  /** Requests that providers have parked. */
  get inFlight(): number {
    return this.#operations.inFlight;
  }

  /** Nothing more is read: {@link close} was called or the stream cannot be followed. What is unsent may still be sent. */
  get ended(): boolean {
    return this.#ended;
  }

  /** For reports. @param kind of sessions, which the names begin with */
  pools(kind: string): Pool[] {
    const { fids, tags } = this.#operations;
    return sessionPools(
      kind,
      this.#bounds,
      [fids.size, fids.highWater, fids.refused],
      [tags.taken, tags.highWater, tags.refused],
      [this.#out.length, this.#out.highWater, this.counters.heldBack],
    );
  }

  /** Whether a frame has begun to arrive and is not whole, for whoever times that. */
  get partial(): boolean {
    return this.#framing.partial;
  }

  /** Whether the peer has to take replies before more of it is read. */
  get heldBack(): boolean {
    return this.#out.length > this.#room;
  }

  /** Bytes for the peer, and most there ever were. */
  get unsent(): number {
    return this.#out.length;
  }

  get unsentHighWater(): number {
    return this.#out.highWater;
  }

  /** The oldest of those bytes: `run` in a row at `start` of `out`, valid until the session is called again. */
  get out(): Uint8Array {
    return this.#out.bytes;
  }

  get start(): number {
    return this.#out.start;
  }

  get run(): number {
    return this.#out.run;
  }

  /** The peer took this many bytes. @throws RangeError if there were not so many. */
  sent(count: number): void {
    this.#out.drop(count);
  }

  /**
   * Take bytes of the peer and do what they ask, up to `frames` requests. Not to be called from within a provider.
   * @returns how many were taken: all, unless replies wait ({@link heldBack}) or `frames` are done. The rest is to be
   * offered again.
   */
  receive(from: Uint8Array, start: number, length: number, frames = Infinity): number {
    let taken = 0;
    let done = 0;
    while (taken < length && done < frames) {
      if (this.#ended) return length;
      if (this.#out.length > this.#room) {
        this.counters.heldBack++;
        break;
      }
      const state = this.#framing.take(from, start + taken, length - taken);
      taken += this.#framing.taken;
      if (state === NEED_MORE) break;
      done++;
      this.counters.requests++;
      if (state === FRAME) this.#frame();
      else this.#refuseLength(state);
    }
    return taken;
  }

  /**
   * Be asked by a client within this process from now on, by {@link ask}: `heard` gets each reply as a message, valid until the
   * next request, when it is made. Such a session takes no bytes and has none to send. Not to be called from within a provider.
   */
  serveLocally(heard: (reply: Message) => void): void {
    this.#replies.hear(heard, this.#msizeMax);
  }

  /** A request of such a client, of which it has one under way at a time: what is no error of the protocol's is not looked for. */
  ask(request: Message): void {
    if (this.#ended) return;
    this.counters.requests++;
    if (request.type === p9.TVERSION) this.#version(request);
    else this.#operations.request(request);
  }

  /** Forget a request of such a client: it gets no reply any more. */
  forget(tag: number): void {
    this.#operations.flush(tag);
  }

  /** Such a client has no use for a fid any more. Requests on it are answered. */
  clunk(fid: number): void {
    this.#operations.clunk(fid);
  }

  /**
   * Take the session's authority away: parked requests and all that come get `why`, open files are closed.
   * May be called from within a provider.
   */
  revoke(why: Refusal = CLOSED): void {
    if (this.#ended) return;
    this.#operations.revoke(why);
    this.#report();
  }

  /** End it: parked requests are dropped, open files closed, nothing more is read. May be called from within a provider. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#operations.end(undefined);
    this.#replies.hush();
    this.#report();
  }

  #report(): void {
    const over = this.#over;
    this.#over = undefined;
    over?.(this);
  }

  #frame(): void {
    const m = this.#message;
    const { bytes, at, size } = this.#framing;
    const verdict = decode(m, this.#reader, bytes, at, size);
    const { type, tag } = m;
    const operations = this.#operations;
    if (verdict !== DECODED || (type & 1) === 1) {
      this.counters.malformed++;
      this.#replies.error(tag, verdict === UNKNOWN_TYPE && (type & 1) === 0 ? UNSUPPORTED : INVALID);
    } else if (type === p9.TVERSION) this.#version(m);
    else if (tag === p9.NOTAG || operations.msize === 0 || operations.inUse(tag)) this.#replies.error(tag, INVALID);
    else if (type === p9.TFLUSH) this.#flush();
    else operations.request(m);
  }

  /** version(5): whatever came of it, what was before is over. */
  #version({ msize, tag, version }: Message): void {
    const operations = this.#operations;
    if (operations.revoked !== undefined) return this.#replies.error(tag, operations.revoked);
    operations.reset(undefined);
    operations.msize = 0;
    this.#framing.limit = this.#msizeMax;
    if (msize < p9.MSIZE_MIN) return this.#replies.error(tag, INVALID);
    const agreed = Math.min(msize, this.#msizeMax);
    const reply = this.#replies.message;
    reply.msize = agreed;
    const known = version.equals(p9.VERSION);
    if (known) {
      operations.msize = agreed;
      this.#framing.limit = agreed;
      reply.version.set(version.bytes, version.start, version.length);
    } else {
      const scratch = new Uint8Array(p9.VERSION_UNKNOWN.length);
      reply.version.set(scratch, 0, this.#bytes.encode(p9.VERSION_UNKNOWN, scratch, 0));
    }
    this.#replies.send(p9.RVERSION, tag);
  }

  /** flush(5): what was in flight is suppressed; its answer, if it has one, is out already and so before this one. */
  #flush(): void {
    const { tag, oldtag } = this.#message;
    this.#operations.flush(oldtag);
    this.#replies.send(p9.RFLUSH, tag);
  }

  #refuseLength(state: typeof OVERSIZED | typeof BROKEN): void {
    const tag = this.#framing.tag;
    this.counters.malformed++;
    if (tag === p9.NOTAG) this.counters.dropped++;
    else this.#replies.error(tag, TOO_BIG);
    if (state === BROKEN) this.close();
  }
}
