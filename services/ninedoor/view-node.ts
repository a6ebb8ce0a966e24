/**
 * A file or directory as one session sees it. Each request is asked of the policy before the file sees it, on open files
 * too, so a lease that ends or a rate that is used up holds for what is open already.
 */
import type { Grant } from "../roles/grant.ts";
import type { Operation } from "../roles/policy.ts";
import { DT_DIR, DT_REG, O_ACCMODE, O_WRONLY, QTAPPEND, QTDIR } from "../secure9p/constants.ts";
import type { AttributeChange } from "../secure9p/message.ts";
import { CLOSED, PERMISSION, RATE_LIMITED, type Refusal } from "../secure9p/refusal.ts";
import type { Node, OpenFile, Request } from "../secure9p/tree.ts";
import type { Qid } from "../secure9p/wire.ts";
import { wantsToWrite } from "./attributes.ts";
import type { Names } from "./mounts.ts";
import type { Place } from "./place.ts";
import { Opened, Relay } from "./relay.ts";
import type { Spot } from "./spot.ts";
import type { View } from "./view.ts";

/** Offsets of mount points in listings; providers' own are small or, of other servers, never so near to 2^53. */
export const POINT_OFFSET = Number.MAX_SAFE_INTEGER - 255;

/** Serves every open of a place that answers at once, for none of them waits. */
const opening = new Opened();

export class ViewNode implements Node {
  readonly spot: Spot;
  readonly place: Place;
  readonly view: View;

  constructor(view: View, spot: Spot, place: Place) {
    this.view = view;
    this.spot = spot;
    this.place = place;
  }

  get qid(): Qid {
    return this.place.qid;
  }

  /** What a write to it is. */
  get writing(): Operation {
    return (this.place.qid.type & QTAPPEND) === 0 ? "write" : "append";
  }

  walk(request: Request, name: string): void {
    this.view.walk(request, this, name);
  }

  open(request: Request): void {
    const { view, spot, place } = this;
    const { flags } = request;
    let why = (flags & O_ACCMODE) === O_WRONLY ? undefined : view.mayAt("read", spot);
    if (why === undefined && wantsToWrite(flags)) why = view.mayAt(this.writing, spot);
    if (why !== undefined) return request.refuse(why);
    if (place.immediate !== true) return place.open(new Opening(request, this), view);
    const answer = opening.ask(place, flags, view);
    if ("errno" in answer) request.refuse(answer);
    else request.opened(new ViewFile(this, answer), opening.iounit);
  }

  getattr(request: Request, file: OpenFile | undefined): void {
    const why = this.view.mayAt("walk", this.spot);
    if (why !== undefined) request.refuse(why);
    else this.place.getattr(request, innerOf(file), this.view);
  }

  setattr(request: Request, change: AttributeChange, file: OpenFile | undefined): void {
    const why = this.view.mayAt(this.writing, this.spot);
    if (why !== undefined) request.refuse(why);
    else this.place.setattr(request, change, innerOf(file), this.view);
  }
}

function innerOf(file: OpenFile | undefined): OpenFile | undefined {
  return file instanceof ViewFile ? file.inner : undefined;
}

class Opening extends Relay {
  readonly #node: ViewNode;

  constructor(inner: Request, node: ViewNode) {
    super(inner);
    this.#node = node;
  }

  override opened(file: OpenFile, iounit?: number): void {
    this.inner.opened(new ViewFile(this.#node, file), iounit);
  }
}

class ViewFile implements OpenFile {
  readonly inner: OpenFile;
  /** Offset behind the last byte read; before the first read there is none. */
  next = -1;
  readonly #node: ViewNode;
  #writing: Operation | undefined = undefined;

  constructor(node: ViewNode, inner: OpenFile) {
    this.#node = node;
    this.inner = inner;
  }

  read(request: Request): void {
    const { view } = this.#node;
    const why = this.#may("read") ?? (view.metered ? this.#payCursor(view.grant, request) : undefined);
    if (why !== undefined) request.refuse(why);
    else this.inner.read(view.metered ? new Metered(request, view.grant, this) : request);
  }

  write(request: Request, bytes: Uint8Array, start: number, length: number): void {
    const { view, spot, place } = this.#node;
    this.#writing ??= this.#node.writing;
    const why = this.#may(this.#writing) ?? (view.grant.takeBytes(length) ? undefined : RATE_LIMITED);
    const { audits } = place;
    const told = audits === undefined ? request : new Audited(request, view, spot, audits, bytes, start, length);
    if (why !== undefined) told.refuse(why);
    else this.inner.write(told, bytes, start, length);
  }

  readdir(request: Request): void {
    const { view } = this.#node;
    const why = this.#may("read");
    if (why !== undefined) request.refuse(why);
    else if (view.mounts.size === 0) this.inner.readdir(request);
    else if (request.offset < POINT_OFFSET) this.inner.readdir(new Listing(request, this.#node, this.inner));
    else {
      listPoints(request, this.#node, request.offset - POINT_OFFSET + 1);
      request.done();
    }
  }

  close(): void {
    this.inner.close();
  }

  /** Who has opened it could do that then; what is not granted any more was taken away. */
  #may(operation: Operation): Refusal | undefined {
    const { view, spot } = this.#node;
    const why = view.mayAt(operation, spot);
    return why === PERMISSION ? CLOSED : why;
  }

  #payCursor(grant: Grant, request: Request): Refusal | undefined {
    if (this.next < 0 || request.offset > this.next) return undefined;
    const paid = request.offset === this.next ? grant.takeAdvance() : grant.takeResume();
    return paid ? undefined : RATE_LIMITED;
  }
}

/** A read whose bytes are paid from a quota. What the quota has not is not sent, and if that is all, the read is refused. */
class Metered extends Relay {
  readonly #grant: Grant;
  readonly #file: ViewFile;
  #sent = 0;
  #out = false;

  constructor(inner: Request, grant: Grant, file: ViewFile) {
    super(inner);
    this.#grant = grant;
    this.#file = file;
  }

  override put(bytes: Uint8Array, start: number, length: number): number {
    const wanted = Math.min(length, this.count - this.#sent);
    if (this.#out || wanted <= 0) return 0;
    if (!this.#grant.takeBytes(wanted)) {
      this.#out = true;
      return 0;
    }
    const taken = this.inner.put(bytes, start, wanted);
    this.#sent += taken;
    return taken;
  }

  override done(): void {
    if (this.#out && this.#sent === 0) return this.inner.refuse(RATE_LIMITED);
    this.#file.next = this.offset + this.#sent;
    this.inner.done();
  }
}

/** A write of which the audit log tells. */
class Audited extends Relay {
  readonly #view: View;
  readonly #spot: Spot;
  readonly #all: boolean;
  readonly #text: string;

  constructor(
    inner: Request,
    view: View,
    spot: Spot,
    audits: "all" | "refused",
    bytes: Uint8Array,
    start: number,
    length: number,
  ) {
    super(inner);
    this.#view = view;
    this.#spot = spot;
    this.#all = audits === "all";
    // A job may be a secret, a command is not.
    this.#text = this.#all ? view.excerpt(bytes, start, length) : "";
  }

  override wrote(count: number): void {
    if (this.#all) this.#view.noteWrite(this.#spot.names, this.#text, undefined);
    this.inner.wrote(count);
  }

  override refuse(why: Refusal): void {
    this.#view.noteWrite(this.#spot.names, this.#text, why);
    this.inner.refuse(why);
  }
}

/** A listing in which mount points take the place of what they cover, at its end. */
class Listing extends Relay {
  readonly #node: ViewNode;
  readonly #file: OpenFile;
  readonly #from: number;
  /** How often the file may be asked on for an answer that would be empty: each point covers one entry. */
  readonly #left: number;
  #told = false;
  /** Offset of the last entry that is covered. */
  #covered = -1;
  #full = false;

  constructor(inner: Request, node: ViewNode, file: OpenFile, from = inner.offset, left = node.view.mounts.size) {
    super(inner);
    this.#node = node;
    this.#file = file;
    this.#from = from;
    this.#left = left;
  }

  override get offset(): number {
    return this.#from;
  }

  override entry(qid: Qid, offset: number, type: number, name: string): boolean {
    const { view, spot } = this.#node;
    const { visible } = spot;
    if (view.mounts.mounts.some(({ at }) => isChild(at, visible) && at[visible.length] === name)) {
      this.#covered = offset;
      return true;
    }
    const fits = this.inner.entry(qid, offset, type, name);
    if (fits) this.#told = true;
    else this.#full = true;
    return fits;
  }

  override done(): void {
    // Another server may have more than it told; only when it tells nothing it has no more.
    if (this.#node.place.immediate !== true && !this.#full && !this.#told && this.#covered >= 0 && this.#left > 0)
      return this.#file.readdir(new Listing(this.inner, this.#node, this.#file, this.#covered, this.#left - 1));
    if (!this.#full && (this.#node.place.immediate === true || !this.#told)) listPoints(this.inner, this.#node, 0);
    this.inner.done();
  }
}

/** Enter the directory's mount points, from the `first` in the table's order on. */
function listPoints(request: Request, { view, spot }: ViewNode, first: number): void {
  const { mounts } = view.mounts;
  const { visible } = spot;
  for (let i = first; i < mounts.length; i++) {
    const { at, qid } = mounts[i]!;
    if (!isChild(at, visible)) continue;
    const type = (qid.type & QTDIR) === 0 ? DT_REG : DT_DIR;
    if (!request.entry(qid, POINT_OFFSET + i, type, at[visible.length]!)) return;
  }
}

function isChild(at: Names, directory: Names): boolean {
  if (at.length !== directory.length + 1) return false;
  for (let i = 0; i < directory.length; i++) if (at[i] !== directory[i]) return false;
  return true;
}
