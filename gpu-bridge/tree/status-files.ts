/**
 * `status` and `status.follow` of one lessee: what became of the jobs of its lease, and of no other. What was opened stays that
 * lease's: it gives all that the lease was told, its end included, and then `Closed`, to a read that waits too.
 */

import { answerAttributes, MODE_READ_ONLY, wantsToWrite } from "../../services/ninedoor/attributes.ts";
import { FollowFile } from "../../services/ninedoor/follow-file.ts";
import { touch } from "../../services/ninedoor/qids.ts";
import type { Ring } from "../../services/ninedoor/ring.ts";
import { RingCursor } from "../../services/ninedoor/ring-file.ts";
import { INVALID, NOT_FOUND, PERMISSION } from "../../services/secure9p/refusal.ts";
import type { Node, OpenFile, Request } from "../../services/secure9p/tree.ts";
import type { Qid } from "../../services/secure9p/wire.ts";
import type { Lease } from "../leases/leases.ts";
import type { LesseeOptions } from "./lessee.ts";

export class StatusNode implements Node {
  readonly #options: LesseeOptions;
  readonly #qid: Qid;
  /** Most reads of one lease that wait at once; none if a read at the end is answered at once. */
  readonly #waiters: number;
  #follow: { readonly lease: Lease; readonly file: FollowFile } | undefined;
  #seen: Ring | undefined;
  #appends = 0;

  constructor(options: LesseeOptions, qid: Qid, waiters: number) {
    this.#options = options;
    this.#qid = qid;
    this.#waiters = waiters;
  }

  /** Its version is another with each line, and with each lease. */
  get qid(): Qid {
    const ring = this.#ring;
    const appends = ring?.appends ?? 0;
    if (ring !== this.#seen || appends !== this.#appends) touch(this.#qid);
    this.#seen = ring;
    this.#appends = appends;
    return this.#qid;
  }

  walk(request: Request): void {
    request.refuse(NOT_FOUND);
  }

  open(request: Request): void {
    const lease = this.#options.lease();
    if ("errno" in lease) return request.refuse(lease);
    if (wantsToWrite(request.flags)) return request.refuse(PERMISSION);
    const cursor = new RingCursor(lease.status, lease.life, this.#options.counters);
    request.opened(new OpenStatus(lease.status, cursor, this.#waiters > 0 ? this.#following(lease) : undefined));
  }

  getattr(request: Request, file: OpenFile | undefined): void {
    const ring = file instanceof OpenStatus ? file.ring : this.#ring;
    if (ring === undefined) return answerAttributes(request, MODE_READ_ONLY, 0);
    const size = file instanceof OpenStatus ? file.size : ring.end - ring.start;
    answerAttributes(request, MODE_READ_ONLY, size, ring.end);
  }

  setattr(request: Request): void {
    request.refuse(PERMISSION);
  }

  get #ring(): Ring | undefined {
    const lease = this.#options.lease();
    return "errno" in lease ? undefined : lease.status;
  }

  /** Where reads of a lease wait, the same for all of them, so that they have one bound. */
  #following(lease: Lease): FollowFile {
    if (this.#follow?.lease !== lease) {
      const { counters } = this.#options;
      const { life, status: ring } = lease;
      this.#follow = { lease, file: new FollowFile({ qid: this.#qid, counters, life, ring, waiters: this.#waiters }) };
    }
    return this.#follow.file;
  }
}

class OpenStatus implements OpenFile {
  readonly ring: Ring;
  readonly #cursor: RingCursor;
  readonly #follow: FollowFile | undefined;

  constructor(ring: Ring, cursor: RingCursor, follow: FollowFile | undefined) {
    this.ring = ring;
    this.#cursor = cursor;
    this.#follow = follow;
  }

  get size(): number {
    return this.#cursor.size;
  }

  read(request: Request): void {
    if (this.#cursor.serve(request)) return;
    // A read of nothing is answered by nothing, and would not be answered by more.
    if (this.#follow === undefined || request.count === 0) request.done();
    else this.#follow.wait(request, this.#cursor);
  }

  write(request: Request): void {
    request.refuse(PERMISSION);
  }

  readdir(request: Request): void {
    request.refuse(INVALID);
  }

  close(): void {}
}
