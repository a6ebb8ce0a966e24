/**
 * A console's way to files: a 9P client joined to a session of the hive within this process, so that budgets, mounts and policy
 * are those of any other client. One request is under way at a time and its `done` is called exactly once, from {@link pump},
 * {@link cancel} or {@link close}; whoever asks from within a `done` is served by the same `pump`.
 */
import type { Bytes } from "../ports/index.ts";
import { Client, NO_TAG } from "../secure9p/client.ts";
import type { Done } from "../secure9p/client-calls.ts";
import { GETATTR_BASIC, GETATTR_DATA_VERSION, QTDIR } from "../secure9p/constants.ts";
import { Message } from "../secure9p/message.ts";
import { BUSY, CLOSED, type Refusal } from "../secure9p/refusal.ts";
import type { Session } from "../secure9p/session.ts";

/** One reply carries at most so much less what stands before it. */
const MSIZE = 4096;
const ROOT = 0;
/** What a request gets that could not be sent. */
const NOTHING = new Message();

/** Either what was opened or why nothing was. */
export type OpenDone = (...outcome: [opened: Opened, error: undefined] | [opened: undefined, error: Refusal]) => void;
type WalkDone = (directory: boolean, why: Refusal | undefined) => void;

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

export class FileClient {
  readonly #session: Session;
  readonly #client: Client;
  /** Requests so far. */
  asked = 0;
  #tag = NO_TAG;
  #done: Done | undefined;
  #pumping = false;

  constructor({ session, bytes, failed }: FileClientOptions) {
    this.#session = session;
    this.#client = new Client({ bytes, msize: MSIZE, fids: 4, tags: 4, unsentBytes: 2 * MSIZE, failed });
    this.#client.fids.take();
    this.#client.version((_, error) => {
      if (error !== undefined) return this.#client.close(error);
      this.#client.attach(ROOT, "", "", (_reply, why) => {
        if (why !== undefined) this.#client.close(why);
      });
    });
    this.pump();
  }

  /** Why nothing can be asked any more. */
  get ended(): Refusal | undefined {
    return this.#client.ended;
  }

  /** Fids that are open, the root's included. */
  get fids(): number {
    return this.#client.fids.inUse;
  }

  /** Whether a request is under way. */
  get busy(): boolean {
    return this.#done !== undefined;
  }

  /** Whether an answer came meanwhile and waits for {@link pump}. */
  get waiting(): boolean {
    return this.#session.unsent > 0 || this.#lost;
  }

  /** Most bytes of one read or write. */
  get iounit(): number {
    return this.#client.iounit;
  }

  /** Carry requests and answers until there are none. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      const client = this.#client;
      const session = this.#session;
      if (this.#lost) return client.close(CLOSED);
      while (client.unsent + session.unsent > 0) {
        if (client.unsent > 0) client.sent(session.receive(client.out, client.start, client.run));
        if (session.unsent > 0) {
          const { run } = session;
          client.receive(session.out, session.start, run);
          session.sent(run);
        }
        if (this.#lost) return client.close(CLOSED);
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** Walk to a path and open it. A directory is opened for reading, whatever `flags` say. */
  open(names: readonly string[], flags: number, done: OpenDone): void {
    const fid = this.#client.fids.take();
    if (fid < 0) return done(undefined, BUSY);
    this.#walk(ROOT, fid, names, (directory, why) => {
      if (why !== undefined) return done(undefined, why);
      this.#ask(
        (answered) => this.#client.open(fid, directory ? 0 : flags, answered),
        (_, error) => {
          if (error === undefined) return done({ fid, directory }, undefined);
          this.clunk(fid);
          done(undefined, error);
        },
      );
    });
  }

  /** As `Client.read`. */
  read(fid: number, offset: number, count: number, done: Done): void {
    this.#ask((answered) => this.#client.read(fid, offset, count, answered), done);
  }

  readdir(fid: number, offset: number, done: Done): void {
    this.#ask((answered) => this.#client.readdir(fid, offset, MSIZE, answered), done);
  }

  write(fid: number, offset: number, from: Uint8Array, start: number, length: number, done: Done): void {
    this.#ask((answered) => this.#client.write(fid, offset, from, start, length, answered), done);
  }

  getattr(fid: number, done: Done): void {
    this.#ask((answered) => this.#client.getattr(fid, GETATTR_BASIC | GETATTR_DATA_VERSION, answered), done);
  }

  /** Give a fid up. A read that waits on it is cut short. */
  clunk(fid: number): void {
    if (this.#client.clunk(fid, () => undefined) === NO_TAG) this.#client.fids.give(fid);
  }

  /** End the request that is under way, if it has no answer yet: its `done` gets `why`. */
  cancel(why: Refusal): void {
    if (this.#tag !== NO_TAG) this.#client.flush(this.#tag, why);
    this.pump();
  }

  /** End it all; a request that is under way gets `why`. */
  close(why: Refusal = CLOSED): void {
    this.#client.close(why);
    this.#session.close();
  }

  /** The fid is free again if this fails: the client sees to that, but for a walk that was not sent. */
  #walk(from: number, to: number, names: readonly string[], done: WalkDone): void {
    this.#ask(
      (answered) => this.#client.walk(from, to, names, answered),
      (reply, error) => {
        if (error !== undefined) {
          this.#client.fids.give(to);
          return done(false, error);
        }
        const walked = reply.nwqid;
        if (walked < names.length) return this.#whyNot(names, walked, done);
        done(walked === 0 || (reply.wqids[walked - 1]!.type & QTDIR) !== 0, undefined);
      },
    );
  }

  /** A walk that ended on its way does not say why: the next step does. */
  #whyNot(names: readonly string[], walked: number, done: WalkDone): void {
    const part = this.#client.fids.take();
    const next = this.#client.fids.take();
    this.#walk(ROOT, part, names.slice(0, walked), (_directory, error) => {
      if (error !== undefined) {
        this.#client.fids.give(next);
        return done(false, error);
      }
      this.#ask(
        (answered) => this.#client.walk(part, next, names.slice(walked, walked + 1), answered),
        (_, why) => {
          this.clunk(part);
          // It has come meanwhile: whoever asks again finds it.
          if (why === undefined) this.clunk(next);
          else this.#client.fids.give(next);
          done(false, why ?? BUSY);
        },
      );
    });
  }

  /** Whether the hive has ended the session, which tells nobody. */
  get #lost(): boolean {
    return this.#session.ended && this.#client.ended === undefined;
  }

  #ask(send: (done: Done) => number, done: Done): void {
    if (this.#done !== undefined) throw new Error("FileClient: a request is under way");
    this.#done = done;
    this.asked++;
    const answered = (reply: Message, error: Refusal | undefined): void => {
      this.#done = undefined;
      this.#tag = NO_TAG;
      done(reply, error);
    };
    this.#tag = send(answered);
    if (this.#tag !== NO_TAG) return;
    this.#done = undefined;
    done(NOTHING, this.#client.ended ?? BUSY);
  }
}
