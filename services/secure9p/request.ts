/**
 * One of a session's tag slots: what {@link Request} promises to providers, made of guards. An answer reaches the session
 * only while the request waits for one of that kind, so a provider that errs harms its own request and nothing else.
 */
import {
  MAX_WELEM,
  NOTAG,
  READ_HEADER,
  TATTACH,
  TGETATTR,
  TLOPEN,
  TREAD,
  TREADDIR,
  TSETATTR,
  TWALK,
  TWRITE,
} from "./constants.ts";
import type { Fid } from "./fids.ts";
import type { Attributes, Message } from "./message.ts";
import type { Refusal } from "./refusal.ts";
import type { Node, OpenFile, Parked, Request } from "./tree.ts";
import type { Qid } from "./wire.ts";

/** Free for the next request. */
export const IDLE = 0;
/** The provider is being called. */
export const ACTIVE = 1;
/** The provider will answer later. */
export const PARKED = 2;

/** What a session does with answers; each is called only with a request in flight that may have it. */
export interface Owner {
  parked(slot: Slot, by: Parked): void;
  refused(slot: Slot, why: Refusal): void;
  found(slot: Slot, node: Node): void;
  opened(slot: Slot, file: OpenFile, iounit: number): void;
  put(slot: Slot, bytes: Uint8Array, start: number, length: number): number;
  entry(slot: Slot, qid: Qid, offset: number, type: number, name: string): boolean;
  wrote(slot: Slot, count: number): void;
  attributes(slot: Slot, attributes: Attributes): void;
  done(slot: Slot): void;
  /** An answer to a request that is over. */
  late(file: OpenFile | undefined): void;
  /** An answer of the wrong kind. */
  misanswered(slot: Slot, file: OpenFile | undefined): void;
}

export class Slot implements Request {
  state: typeof IDLE | typeof ACTIVE | typeof PARKED = IDLE;
  by: Parked | undefined = undefined;
  type = 0;
  tag = NOTAG;
  /** The fid that the request is about; of Tattach, the one it makes. */
  fid: Fid | undefined = undefined;
  /** Twalk: the fid that it makes, or `fid`. */
  target: Fid | undefined = undefined;
  offset = 0;
  count = 0;
  flags = 0;
  mask = 0;
  /** Twalk: names, how many, how many are walked, the nodes from the root, and the qids walked by. */
  readonly names: string[] = [];
  nwname = 0;
  walked = 0;
  /** Twalk: the name that the provider was asked for. */
  asked = -1;
  /** Tread, Treaddir: pieces of the answer were put. */
  composing = false;
  /** Treaddir: an entry did not fit. */
  cramped = false;
  readonly path: Node[] = [];
  readonly wqids: readonly Qid[] = Array.from({ length: MAX_WELEM }, () => ({ type: 0, version: 0, path: 0 }));
  readonly #owner: Owner;

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  /** Take a request on. Its count is cut to what an answer can carry. */
  begin(m: Message, fid: Fid | undefined, msize: number): void {
    this.state = ACTIVE;
    this.type = m.type;
    this.tag = m.tag;
    this.fid = fid;
    this.offset = m.offset;
    const most = msize - READ_HEADER;
    if (m.type === TWRITE) this.count = m.data.length;
    else this.count = m.count < most ? m.count : most;
    this.flags = m.flags;
    this.mask = m.mask;
    this.nwname = 0;
    this.walked = 0;
    this.asked = -1;
    this.composing = false;
    this.cramped = false;
  }

  /** Be free, and hold nothing. */
  end(): void {
    this.state = IDLE;
    this.by = undefined;
    this.fid = undefined;
    this.target = undefined;
    this.path.length = 0;
  }

  get partway(): boolean {
    return this.walked > 0;
  }

  park(by: Parked): void {
    if (this.state !== IDLE) this.#owner.parked(this, by);
    else this.#owner.late(undefined);
  }

  refuse(why: Refusal): void {
    if (this.state !== IDLE) this.#owner.refused(this, why);
    else this.#owner.late(undefined);
  }

  found(node: Node): void {
    if (this.state !== IDLE && (this.type === TWALK || this.type === TATTACH)) this.#owner.found(this, node);
    else this.#stray(undefined);
  }

  opened(file: OpenFile, iounit = 0): void {
    if (this.state !== IDLE && this.type === TLOPEN) this.#owner.opened(this, file, iounit);
    else this.#stray(file);
  }

  put(bytes: Uint8Array, start: number, length: number): number {
    if (this.state !== IDLE && this.type === TREAD) return this.#owner.put(this, bytes, start, length);
    this.#stray(undefined);
    return 0;
  }

  entry(qid: Qid, offset: number, type: number, name: string): boolean {
    if (this.state !== IDLE && this.type === TREADDIR) return this.#owner.entry(this, qid, offset, type, name);
    this.#stray(undefined);
    return false;
  }

  wrote(count: number): void {
    if (this.state !== IDLE && this.type === TWRITE) this.#owner.wrote(this, count);
    else this.#stray(undefined);
  }

  attributes(attributes: Attributes): void {
    if (this.state !== IDLE && this.type === TGETATTR) this.#owner.attributes(this, attributes);
    else this.#stray(undefined);
  }

  done(): void {
    const { type } = this;
    if (this.state !== IDLE && (type === TREAD || type === TREADDIR || type === TSETATTR)) this.#owner.done(this);
    else this.#stray(undefined);
  }

  /** An answer to a request that is over, or one of the wrong kind. */
  #stray(file: OpenFile | undefined): void {
    if (this.state === IDLE) this.#owner.late(file);
    else this.#owner.misanswered(this, file);
  }
}
