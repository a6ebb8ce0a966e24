/**
 * A console's way to files: a session of the hive's 9P within this process, so that budgets, mounts and policy are those of any
 * other client, asked by messages that are never made bytes. One request is under way at a time and its `done` is called exactly
 * once, from {@link pump}, {@link cancel} or {@link close}; whoever asks from within a `done` is served by the same `pump`.
 */
import type { Bytes } from "../ports/index.ts";
import { FidNumbers } from "../secure9p/client-calls.ts";
import * as p9 from "../secure9p/constants.ts";
import { Message } from "../secure9p/message.ts";
import { BUSY, CLOSED, type Refusal, refusalOf } from "../secure9p/refusal.ts";
import type { Session } from "../secure9p/session.ts";
import { Span } from "../secure9p/wire.ts";

/** One reply carries at most so much less what stands before it. */
const MSIZE = 4096;
const FIDS = 4;
const ROOT = 0;
const TAG = 0;

/** What a file answered, as far as it was asked for; valid until `done` returns. */
export class FileReply {
  /** Of a read or a readdir. */
  readonly data = new Span();
  /** Of a write: bytes taken. */
  count = 0;
  readonly attributes = { valid: 0, size: 0, dataVersion: 0 };
  /** Of a walk: names walked, and whether the last is a directory. */
  walked = 0;
  directory = false;
}

/** Without `error` it was done. */
export type Done = (reply: FileReply, error: Refusal | undefined) => void;
/** Either what was opened or why nothing was. */
export type OpenDone = (...outcome: [opened: Opened, error: undefined] | [opened: undefined, error: Refusal]) => void;

/** How a request that opens a file ended. */
export interface Opened {
  readonly fid: number;
  readonly directory: boolean;
}

export interface FileClientOptions {
  readonly session: Session;
  readonly bytes: Bytes;
  /** Told what a `done` threw. */
  readonly failed: (error: unknown) => void;
}

/** Where the request is: there is none, it waits for {@link FileClient.pump}, for its answer, or to be told it. */
const IDLE = 0;
const QUEUED = 1;
const ASKED = 2;
const ANSWERED = 3;

/** What an answer leads to: its `done`, or the next step of an opening. No function of this object's is kept for that: it would hold
 * the object, which then nothing but a collection frees. */
const TELL = 0;
const OPEN = 1;
const OPENED = 2;

export class FileClient {
  /** Why nothing can be asked any more. */
  ended: Refusal | undefined = undefined;
  /** Requests so far. */
  asked = 0;
  readonly #session: Session;
  readonly #failed: (error: unknown) => void;
  readonly #numbers = new FidNumbers(FIDS);
  readonly #request = new Message();
  readonly #reply = new FileReply();
  #state = IDLE;
  #next = TELL;
  #done: Done | undefined;
  #error: Refusal | undefined;
  #pumping = false;
  /** What is being opened, and who is told. */
  #names: readonly string[] = [];
  #flags = 0;
  #fid = ROOT;
  #opened: OpenDone | undefined;

  constructor({ session, bytes, failed }: FileClientOptions) {
    this.#session = session;
    this.#failed = failed;
    this.#numbers.take();
    session.serveLocally((reply) => this.#heard(reply));
    const m = this.#begin(p9.TVERSION);
    const version = new Uint8Array(p9.VERSION.length);
    m.tag = p9.NOTAG;
    m.msize = MSIZE;
    m.version.set(version, 0, bytes.encode(p9.VERSION, version, 0));
    this.#ask((_, error) => (error === undefined ? this.#attach() : this.#end(error)));
    this.pump();
  }

  /** Fids that are open, the root's included. */
  get fids(): number {
    return this.#numbers.inUse;
  }

  /** Whether a request is under way. */
  get busy(): boolean {
    return this.#state !== IDLE;
  }

  /** Whether an answer came meanwhile and waits for {@link pump}. */
  get waiting(): boolean {
    return this.#state === ANSWERED || this.#lost;
  }

  /** Most bytes of one read or write. */
  get iounit(): number {
    return this.#session.msize - p9.IO_HEADER;
  }

  /** Carry requests and answers until there are none. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      for (;;) {
        if (this.#lost) return this.#end(CLOSED);
        if (this.#state === QUEUED) {
          this.#state = ASKED;
          this.#session.ask(this.#request);
        }
        if (this.#state === ANSWERED) this.#finish();
        else if (!this.#lost) return;
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** Walk to a path and open it. A directory is opened for reading, whatever `flags` say. */
  open(names: readonly string[], flags: number, done: OpenDone): void {
    const m = this.#begin(p9.TWALK);
    const fid = this.#numbers.take();
    if (fid < 0) return done(undefined, BUSY);
    this.#names = names;
    this.#flags = flags;
    this.#fid = fid;
    this.#opened = done;
    this.#walk(m, ROOT, fid, names, undefined);
    if (this.#state === QUEUED) this.#next = OPEN;
    else this.#openNow();
  }

  /** Up to `count` bytes, cut to {@link iounit}. */
  read(fid: number, offset: number, count: number, done: Done): void {
    const m = this.#begin(p9.TREAD);
    m.fid = fid;
    m.offset = offset;
    m.count = count;
    this.#ask(done);
  }

  readdir(fid: number, offset: number, done: Done): void {
    const m = this.#begin(p9.TREADDIR);
    m.fid = fid;
    m.offset = offset;
    m.count = MSIZE;
    this.#ask(done);
  }

  /** Up to `length` bytes, cut to {@link iounit}. They must stay until it is answered. */
  write(fid: number, offset: number, from: Uint8Array, start: number, length: number, done: Done): void {
    const m = this.#begin(p9.TWRITE);
    m.fid = fid;
    m.offset = offset;
    m.data.set(from, start, Math.min(length, this.iounit));
    this.#ask(done);
  }

  getattr(fid: number, done: Done): void {
    const m = this.#begin(p9.TGETATTR);
    m.fid = fid;
    m.mask = p9.GETATTR_BASIC | p9.GETATTR_DATA_VERSION;
    this.#ask(done);
  }

  /** Give a fid up. A read that waits on it is cut short. */
  clunk(fid: number): void {
    this.#session.clunk(fid);
    this.#numbers.give(fid);
  }

  /** End the request that is under way, if it has no answer yet: its `done` gets `why`. */
  cancel(why: Refusal): void {
    if (this.#state === ASKED) this.#session.forget(TAG);
    if (this.#state === ASKED || this.#state === QUEUED) {
      this.#error = why;
      this.#state = ANSWERED;
    }
    this.pump();
  }

  /** End it all; a request that is under way gets `why`. */
  close(why: Refusal = CLOSED): void {
    this.#end(why);
    this.#session.close();
  }

  #attach(): void {
    const m = this.#begin(p9.TATTACH);
    m.fid = ROOT;
    m.afid = p9.NOFID;
    this.#ask((_, error) => {
      if (error !== undefined) this.#end(error);
    });
  }

  #walk(m: Message, from: number, to: number, names: readonly string[], done: Done | undefined): void {
    m.fid = from;
    m.newfid = to;
    m.nwname = names.length;
    m.names = names;
    this.#ask(done);
  }

  /** The walk of {@link open} is answered. */
  #openNow(): void {
    const { walked, directory } = this.#reply;
    const names = this.#names;
    const error = this.#error ?? this.ended;
    if (error === undefined && walked === names.length) {
      const m = this.#begin(p9.TLOPEN);
      m.fid = this.#fid;
      m.flags = directory ? 0 : this.#flags;
      this.#ask(undefined);
      this.#next = OPENED;
      return;
    }
    const opened = this.#tell();
    this.#numbers.give(this.#fid);
    if (error !== undefined) opened?.(undefined, error);
    else if (opened !== undefined) this.#whyNot(names, walked, opened);
  }

  #openedNow(): void {
    const fid = this.#fid;
    const error = this.#error;
    const opened = this.#tell();
    if (error === undefined) return opened?.({ fid, directory: this.#reply.directory }, undefined);
    this.clunk(fid);
    opened?.(undefined, error);
  }

  /** @returns who is told of what was opened, once */
  #tell(): OpenDone | undefined {
    const opened = this.#opened;
    this.#opened = undefined;
    return opened;
  }

  /** A walk that ended on its way does not say why: the next step does. */
  #whyNot(names: readonly string[], walked: number, opened: OpenDone): void {
    const part = this.#numbers.take();
    const next = this.#numbers.take();
    this.#walk(this.#begin(p9.TWALK), ROOT, part, names.slice(0, walked), (reply, gone) => {
      if (gone !== undefined || reply.walked < walked) {
        this.#numbers.give(part);
        this.#numbers.give(next);
        return opened(undefined, gone ?? BUSY);
      }
      this.#walk(this.#begin(p9.TWALK), part, next, names.slice(walked, walked + 1), (_, why) => {
        this.clunk(part);
        // It has come meanwhile: whoever asks again finds it.
        if (why === undefined) this.clunk(next);
        else this.#numbers.give(next);
        opened(undefined, why ?? BUSY);
      });
    });
  }

  /** Whether the hive has ended the session, which tells nobody. */
  get #lost(): boolean {
    return this.ended === undefined && this.#session.ended;
  }

  /** A request to be filled in. */
  #begin(type: number): Message {
    if (this.#state !== IDLE) throw new Error("FileClient: a request is under way");
    const m = this.#request;
    m.type = type;
    m.tag = TAG;
    return m;
  }

  #ask(done: Done | undefined): void {
    this.asked++;
    if (this.ended !== undefined) return done?.(this.#reply, this.ended);
    this.#done = done;
    this.#error = undefined;
    this.#state = QUEUED;
  }

  /** The session answers: at once, or when what was waited for has come. */
  #heard(m: Message): void {
    if (this.#state !== ASKED) return;
    this.#state = ANSWERED;
    const reply = this.#reply;
    switch (m.type) {
      case p9.RLERROR:
        this.#error = refusalOf(m.ecode);
        return;
      case p9.RREAD:
      case p9.RREADDIR:
        reply.data.set(m.data.bytes, m.data.start, m.data.length);
        return;
      case p9.RWRITE:
        reply.count = m.count;
        return;
      case p9.RWALK:
        reply.walked = m.nwqid;
        reply.directory = m.nwqid === 0 || (m.wqids[m.nwqid - 1]!.type & p9.QTDIR) !== 0;
        return;
      case p9.RGETATTR: {
        const { attributes } = reply;
        attributes.valid = m.attributes.valid;
        attributes.size = m.attributes.size;
        attributes.dataVersion = m.attributes.dataVersion;
      }
    }
  }

  /** Tell whoever asked. */
  #finish(): void {
    const done = this.#done;
    const next = this.#next;
    this.#done = undefined;
    this.#next = TELL;
    this.#state = IDLE;
    try {
      if (next === OPEN) this.#openNow();
      else if (next === OPENED) this.#openedNow();
      else done?.(this.#reply, this.#error);
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  /** Nothing is asked any more. */
  #end(why: Refusal): void {
    if (this.ended !== undefined) return;
    this.ended = why;
    if (this.#state === IDLE) return;
    this.#error = why;
    this.#finish();
  }
}
