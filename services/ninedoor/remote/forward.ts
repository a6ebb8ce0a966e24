/**
 * One request of ours on its way to an exporter, step by step: a fid is walked to where the request is about a place and not about
 * an open file, and then asked for what is wanted. The request is answered once, unless it is cancelled before; a fid that was
 * walked to is left in {@link Forward.spare} for whoever gives it back.
 */
import { type Client as NineClient, NO_TAG } from "../../secure9p/client.ts";
import type { Done } from "../../secure9p/client-calls.ts";
import type { Message } from "../../secure9p/message.ts";
import {
  BUSY,
  CLOSED,
  INVALID,
  NOT_FOUND,
  PERMISSION,
  type Refusal,
  TOO_BIG,
  UNSUPPORTED,
} from "../../secure9p/refusal.ts";
import type { Parked } from "../../secure9p/tree.ts";
import type { Qid } from "../../secure9p/wire.ts";
import type { WalkRequest } from "../place.ts";
import type { RemoteFile, RemotePlace } from "./tree.ts";

/** The exporter's root on every connection. */
export const ROOT = 0;
const NO_FID = -1;

/** Errnos of other servers that mean one of ours: EACCES, ENOTDIR, EISDIR, EROFS, ENAMETOOLONG, ENOSYS. */
const FOREIGN: Readonly<Record<number, Refusal>> = {
  13: PERMISSION,
  20: NOT_FOUND,
  21: INVALID,
  30: PERMISSION,
  36: TOO_BIG,
  38: UNSUPPORTED,
};

/** What is asked of, by whom. */
export interface About {
  readonly place: RemotePlace;
  /** If it is open. */
  readonly file?: RemoteFile | undefined;
  /** See {@link Forward.own}. */
  readonly own: boolean;
  /** Which worker asks, empty if none does. */
  readonly subject: string;
}

export abstract class Forward implements Parked {
  /** Whom to answer; `undefined` when that is over. */
  request: WalkRequest | undefined;
  /** When it has taken too long. */
  deadlineUs = Infinity;
  /** Of what it waits for. */
  tag = NO_TAG;
  readonly place: RemotePlace;
  /** Whether the hive itself or a worker's own session asks, for whom some places are kept. */
  readonly own: boolean;
  readonly subject: string;
  /** What is asked for it: the open file's, or one that was walked to. */
  protected fid: number;
  readonly #file: RemoteFile | undefined;
  readonly #names: readonly string[];
  #walking = false;

  constructor(request: WalkRequest, { place, file, own, subject }: About, names = place.names) {
    this.request = request;
    this.place = place;
    this.own = own;
    this.subject = subject;
    this.fid = file?.fid ?? NO_FID;
    this.#file = file;
    this.#names = names;
  }

  /** Whether it may take as long as it likes. */
  get patient(): boolean {
    return false;
  }

  /** A fid that nobody needs any more, -1 if there is none. */
  get spare(): number {
    return this.#file === undefined ? this.fid : NO_FID;
  }

  /** It has to wait for its turn: what its request lent it is kept. */
  keep(): void {
    // Most are lent nothing.
  }

  /** Ask for the next thing. @returns its tag, {@link NO_TAG} if there is none or no fid */
  send(client: NineClient, done: Done): number {
    this.#walking = this.fid === NO_FID;
    if (!this.#walking) return this.ask(client, done);
    const fid = client.fids.take();
    if (fid < 0) return NO_TAG;
    const tag = client.walk(ROOT, fid, this.#names, done);
    if (tag === NO_TAG) client.fids.give(fid);
    else this.fid = fid;
    return tag;
  }

  /** Take the answer. @returns whether there is more to ask */
  answered(reply: Message, error: Refusal | undefined): boolean {
    const walked = this.#walking;
    if (walked && (error !== undefined || reply.nwqid < this.#names.length)) {
      // The client has taken back the fid, for nothing was made.
      this.fid = NO_FID;
      this.fail(error ?? NOT_FOUND);
      return false;
    }
    const { request } = this;
    if (request === undefined) return false;
    if (walked) return this.arrived(request, reply.wqids[reply.nwqid - 1]);
    if (error !== undefined) this.fail(error);
    else if (this.tell(request, reply)) return true;
    this.request = undefined;
    return false;
  }

  /** Answer that it did not happen. */
  fail(why: Refusal): void {
    const { request } = this;
    this.request = undefined;
    if (request === undefined) return;
    if (this.place.remote.ended) request.refuse(this.#file === undefined ? BUSY : CLOSED);
    else request.refuse(why.name === "Foreign" ? (FOREIGN[why.errno] ?? BUSY) : why);
  }

  cancelled(): void {
    this.request = undefined;
    this.place.remote.forget(this);
  }

  /** It has a fid of what has that qid, which is unknown of the root. @returns whether to ask it */
  protected arrived(_request: WalkRequest, qid: Qid | undefined): boolean {
    if (qid === undefined || this.place.is(qid)) return true;
    // Another file has that name now.
    this.fail(NOT_FOUND);
    return false;
  }

  /** Ask the fid for what is wanted. */
  protected abstract ask(client: NineClient, done: Done): number;

  /** Answer with what came. @returns whether there is more to ask */
  protected abstract tell(request: WalkRequest, reply: Message): boolean;
}
