/**
 * Puts replies into a session's outbox and counts them. Small ones are encoded at once; an Rread or Rreaddir is put
 * together from pieces where it will be sent from, so its data is copied once.
 * The outbox holds what a session may have unsent and an answer to everything in flight, so there is always room.
 */
import type { Bytes } from "../ports/index.ts";
import { COMPONENT_BYTES, ENTRY_HEADER, HEADER, READ_HEADER, RGETATTR, RLERROR, V9FS_MAGIC } from "./constants.ts";
import type { SessionCounters } from "./counters.ts";
import { encode, UNFIT } from "./encode.ts";
import { type Attributes, Message } from "./message.ts";
import type { Outbox } from "./outbox.ts";
import type { Refusal } from "./refusal.ts";
import { type Qid, Span, utf8Length, Writer } from "./wire.ts";

const NOTHING = new Uint8Array(0);
const nobody = (): void => undefined;
/** Holds every reply without data (Rwalk of 16 is 217 bytes), and a directory entry. */
const SCRATCH = Math.max(512, ENTRY_HEADER + COMPONENT_BYTES);

export const ENTRY_ADDED = 0;
/** There is no room for it in this reply. */
export const ENTRY_UNFIT = 1;
/** It has no name, too long a one, or a number that is none. */
export const ENTRY_INVALID = 2;
export type EntryVerdict = typeof ENTRY_ADDED | typeof ENTRY_UNFIT | typeof ENTRY_INVALID;

/** Who is told of replies; see `SessionOptions`. */
export interface RepliesListener {
  readonly spent?: (() => void) | undefined;
  readonly replied?: (() => void) | undefined;
}

export class Replies {
  /** To fill and then {@link send}. */
  readonly message = new Message();
  readonly #port: Bytes;
  readonly #out: Outbox;
  readonly #counters: SessionCounters;
  readonly #listener: RepliesListener;
  readonly #writer: Writer;
  readonly #scratch = new Uint8Array(SCRATCH);
  readonly #name = new Span();
  readonly #nameBytes = new Uint8Array(COMPONENT_BYTES);
  /** Data bytes of the reply that is being put together. */
  #data = 0;
  /** Whose reply that is; another reply in between ends it. */
  #composer: object | undefined = undefined;
  /** A client within this process, which gets messages and no bytes; and where their data is put together. */
  #heard: ((reply: Message) => void) | undefined = undefined;
  #local: Uint8Array = NOTHING;

  constructor(port: Bytes, out: Outbox, counters: SessionCounters, listener: RepliesListener) {
    this.#listener = listener;
    this.#port = port;
    this.#out = out;
    this.#counters = counters;
    this.#writer = new Writer(port);
  }

  /** Hand replies to a client within this process. @param most bytes of the data of one */
  hear(heard: (reply: Message) => void, most: number): void {
    this.#heard = heard;
    this.#local = new Uint8Array(most);
  }

  /** Let go of it. */
  hush(): void {
    if (this.#heard !== undefined) this.#heard = nobody;
  }

  /** Send {@link message}. @returns false if a field of it fits no reply; then nothing is sent. */
  send(type: number, tag: number): boolean {
    const m = this.message;
    const out = this.#out;
    m.type = type;
    m.tag = tag;
    if (this.#heard !== undefined) {
      if (type === RGETATTR && !areNumbers(m.attributes)) return false;
      this.#composer = undefined;
      this.#counters.replies++;
      this.#heard(m);
      return true;
    }
    // What is open stays if the message does not encode, and so does its place.
    const at = this.#composer === undefined ? out.room(SCRATCH) : -1;
    const size = encode(m, this.#writer, at < 0 ? this.#scratch : out.bytes, at < 0 ? 0 : at, SCRATCH);
    if (size === UNFIT) return false;
    if (at < 0) {
      this.abandon();
      out.put(this.#scratch, 0, size);
      out.close();
    } else out.add(size);
    this.#counters.replies++;
    this.#listener.replied?.();
    return true;
  }

  error(tag: number, why: Refusal): void {
    this.message.ecode = why.errno;
    this.send(RLERROR, tag);
    this.#counters.errors++;
  }

  /** Fill in what a synthetic tree says of itself: it has no blocks. */
  status(): void {
    const status = this.message.status;
    status.type = V9FS_MAGIC;
    status.bsize = 4096;
    status.namelen = COMPONENT_BYTES;
  }

  /** Fill in the qids of a walk. */
  walked(count: number, wqids: readonly Qid[]): void {
    const m = this.message;
    m.nwqid = count;
    for (let i = 0; i < count; i++) copyQid(m.wqids[i]!, wqids[i]!);
  }

  /** Begin a reply with data. */
  open(composer: object): void {
    if (this.#composer !== undefined) this.abandon();
    if (this.#heard === undefined) this.#out.put(this.#scratch, 0, READ_HEADER);
    this.#data = 0;
    this.#composer = composer;
  }

  abandon(): void {
    this.#out.abandon();
    this.#composer = undefined;
  }

  /** Whether what was put together is this one's, and still there. */
  composes(composer: object): boolean {
    return this.#composer === composer;
  }

  /** Bytes of data so far. */
  get data(): number {
    return this.#data;
  }

  put(bytes: Uint8Array, start: number, length: number): void {
    if (this.#heard === undefined) this.#out.put(bytes, start, length);
    else this.#port.copy(this.#local, this.#data, bytes, start, length);
    this.#data += length;
  }

  /** Add an entry if it fits `room`. */
  entry(qid: Qid, offset: number, type: number, name: string, room: number): EntryVerdict {
    const length = utf8Length(name, COMPONENT_BYTES);
    if (length === 0 || length > COMPONENT_BYTES) return ENTRY_INVALID;
    if (ENTRY_HEADER + length > room) return ENTRY_UNFIT;
    this.#port.encode(name, this.#nameBytes, 0);
    this.#name.set(this.#nameBytes, 0, length);
    const w = this.#writer;
    w.begin(this.#scratch, 0, SCRATCH);
    w.qid(qid);
    w.u64(offset);
    w.u8(type);
    w.string(this.#name);
    if (w.failed) return ENTRY_INVALID;
    this.put(this.#scratch, 0, w.at);
    return ENTRY_ADDED;
  }

  /** Send what was put together since {@link open}. */
  close(type: number, tag: number): void {
    if (this.#heard !== undefined) {
      this.message.data.set(this.#local, 0, this.#data);
      this.send(type, tag);
      return;
    }
    const out = this.#out;
    out.patch(0, READ_HEADER + this.#data);
    // type and tag lie in the low bytes of the word, and the count's first byte is written by the next patch.
    out.patch(4, (type | (tag << 8)) >>> 0);
    out.patch(HEADER, this.#data);
    out.close();
    this.#composer = undefined;
    this.#counters.replies++;
    this.#listener.replied?.();
  }

  /** The reply was one that a budget counts. */
  spend(): void {
    this.#counters.ops++;
    this.#listener.spent?.();
  }
}

/** Whether a provider's attributes, as far as a client within this process goes by them, can be what they say. */
function areNumbers({ size, dataVersion }: Attributes): boolean {
  return Number.isSafeInteger(size) && size >= 0 && Number.isSafeInteger(dataVersion) && dataVersion >= 0;
}

/** Whether a provider's qid can be sent. */
export function isQid(qid: Qid): boolean {
  return Number.isSafeInteger(qid.path) && qid.path >= 0;
}

/** Copies a qid, which may change before it is sent. */
export function copyQid(into: Qid, from: Qid): void {
  into.type = from.type;
  into.version = from.version;
  into.path = from.path;
}
