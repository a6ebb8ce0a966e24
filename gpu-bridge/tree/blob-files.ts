/** `in` and `out` of a blob as files: bytes at offsets, and a result that stays the same for who has opened it. */

import { answerAttributes, MODE_APPEND, MODE_READ_ONLY, wantsToWrite } from "../../services/ninedoor/attributes.ts";
import { touch } from "../../services/ninedoor/qids.ts";
import * as p9 from "../../services/secure9p/constants.ts";
import type { AttributeChange } from "../../services/secure9p/message.ts";
import { BAD_FID, CLOSED, INVALID, NOT_FOUND, PERMISSION } from "../../services/secure9p/refusal.ts";
import type { Node, OpenFile, Request } from "../../services/secure9p/tree.ts";
import type { Qid } from "../../services/secure9p/wire.ts";
import type { Held, InputBlob } from "../blobs/blobs.ts";
import type { Lease } from "../leases/leases.ts";
import type { LesseeOptions } from "./lessee.ts";

/** Readable and writable at offsets; the bits are a plain file's. */
const MODE_READ_WRITE = MODE_APPEND;
const TIMES = p9.SETATTR_ATIME | p9.SETATTR_MTIME | p9.SETATTR_CTIME | p9.SETATTR_ATIME_SET | p9.SETATTR_MTIME_SET;

export class InputNode implements Node {
  readonly qid: Qid;
  readonly #options: LesseeOptions;
  readonly #slot: number;

  constructor(options: LesseeOptions, slot: number, qid: Qid) {
    this.#options = options;
    this.#slot = slot;
    this.qid = qid;
  }

  walk(request: Request): void {
    request.refuse(NOT_FOUND);
  }

  open(request: Request): void {
    const lease = this.#options.lease();
    if ("errno" in lease) return request.refuse(lease);
    const blob = this.#options.gpu.blobs(lease).slots[this.#slot]!.in;
    const writes = (request.flags & p9.O_ACCMODE) !== p9.O_RDONLY;
    if (writes && (request.flags & p9.O_TRUNC) !== 0) {
      const why = blob.resize(0);
      if (why !== undefined) return request.refuse(why);
      touch(this.qid);
    }
    request.opened(new OpenInput(this.qid, lease, blob, writes));
  }

  getattr(request: Request, file: OpenFile | undefined): void {
    const lease = this.#options.lease();
    if (file instanceof OpenInput) answerAttributes(request, MODE_READ_WRITE, file.length);
    else if ("errno" in lease) answerAttributes(request, MODE_READ_WRITE, 0);
    else answerAttributes(request, MODE_READ_WRITE, this.#options.gpu.blobs(lease).slots[this.#slot]!.in.length);
  }

  setattr(request: Request, change: AttributeChange, file: OpenFile | undefined): void {
    if ((change.valid & ~(p9.SETATTR_SIZE | TIMES)) !== 0) return request.refuse(PERMISSION);
    const lease = file instanceof OpenInput ? file.lease : this.#options.lease();
    if ("errno" in lease) return request.refuse(lease);
    if (lease.life.ended) return request.refuse(CLOSED);
    if ((change.valid & p9.SETATTR_SIZE) !== 0) {
      const why = this.#options.gpu.blobs(lease).slots[this.#slot]!.in.resize(change.size);
      if (why !== undefined) return request.refuse(why);
      touch(this.qid);
    }
    request.done();
  }
}

class OpenInput implements OpenFile {
  readonly lease: Lease;
  readonly #qid: Qid;
  readonly #blob: InputBlob;
  readonly #writes: boolean;

  constructor(qid: Qid, lease: Lease, blob: InputBlob, writes: boolean) {
    this.#qid = qid;
    this.lease = lease;
    this.#blob = blob;
    this.#writes = writes;
  }

  get length(): number {
    return this.#blob.length;
  }

  read(request: Request): void {
    if (this.lease.life.ended) return request.refuse(CLOSED);
    sendPart(request, this.#blob.content);
  }

  write(request: Request, bytes: Uint8Array, start: number, length: number): void {
    if (this.lease.life.ended) return request.refuse(CLOSED);
    if (!this.#writes) return request.refuse(BAD_FID);
    const why = this.#blob.write(request.offset, bytes, start, length);
    if (why !== undefined) return request.refuse(why);
    touch(this.#qid);
    request.wrote(length);
  }

  readdir(request: Request): void {
    request.refuse(INVALID);
  }

  close(): void {}
}

export class ResultNode implements Node {
  readonly #qid: Qid;
  readonly #options: LesseeOptions;
  readonly #slot: number;
  #seen: Held | undefined;

  constructor(options: LesseeOptions, slot: number, qid: Qid) {
    this.#options = options;
    this.#slot = slot;
    this.#qid = qid;
  }

  /** Its version is another with each result. */
  get qid(): Qid {
    this.#result();
    return this.#qid;
  }

  walk(request: Request): void {
    request.refuse(NOT_FOUND);
  }

  open(request: Request): void {
    const lease = this.#options.lease();
    if ("errno" in lease) return request.refuse(lease);
    if (wantsToWrite(request.flags)) return request.refuse(PERMISSION);
    request.opened(new OpenResult(lease, this.#result()?.hold()));
  }

  getattr(request: Request, file: OpenFile | undefined): void {
    const length = file instanceof OpenResult ? file.length : (this.#result()?.bytes.length ?? 0);
    answerAttributes(request, MODE_READ_ONLY, length);
  }

  setattr(request: Request): void {
    request.refuse(PERMISSION);
  }

  #result(): Held | undefined {
    const lease = this.#options.lease();
    const result = "errno" in lease ? undefined : this.#options.gpu.blobs(lease).slots[this.#slot]!.out;
    if (result !== this.#seen) touch(this.#qid);
    this.#seen = result;
    return result;
  }
}

class OpenResult implements OpenFile {
  readonly #lease: Lease;
  readonly #result: Held | undefined;

  constructor(lease: Lease, result: Held | undefined) {
    this.#lease = lease;
    this.#result = result;
  }

  get length(): number {
    return this.#result?.bytes.length ?? 0;
  }

  read(request: Request): void {
    if (this.#lease.life.ended) return request.refuse(CLOSED);
    if (this.#result === undefined) request.done();
    else sendPart(request, this.#result.bytes);
  }

  write(request: Request): void {
    request.refuse(PERMISSION);
  }

  readdir(request: Request): void {
    request.refuse(INVALID);
  }

  close(): void {
    this.#result?.release();
  }
}

function sendPart(request: Request, bytes: Uint8Array): void {
  const left = bytes.length - request.offset;
  if (left > 0) request.put(bytes, request.offset, Math.min(left, request.count));
  request.done();
}
