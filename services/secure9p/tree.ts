/**
 * What a session serves. All methods run on the one thread of the hive, inside `Session.receive`, and answer through their
 * {@link Request}: before they return, or later after `request.park`. A method that does neither, answers out of kind or
 * throws is counted as the provider's error, and its client gets `Busy`: no request is ever left without an answer.
 */
import type { Attributes, AttributeChange } from "./message.ts";
import type { Refusal } from "./refusal.ts";
import type { Qid } from "./wire.ts";

/** Where sessions attach. */
export interface Tree {
  /**
   * Answer with `found(root)` or `refuse`. `aname` is valid UTF-8 without NUL and may be a ticket; `uname` proves nothing.
   * May be called again at any time, for the same session too, and while another attach is parked.
   */
  attach(request: Request, aname: string, uname: string): void;
}

/**
 * A place in the tree: a name for something, holding nothing that must be given back. Many fids of many sessions may
 * share one node, and a session keeps the nodes of a fid's path until the fid goes; it tells nobody when that is.
 * A node whose thing is gone stays valid and refuses.
 */
export interface Node {
  /** `path` never changes and is unique in the hive's life; `version` is read when it is sent. `QTDIR` makes it a directory. */
  readonly qid: Qid;
  /**
   * Answer with `found(child)` or `refuse`. Called on directories only; `name` has 1 to 255 bytes, no `/` and no NUL and is
   * neither `.` nor `..`: the session does those itself, so nothing above an attach root can be reached.
   * Several walks may be parked on one node.
   */
  walk(request: Request, name: string): void;
  /**
   * Answer with `opened(file)` or `refuse`. `request.flags` are those of open(2); directories are opened for reading only.
   * One fid has at most one open at a time and none twice; other fids may open the same node meanwhile.
   */
  open(request: Request): void;
  /** Answer with `attributes` or `refuse`. `file` is the asking fid's, if it is open; `request.mask` says what is wanted. */
  getattr(request: Request, file: OpenFile | undefined): void;
  /** Answer with `done` or `refuse`. `change` is valid until this returns. A size that is set is exact. */
  setattr(request: Request, change: AttributeChange, file: OpenFile | undefined): void;
}

/**
 * An open file: belongs to one fid, from `opened` until `close`, which is called exactly once, last, and with none of its
 * requests pending. Requests on one file are called in the order they came; parked ones may be answered in any.
 */
export interface OpenFile {
  /** Answer with any number of `put` and `done`, or `refuse`: `request.count` bytes at most from `request.offset`. */
  read(request: Request): void;
  /** Answer with `wrote` or `refuse`. The bytes are valid until this returns; `request.offset` + `length` is exact. */
  write(request: Request, bytes: Uint8Array, start: number, length: number): void;
  /** Answer with `entry` until it returns false or there is no more, and `done`; or `refuse`. `request.offset` is 0 or an entry's. */
  readdir(request: Request): void;
  close(): void;
}

/** Who waits with a request. */
export interface Parked {
  /**
   * The request is over (Tflush, Tclunk, Tversion, the session's end): forget it. Called at most once, never after an answer.
   * Answers that come nevertheless are counted as late and go nowhere; a file that comes late is closed.
   */
  cancelled(request: Request): void;
}

/**
 * A request that wants one answer. The object is the session's and is used again: after the answer or `cancelled` it is
 * somebody else's. What a provider needs of it later it may read from it while it is parked.
 */
export interface Request {
  /** Tread, Twrite, Treaddir. Exact, and so is `offset` + `count`. */
  readonly offset: number;
  /** Tread, Treaddir: how much fits the answer. Twrite: how much there is. */
  readonly count: number;
  /** Tlopen. */
  readonly flags: number;
  /** Tgetattr: `request_mask`. */
  readonly mask: number;
  /** Twalk: names before this one were found, so the answer to a refusal is those, and why is not told. */
  readonly partway: boolean;
  /** Wait: the answer comes later, from wherever the provider is then called. Pieces that were `put` are forgotten. */
  park(by: Parked): void;
  refuse(why: Refusal): void;
  /** attach, walk. */
  found(node: Node): void;
  /** open. `iounit` is 0 for the session's own, msize − 24. */
  opened(file: OpenFile, iounit?: number): void;
  /** read: the next bytes of the answer. @returns how many were taken. From the first `put` to `done` nothing else may be answered. */
  put(bytes: Uint8Array, start: number, length: number): number;
  /** readdir: the next entry; `offset` is what a client says to go on behind it. @returns false if it does not fit. */
  entry(qid: Qid, offset: number, type: number, name: string): boolean;
  /** write: bytes taken. */
  wrote(count: number): void;
  /** getattr: read before this returns. */
  attributes(attributes: Attributes): void;
  /** read, readdir, setattr: all said. */
  done(): void;
}
