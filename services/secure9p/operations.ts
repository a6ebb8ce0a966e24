/**
 * The requests of a session, from the decoded message to the provider and from its answer to the reply: all but Tversion
 * and Tflush. It holds the fids and the tag slots, keeps each open file until exactly one `close`, and lets no provider's
 * exception out.
 */
import type { Bytes } from "../ports/index.ts";
import * as p9 from "./constants.ts";
import type { SessionCounters } from "./counters.ts";
import { type Fid, Fids } from "./fids.ts";
import type { Attributes, Message } from "./message.ts";
import { provide } from "./providing.ts";
import * as refusal from "./refusal.ts";
import type { Refusal } from "./refusal.ts";
import { copyQid, ENTRY_ADDED, ENTRY_INVALID, isQid, type Replies } from "./replies.ts";
import { ACTIVE, IDLE, type Owner, PARKED, type Slot } from "./request.ts";
import { Slots } from "./slots.ts";
import type { Node, OpenFile, Parked, Tree } from "./tree.ts";
import { check, checkAttach, checkWalk } from "./check.ts";
import type { Qid } from "./wire.ts";

export interface OperationsOptions {
  readonly tree: Tree;
  readonly bytes: Bytes;
  readonly fids: number;
  readonly tags: number;
  /** Asked before each request that a budget counts; a refusal is its answer. */
  readonly admit?: (() => Refusal | undefined) | undefined;
  /** Told what a provider threw. What it throws itself goes to the caller of the session. */
  readonly failed?: ((error: unknown) => void) | undefined;
}

export class Operations implements Owner {
  /** Agreed on by Tversion; 0 before that. */
  msize = 0;
  readonly fids: Fids;
  /** What everything gets since {@link revoke}. */
  revoked: Refusal | undefined = undefined;
  readonly #options: OperationsOptions;
  readonly #bytes: Bytes;
  readonly #admit: OperationsOptions["admit"];
  readonly #replies: Replies;
  readonly #counters: SessionCounters;
  /** The places of requests that wait. */
  readonly tags: Slots;

  constructor(options: OperationsOptions, replies: Replies, counters: SessionCounters) {
    this.#options = options;
    this.#bytes = options.bytes;
    this.#admit = options.admit;
    this.#replies = replies;
    this.#counters = counters;
    this.fids = new Fids(options.fids);
    this.tags = new Slots(options.tags, this);
  }

  /** Do a request and see to its reply. */
  request(m: Message): void {
    const why = this.revoked ?? this.#begin(m);
    if (why !== undefined) this.#replies.error(m.tag, why);
  }

  get inFlight(): number {
    return this.tags.taken;
  }

  inUse(tag: number): boolean {
    return this.tags.find(tag) !== undefined;
  }

  /** End the request with this tag, if there is one, without a reply. */
  flush(tag: number): void {
    const slot = this.tags.find(tag);
    if (slot === undefined) return;
    this.#counters.flushed++;
    this.#cancel(slot, undefined);
  }

  /** End a fid, if there is such, without a reply. */
  clunk(id: number): void {
    const fid = this.fids.get(id);
    if (fid !== undefined) this.#close(fid);
  }

  /** End all requests, with an answer if `why` is given, and all fids. */
  reset(why: Refusal | undefined): void {
    for (let slot = this.tags.any(); slot !== undefined; slot = this.tags.any()) this.#cancel(slot, why);
    for (let fid = this.fids.any(); fid !== undefined; fid = this.fids.any()) this.#close(fid);
  }

  /** From now on everything gets that answer. */
  revoke(why: Refusal): void {
    this.revoked = why;
    this.end(why);
  }

  /** As {@link reset}, for good: no request will be begun any more. */
  end(why: Refusal | undefined): void {
    this.reset(why);
    this.tags.drop();
  }

  parked(slot: Slot, by: Parked): void {
    if (slot.type === p9.TWALK && slot.walked !== slot.asked) return this.#fault(slot);
    if (this.#replies.composes(slot)) this.#replies.abandon();
    slot.composing = false;
    slot.cramped = false;
    slot.state = PARKED;
    slot.by = by;
  }

  refused(slot: Slot, why: Refusal): void {
    // walk(5): what was walked is the answer, unless it is nothing.
    if (slot.type === p9.TWALK && slot.walked > 0) return this.#sendWalked(slot);
    this.#replies.error(slot.tag, why);
    this.#settle(slot);
  }

  found(slot: Slot, node: Node): void {
    if (!isQid(node.qid)) return this.#fault(slot);
    if (slot.type === p9.TATTACH) {
      slot.fid!.path.push(node);
      copyQid(this.#replies.message.qid, node.qid);
      this.#replies.send(p9.RATTACH, slot.tag);
      return this.#settle(slot);
    }
    if (slot.walked !== slot.asked) return this.#fault(slot);
    slot.path.push(node);
    copyQid(slot.wqids[slot.walked]!, node.qid);
    slot.walked++;
    if (slot.state === PARKED) {
      slot.state = ACTIVE;
      slot.by = undefined;
      this.#walkOn(slot);
    }
  }

  opened(slot: Slot, file: OpenFile, iounit: number): void {
    const fid = slot.fid!;
    const most = this.msize - p9.IO_HEADER;
    copyQid(this.#replies.message.qid, fid.node.qid);
    this.#replies.message.iounit = iounit > 0 && iounit < most ? iounit : most;
    if (!this.#answer(slot)) return this.#closeFile(file);
    fid.file = file;
    fid.flags = slot.flags;
  }

  put(slot: Slot, bytes: Uint8Array, start: number, length: number): number {
    if (!this.#compose(slot)) return 0;
    const taken = Math.min(length, slot.count - this.#replies.data);
    if (taken > 0) this.#replies.put(bytes, start, taken);
    return taken;
  }

  entry(slot: Slot, qid: Qid, offset: number, type: number, name: string): boolean {
    if (slot.cramped || !this.#compose(slot)) return false;
    const verdict = this.#replies.entry(qid, offset, type, name, slot.count - this.#replies.data);
    if (verdict === ENTRY_INVALID) this.#fault(slot);
    else if (verdict !== ENTRY_ADDED) slot.cramped = true;
    return verdict === ENTRY_ADDED;
  }

  wrote(slot: Slot, count: number): void {
    if (!(count >= 0 && count <= slot.count)) return this.#fault(slot);
    this.#replies.message.count = count;
    this.#answer(slot);
  }

  attributes(slot: Slot, attributes: Attributes): void {
    this.#replies.message.attributes = attributes;
    copyQid(this.#replies.message.qid, slot.fid!.node.qid);
    this.#answer(slot);
  }

  done(slot: Slot): void {
    if (slot.type === p9.TSETATTR) return void this.#answer(slot);
    if (!this.#compose(slot)) return;
    // An empty answer would be the directory's end.
    if (slot.cramped && this.#replies.data === 0) return this.refused(slot, refusal.INVALID);
    this.#replies.close(slot.type + 1, slot.tag);
    this.#settle(slot);
    this.#replies.spend();
  }

  late(file: OpenFile | undefined): void {
    this.#counters.late++;
    if (file !== undefined) this.#closeFile(file);
  }

  misanswered(slot: Slot, file: OpenFile | undefined): void {
    this.#fault(slot);
    if (file !== undefined) this.#closeFile(file);
  }

  /** @returns why it is refused; undefined if it is answered or will be. */
  #begin(m: Message): Refusal | undefined {
    if (m.type === p9.TATTACH) return this.#attach(m);
    if (m.type === p9.TCLUNK) return this.#clunk(m);
    if (this.#admit !== undefined) {
      const no = this.#admit();
      if (no !== undefined) return no;
    }
    if (m.type === p9.TAUTH) return refusal.NOT_FOUND;
    const fid = this.fids.get(m.fid);
    if (fid === undefined) return refusal.BAD_FID;
    switch (m.type) {
      case p9.TREAD:
      case p9.TWRITE:
      case p9.TLOPEN:
      case p9.TGETATTR:
        return this.#ask(m, fid);
      case p9.TWALK:
        return this.#walk(m, fid);
      case p9.TSTATFS:
        this.#replies.status();
        return this.#plain(m);
      case p9.TFSYNC:
        if (fid.file === undefined) return refusal.BAD_FID;
        return this.#plain(m);
      case p9.TREMOVE:
        // remove(5): the fid goes whatever the answer.
        this.#close(fid);
        return refusal.UNSUPPORTED;
      case p9.TRENAME:
      case p9.TRENAMEAT:
      case p9.TLINK:
        return this.fids.get(m.dfid) === undefined ? refusal.BAD_FID : refusal.UNSUPPORTED;
      default:
        return this.#ask(m, fid);
    }
  }

  /** What a node or its file has to do. */
  #ask(m: Message, fid: Fid): Refusal | undefined {
    const why = check(m, fid, this.msize);
    if (why !== undefined) return why;
    const slot = this.tags.take(m, fid, this.msize);
    if (slot === undefined) return refusal.BUSY;
    if (m.type === p9.TLOPEN) fid.claimed = true;
    this.#call(slot, m);
    return undefined;
  }

  #attach(m: Message): Refusal | undefined {
    const why = checkAttach(m, this.fids.taken(m.fid), this.#bytes);
    if (why !== undefined) return why;
    const slot = this.tags.take(m, undefined, this.msize);
    if (slot === undefined) return refusal.BUSY;
    slot.fid = this.fids.reserve(m.fid);
    if (slot.fid === undefined) {
      this.#settle(slot);
      return refusal.BUSY;
    }
    this.#call(slot, m);
    return undefined;
  }

  #walk(m: Message, fid: Fid): Refusal | undefined {
    const same = m.newfid === m.fid;
    const why = checkWalk(m, fid, !same && this.fids.taken(m.newfid), this.#bytes);
    if (why !== undefined) return why;
    const slot = this.tags.take(m, fid, this.msize);
    if (slot === undefined) return refusal.BUSY;
    slot.target = same ? fid : this.fids.reserve(m.newfid);
    if (slot.target === undefined) {
      this.#settle(slot);
      return refusal.BUSY;
    }
    if (same) fid.claimed = true;
    slot.nwname = m.nwname;
    const { names } = m;
    for (let i = 0; i < m.nwname; i++) slot.names[i] = names?.[i] ?? m.wnames[i]!.text(this.#bytes);
    for (let i = 0; i < fid.path.length; i++) slot.path.push(fid.path[i]!);
    this.#walkOn(slot);
    return undefined;
  }

  #walkOn(slot: Slot): void {
    const path = slot.path;
    while (slot.state === ACTIVE && slot.walked < slot.nwname) {
      const name = slot.names[slot.walked]!;
      const node = path[path.length - 1]!;
      if ((node.qid.type & p9.QTDIR) === 0) return this.refused(slot, refusal.NOT_FOUND);
      if (name === "." || name === "..") {
        if (name === ".." && path.length > 1) path.pop();
        copyQid(slot.wqids[slot.walked]!, path[path.length - 1]!.qid);
        slot.walked++;
        continue;
      }
      if (path.length > p9.WALK_DEPTH) return this.refused(slot, refusal.TOO_BIG);
      slot.asked = slot.walked;
      try {
        node.walk(slot, name);
      } catch (error) {
        this.#threw(slot, error);
      }
      if (slot.state === ACTIVE && slot.walked === slot.asked) return this.#fault(slot);
    }
    if (slot.state === ACTIVE) this.#sendWalked(slot);
  }

  #sendWalked(slot: Slot): void {
    this.#replies.walked(slot.walked, slot.wqids);
    if (slot.walked === slot.nwname) {
      const to = slot.target!.path;
      for (let i = 0; i < slot.path.length; i++) to[i] = slot.path[i]!;
      to.length = slot.path.length;
    }
    this.#answer(slot);
  }

  #clunk(m: Message): Refusal | undefined {
    const fid = this.fids.get(m.fid);
    if (fid === undefined) return refusal.BAD_FID;
    this.#close(fid);
    this.#replies.send(p9.RCLUNK, m.tag);
    return undefined;
  }

  #plain(m: Message): undefined {
    this.#replies.send(m.type + 1, m.tag);
    this.#replies.spend();
  }

  #call(slot: Slot, m: Message): void {
    try {
      provide(slot, m, this.#options.tree, this.#bytes);
    } catch (error) {
      this.#threw(slot, error);
    }
    if (slot.state === ACTIVE) this.#fault(slot);
  }

  /** Send the reply that was filled in and count it. @returns false if the provider's values fit none. */
  #answer(slot: Slot): boolean {
    if (!this.#replies.send(slot.type + 1, slot.tag)) {
      this.#fault(slot);
      return false;
    }
    this.#settle(slot);
    this.#replies.spend();
    return true;
  }

  #compose(slot: Slot): boolean {
    if (!slot.composing) {
      slot.composing = true;
      this.#replies.open(slot);
      return true;
    }
    if (this.#replies.composes(slot)) return true;
    this.#fault(slot);
    return false;
  }

  /** The request is over: what it held of fids is given back. */
  #settle(slot: Slot): void {
    const { fid, target } = slot;
    if (fid !== undefined) {
      if (slot.type === p9.TLOPEN || target === fid) fid.claimed = false;
      if (fid.path.length === 0) this.fids.remove(fid);
    }
    if (target !== undefined && target.path.length === 0) this.fids.remove(target);
    this.tags.free(slot);
  }

  /** End a request that its provider may still know of. */
  #cancel(slot: Slot, why: Refusal | undefined): void {
    const by = slot.by;
    if (this.#replies.composes(slot)) this.#replies.abandon();
    if (why === undefined) this.#counters.dropped++;
    else this.#replies.error(slot.tag, why);
    this.#settle(slot);
    // The provider may hold the old one for a while; a new request must not be answered through it.
    this.tags.retire(slot);
    try {
      by?.cancelled(slot);
    } catch (error) {
      this.#threw(slot, error);
    }
  }

  #fault(slot: Slot): void {
    this.#counters.providerErrors++;
    if (slot.state !== IDLE) this.#cancel(slot, refusal.BUSY);
  }

  #threw(slot: Slot, error: unknown): void {
    this.#fault(slot);
    this.#options.failed?.(error);
  }

  #close(fid: Fid): void {
    for (let at = this.tags.about(fid); at; at = this.tags.about(fid)) this.#cancel(at, refusal.BAD_FID);
    const { file } = fid;
    this.fids.remove(fid);
    if (file !== undefined) this.#closeFile(file);
  }

  #closeFile(file: OpenFile): void {
    try {
      file.close();
    } catch (error) {
      this.#counters.providerErrors++;
      this.#options.failed?.(error);
    }
  }
}
