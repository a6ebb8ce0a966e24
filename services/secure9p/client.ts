/**
 * The asking end of a 9P2000.L connection: bytes in, bytes out, many requests at once. The server is not trusted: a reply
 * that nobody asked for, of the wrong kind or with more than was asked for ends the connection.
 * Every `done` is called exactly once, be it with a refusal when the connection ends.
 */
import type { Bytes } from "../ports/index.ts";
import * as p9 from "./constants.ts";
import { Call, type Done, FidNumbers } from "./client-calls.ts";
import { DECODED, decode } from "./decode.ts";
import { encode, UNFIT } from "./encode.ts";
import { FRAME, Framing, NEED_MORE } from "./framing.ts";
import { type AttributeChange, Message } from "./message.ts";
import { Outbox } from "./outbox.ts";
import { CLOSED, INVALID, type Refusal, refusalOf, UNSUPPORTED } from "./refusal.ts";
import { Reader, type Span, Writer } from "./wire.ts";

/** What a request returns that cannot be sent now: all tags wait, the peer takes nothing, or the connection has ended. */
export const NO_TAG = -1;
/** What stands before the data of a Twrite. */
const WRITE_HEADER = p9.HEADER + 16;
/** A Tflush. For each tag there is always room for one, whatever else waits. */
const FLUSH_SIZE = p9.HEADER + 2;

export interface ClientOptions {
  readonly bytes: Bytes;
  readonly msize?: number;
  readonly fids?: number;
  readonly tags?: number;
  readonly unsentBytes?: number;
  /** Told what a `done` threw. */
  readonly failed?: (error: unknown) => void;
}

export class Client {
  /** Agreed on by {@link version}; 0 before that. */
  msize = 0;
  /** Why the connection is over. */
  ended: Refusal | undefined = undefined;
  readonly fids: FidNumbers;
  readonly #bytes: Bytes;
  readonly #msizeMax: number;
  readonly #failed: ((error: unknown) => void) | undefined;
  readonly #out: Outbox;
  readonly #framing: Framing;
  readonly #reader = new Reader();
  readonly #writer: Writer;
  readonly #frame: Uint8Array;
  readonly #reply = new Message();
  readonly #request = new Message();
  /** Bytes of the request's texts. */
  readonly #texts: Uint8Array;
  #textsUsed = 0;
  /** By tag, made when they are needed first: a client may have many tags and use few. */
  readonly #calls: Call[] = [];
  readonly #tags: number;
  /** Tags of those that are free, so that none has to be looked for however many wait; the next to be used is the last. */
  readonly #free: number[] = [];
  readonly #version = new Call();

  constructor(options: ClientOptions) {
    const { bytes, msize = p9.MSIZE_MAX, fids = 64, tags = 16, unsentBytes = 65536, failed } = options;
    if (!(msize >= p9.MSIZE_MIN && msize <= p9.MSIZE_MAX)) {
      throw new RangeError(`Client: msize ${msize} is not within ${p9.MSIZE_MIN} to ${p9.MSIZE_MAX}`);
    }
    this.#bytes = bytes;
    this.#msizeMax = msize;
    this.#failed = failed;
    this.fids = new FidNumbers(fids);
    this.#out = new Outbox(bytes, unsentBytes + tags * FLUSH_SIZE);
    this.#framing = new Framing(bytes, msize);
    this.#writer = new Writer(bytes);
    this.#frame = new Uint8Array(msize);
    this.#texts = new Uint8Array(msize);
    this.#tags = tags;
  }

  /** Largest read and write that is one request. */
  get iounit(): number {
    return this.msize - p9.IO_HEADER;
  }

  /** Requests without an answer. */
  get inFlight(): number {
    let count = this.#version.type === 0 ? 0 : 1;
    for (let i = 0; i < this.#calls.length; i++) if (this.#calls[i]!.done !== undefined) count++;
    return count;
  }

  /** Whether a tag is not free: its request has no answer, or was flushed and that has none, be the request answered or not. */
  busy(tag: number): boolean {
    const call = this.#calls[tag];
    return call !== undefined && call.type !== 0;
  }

  /** Whether a frame has begun to arrive and is not whole, for whoever times that. */
  get partial(): boolean {
    return this.#framing.partial;
  }

  /** Bytes for the peer: `run` in a row at `start` of `out`, valid until the client is called again. */
  get unsent(): number {
    return this.#out.length;
  }

  get out(): Uint8Array {
    return this.#out.bytes;
  }

  get start(): number {
    return this.#out.start;
  }

  get run(): number {
    return this.#out.run;
  }

  sent(count: number): void {
    this.#out.drop(count);
  }

  /** Agree on version and msize: the first request of all, and no other before its answer. @returns false if it was sent before. */
  version(done: Done): boolean {
    if (this.ended !== undefined || this.msize !== 0 || this.#version.type !== 0) return false;
    const m = this.#begin();
    m.msize = this.#msizeMax;
    this.#text(m.version, p9.VERSION);
    this.#version.done = done;
    return this.#send(p9.TVERSION, p9.NOTAG, this.#version);
  }

  attach(fid: number, uname: string, aname: string, done: Done): number {
    const m = this.#begin();
    m.fid = fid;
    m.afid = p9.NOFID;
    m.nUname = p9.NONUNAME;
    this.#text(m.uname, uname);
    this.#text(m.aname, aname);
    return this.#ask(p9.TATTACH, done, 0, fid);
  }

  /** At most 16 names; a server may take fewer. Fewer qids than names is a partial walk, and `newfid` is not made. */
  walk(fid: number, newfid: number, names: readonly string[], done: Done): number {
    const m = this.#begin();
    if (names.length > p9.MAX_WELEM) throw new RangeError(`Client.walk: ${names.length} names`);
    m.fid = fid;
    m.newfid = newfid;
    m.nwname = names.length;
    for (let i = 0; i < names.length; i++) this.#text(m.wnames[i]!, names[i]!);
    return this.#ask(p9.TWALK, done, names.length, newfid === fid ? -1 : newfid);
  }

  open(fid: number, flags: number, done: Done): number {
    const m = this.#begin();
    m.fid = fid;
    m.flags = flags;
    return this.#ask(p9.TLOPEN, done);
  }

  /** Up to `count` bytes, cut to what a reply holds. */
  read(fid: number, offset: number, count: number, done: Done): number {
    return this.#io(p9.TREAD, fid, offset, count, done);
  }

  /** Entries up to `count` bytes; read them with `Entries`. */
  readdir(fid: number, offset: number, count: number, done: Done): number {
    return this.#io(p9.TREADDIR, fid, offset, count, done);
  }

  /** Up to `length` bytes, cut to what a request holds: `reply.count` says how many were written. */
  write(fid: number, offset: number, from: Uint8Array, start: number, length: number, done: Done): number {
    const m = this.#begin();
    const count = Math.min(length, this.msize - WRITE_HEADER);
    m.fid = fid;
    m.offset = offset;
    m.data.set(from, start, count);
    return this.#ask(p9.TWRITE, done, count);
  }

  getattr(fid: number, mask: number, done: Done): number {
    const m = this.#begin();
    m.fid = fid;
    m.mask = mask;
    return this.#ask(p9.TGETATTR, done);
  }

  setattr(fid: number, change: AttributeChange, done: Done): number {
    const m = this.#begin();
    m.fid = fid;
    m.change = change;
    return this.#ask(p9.TSETATTR, done);
  }

  statfs(fid: number, done: Done): number {
    this.#begin().fid = fid;
    return this.#ask(p9.TSTATFS, done);
  }

  fsync(fid: number, done: Done): number {
    const m = this.#begin();
    m.fid = fid;
    m.datasync = 0;
    return this.#ask(p9.TFSYNC, done);
  }

  /** The number is free again when this is answered, with an error too. */
  clunk(fid: number, done: Done): number {
    this.#begin().fid = fid;
    return this.#ask(p9.TCLUNK, done, 0, -1, fid);
  }

  /** As {@link clunk}, and the file goes if the server has it so. */
  remove(fid: number, done: Done): number {
    this.#begin().fid = fid;
    return this.#ask(p9.TREMOVE, done, 0, -1, fid);
  }

  /**
   * Have a request ended. Its `done` gets its answer if that was on its way, `why` otherwise; when that is known, the tag
   * is free. @returns false if no such request waits or it is being flushed.
   */
  flush(tag: number, why: Refusal): boolean {
    const call = this.#calls[tag];
    if (call?.done === undefined || call.flushed !== undefined) return false;
    const m = this.#begin();
    m.oldtag = tag;
    this.#queue(this.#encode(p9.TFLUSH, this.#tags + tag));
    call.flushed = why;
    return true;
  }

  /** Take bytes of the server and finish the requests they answer. All are taken. */
  receive(from: Uint8Array, start: number, length: number): void {
    let taken = 0;
    while (taken < length && this.ended === undefined) {
      const state = this.#framing.take(from, start + taken, length - taken);
      taken += this.#framing.taken;
      if (state === NEED_MORE) return;
      if (state !== FRAME || !this.#answered()) this.close(INVALID);
    }
  }

  /** End the connection: every request that waits gets `why`. */
  close(why: Refusal = CLOSED): void {
    if (this.ended !== undefined) return;
    this.ended = why;
    this.#finish(this.#version, why);
    for (let tag = 0; tag < this.#calls.length; tag++) this.#finish(this.#calls[tag]!, why);
  }

  #io(type: number, fid: number, offset: number, count: number, done: Done): number {
    const m = this.#begin();
    m.fid = fid;
    m.offset = offset;
    m.count = Math.min(count, this.msize - p9.READ_HEADER);
    return this.#ask(type, done, m.count);
  }

  #begin(): Message {
    this.#textsUsed = 0;
    return this.#request;
  }

  /** @throws RangeError if no frame could carry it. */
  #text(span: Span, text: string): void {
    const length = this.#bytes.encode(text, this.#texts, this.#textsUsed);
    span.set(this.#texts, this.#textsUsed, length);
    this.#textsUsed += length;
  }

  #ask(type: number, done: Done, limit = 0, makes = -1, ends = -1): number {
    if (this.ended !== undefined || this.msize === 0) return NO_TAG;
    if (this.#free.length === 0 && !this.#more()) return NO_TAG;
    const tag = this.#free[this.#free.length - 1]!;
    const call = this.#calls[tag]!;
    call.done = done;
    call.limit = limit;
    call.makes = makes;
    call.ends = ends;
    if (!this.#send(type, tag, call)) return NO_TAG;
    this.#free.pop();
    return tag;
  }

  /** Make one more tag. @returns false if there are all that there may be */
  #more(): boolean {
    const tag = this.#calls.length;
    if (tag >= this.#tags) return false;
    this.#calls.push(new Call());
    this.#free.push(tag);
    return true;
  }

  /** @throws RangeError if the message fits no frame; then nothing is sent and the tag stays free. */
  #send(type: number, tag: number, call: Call): boolean {
    const size = this.#encode(type, tag);
    const fits = size !== UNFIT && this.#out.free >= size + this.#tags * FLUSH_SIZE;
    if (!fits) call.finish();
    if (size === UNFIT) throw new RangeError(`Client: message ${type} does not fit a frame of ${this.msize}`);
    if (!fits) return false;
    this.#queue(size);
    call.type = type;
    return true;
  }

  #encode(type: number, tag: number): number {
    this.#request.type = type;
    this.#request.tag = tag;
    return encode(this.#request, this.#writer, this.#frame, 0, this.msize === 0 ? this.#msizeMax : this.msize);
  }

  #queue(size: number): void {
    this.#out.put(this.#frame, 0, size);
    this.#out.close();
  }

  /** @returns false if it is no answer to anything. */
  #answered(): boolean {
    const m = this.#reply;
    const { bytes, at, size } = this.#framing;
    if (decode(m, this.#reader, bytes, at, size) !== DECODED) return false;
    if (m.tag === p9.NOTAG) return this.#agreed();
    const { tag } = m;
    if (tag >= this.#tags) return this.#flushed(tag - this.#tags);
    const call = this.#calls[tag];
    if (call?.done === undefined) return false;
    if (m.type === p9.RLERROR) {
      this.#finish(call, refusalOf(m.ecode), tag);
      return true;
    }
    if (m.type !== call.type + 1 || this.#amount(m) > call.limit) return false;
    // walk(5): a partial walk makes nothing.
    if (m.type !== p9.RWALK || m.nwqid === call.limit) call.makes = -1;
    this.#finish(call, undefined, tag);
    return true;
  }

  #amount(m: Message): number {
    if (m.type === p9.RREAD || m.type === p9.RREADDIR) return m.data.length;
    if (m.type === p9.RWRITE) return m.count;
    return m.type === p9.RWALK ? m.nwqid : 0;
  }

  #flushed(tag: number): boolean {
    const call = this.#calls[tag];
    if (call?.flushed === undefined || this.#reply.type !== p9.RFLUSH) return false;
    const why = call.flushed;
    call.flushed = undefined;
    if (call.done !== undefined) this.#finish(call, why, tag);
    else {
      call.type = 0;
      this.#free.push(tag);
    }
    return true;
  }

  #agreed(): boolean {
    const m = this.#reply;
    if (this.#version.type === 0) return false;
    if (m.type === p9.RLERROR) {
      this.#finish(this.#version, refusalOf(m.ecode));
      return true;
    }
    if (m.type !== p9.RVERSION) return false;
    if (!m.version.equals(p9.VERSION)) {
      this.#finish(this.#version, UNSUPPORTED);
      return true;
    }
    if (m.msize < p9.MSIZE_MIN || m.msize > this.#msizeMax) return false;
    this.msize = m.msize;
    this.#framing.limit = m.msize;
    this.#finish(this.#version, undefined);
    return true;
  }

  /** @param tag that is free by this, unless its Tflush has no answer; none of the version, nor when the connection is over */
  #finish(call: Call, error: Refusal | undefined, tag = NO_TAG): void {
    const { makes, ends } = call;
    const done = call.finish();
    if (tag !== NO_TAG && call.type === 0) this.#free.push(tag);
    this.fids.give(makes);
    this.fids.give(ends);
    try {
      done?.(this.#reply, error);
    } catch (thrown) {
      this.#failed?.(thrown);
    }
  }
}
