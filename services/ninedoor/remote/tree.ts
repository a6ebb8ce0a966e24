/**
 * The tree of an exporter as places of the namespace. A place holds nothing of the exporter's but a name, for nobody tells when it
 * is not needed any more; an open file holds one fid there. What the exporter says is used only as far as it can be true here.
 */
import { type Client as NineClient, NO_TAG } from "../../secure9p/client.ts";
import type { Done } from "../../secure9p/client-calls.ts";
import * as p9 from "../../secure9p/constants.ts";
import { Entries } from "../../secure9p/entries.ts";
import { AttributeChange, type Attributes, type Message } from "../../secure9p/message.ts";
import { INVALID, NOT_FOUND, TOO_BIG } from "../../secure9p/refusal.ts";
import type { OpenFile, Request } from "../../secure9p/tree.ts";
import type { Qid } from "../../secure9p/wire.ts";
import type { Names } from "../mounts.ts";
import { type Client, OWN_SESSION, type Place, type WalkRequest } from "../place.ts";
import { POINT_OFFSET } from "../view-node.ts";
import { type About, Forward } from "./forward.ts";
import type { RemoteService } from "./service.ts";

const FOLLOW = ".follow";
/** What may be asked of Tlopen. */
const OPEN_FLAGS = p9.O_ACCMODE | p9.O_TRUNC | p9.O_APPEND | p9.O_DIRECTORY;
const PERMISSIONS = 0o777;

/** What is different with the tree of an exporter that the hive knows. */
export interface Manners {
  /** Names, from its root, of what a name in a directory is for who asks. */
  lead(names: Names, name: string, client: Client): Names;
  audits(names: Names): Place["audits"];
}

export class RemotePlace implements Place {
  readonly remote: RemoteService;
  readonly qid: Qid;
  /** From the exporter's root. */
  readonly names: Names;
  /** Path of its qid there. */
  readonly #path: number;

  /** @param qid the exporter's */
  constructor(remote: RemoteService, names: Names, qid: Qid) {
    this.remote = remote;
    this.names = names;
    this.qid = remote.qids.of(qid);
    this.#path = qid.path;
  }

  get directory(): boolean {
    return (this.qid.type & p9.QTDIR) !== 0;
  }

  /** Whether a read at its end waits for more, for as long as that takes. */
  get follows(): boolean {
    return this.names.at(-1)?.endsWith(FOLLOW) === true;
  }

  /** Whether that is still its qid there, whatever its version. */
  is(qid: Qid): boolean {
    if (qid.path !== this.#path || (qid.type & (p9.QTDIR | p9.QTAPPEND)) !== this.qid.type) return false;
    this.qid.version = qid.version;
    return true;
  }

  get audits(): Place["audits"] {
    return this.remote.manners?.audits(this.names);
  }

  walk(request: WalkRequest, name: string, client: Client): void {
    const { names, remote } = this;
    // However deep the exporter says that it is.
    if (names.length >= p9.WALK_DEPTH) return request.refuse(TOO_BIG);
    const led = remote.manners?.lead(names, name, client) ?? [...names, name];
    remote.submit(new Walk(request, this.#about(client), led));
  }

  open(request: Request, client: Client): void {
    this.remote.submit(new Open(request, this.#about(client)));
  }

  getattr(request: Request, file: OpenFile | undefined, client: Client): void {
    this.remote.submit(new Getattr(request, this.#about(client, file)));
  }

  setattr(request: Request, change: AttributeChange, file: OpenFile | undefined, client: Client): void {
    this.remote.submit(new Setattr(request, this.#about(client, file), change));
  }

  #about({ session, who }: Client, file?: OpenFile): About {
    const own = session === OWN_SESSION;
    return { place: this, file: file instanceof RemoteFile ? file : undefined, own, subject: who.subject };
  }
}

/** An open file. */
export class RemoteFile implements OpenFile, About {
  readonly place: RemotePlace;
  readonly fid: number;
  readonly own: boolean;
  readonly subject: string;

  constructor({ place, own, subject }: About, fid: number) {
    this.place = place;
    this.fid = fid;
    this.own = own;
    this.subject = subject;
    place.remote.opened(own);
  }

  get file(): this {
    return this;
  }

  read(request: Request): void {
    this.place.remote.submit(new Read(request, this));
  }

  write(request: Request, bytes: Uint8Array, start: number, length: number): void {
    this.place.remote.submit(new Write(request, this, bytes, start, length));
  }

  readdir(request: Request): void {
    this.place.remote.submit(new Readdir(request, this));
  }

  close(): void {
    this.place.remote.clunk(this.fid, this.own);
  }
}

class Walk extends Forward {
  readonly #names: Names;

  constructor(request: WalkRequest, about: About, names: Names) {
    super(request, about, names);
    this.#names = names;
  }

  protected override arrived(request: WalkRequest, qid: Qid | undefined): boolean {
    this.request = undefined;
    request.found(new RemotePlace(this.place.remote, this.#names, qid!));
    return false;
  }

  protected override ask(): number {
    throw new Error("Walk: there is nothing more to ask");
  }

  protected override tell(): boolean {
    return false;
  }
}

class Open extends Forward {
  override send(client: NineClient, done: Done): number {
    return !this.own && this.place.remote.crowded ? NO_TAG : super.send(client, done);
  }

  protected override ask(client: NineClient, done: Done): number {
    return client.open(this.fid, this.request!.flags & OPEN_FLAGS, done);
  }

  protected override tell(request: WalkRequest, { qid, iounit }: Message): boolean {
    if (!this.place.is(qid)) {
      this.fail(NOT_FOUND);
      return false;
    }
    const most = this.place.remote.iounit;
    const { fid } = this;
    this.fid = -1;
    request.opened(new RemoteFile(this, fid), iounit > 0 && iounit < most ? iounit : most);
    return false;
  }
}

class Getattr extends Forward {
  protected override ask(client: NineClient, done: Done): number {
    return client.getattr(this.fid, this.request!.mask, done);
  }

  protected override tell(request: WalkRequest, { attributes, qid }: Message): boolean {
    if (!this.place.is(qid)) this.fail(NOT_FOUND);
    else if (attributes.size < 0) this.fail(TOO_BIG);
    else request.attributes(truthful(attributes, this.place.directory));
    return false;
  }
}

class Setattr extends Forward {
  readonly #change: AttributeChange;

  constructor(request: Request, about: About, change: AttributeChange) {
    super(request, about);
    this.#change = exact(Object.assign(new AttributeChange(), change));
  }

  protected override ask(client: NineClient, done: Done): number {
    return client.setattr(this.fid, this.#change, done);
  }

  protected override tell(request: WalkRequest): boolean {
    request.done();
    return false;
  }
}

class Read extends Forward {
  override get patient(): boolean {
    return this.place.follows;
  }

  protected override ask(client: NineClient, done: Done): number {
    const { offset, count } = this.request!;
    return client.read(this.fid, offset, count, done);
  }

  protected override tell(request: WalkRequest, { data }: Message): boolean {
    request.put(data.bytes, data.start, data.length);
    request.done();
    return false;
  }
}

class Write extends Forward {
  #bytes: Uint8Array;
  #start: number;
  readonly #length: number;

  constructor(request: Request, file: RemoteFile, bytes: Uint8Array, start: number, length: number) {
    super(request, file);
    this.#bytes = bytes;
    this.#start = start;
    this.#length = length;
  }

  override keep(): void {
    this.#bytes = this.#bytes.slice(this.#start, this.#start + this.#length);
    this.#start = 0;
  }

  protected override ask(client: NineClient, done: Done): number {
    return client.write(this.fid, this.request!.offset, this.#bytes, this.#start, this.#length, done);
  }

  protected override tell(request: WalkRequest, { count }: Message): boolean {
    request.wrote(count);
    return false;
  }
}

class Readdir extends Forward {
  #offset: number;

  constructor(request: Request, file: RemoteFile) {
    super(request, file);
    this.#offset = request.offset;
  }

  protected override ask(client: NineClient, done: Done): number {
    return client.readdir(this.fid, this.#offset, this.request!.count, done);
  }

  protected override tell(request: WalkRequest, { data }: Message): boolean {
    const { qids, bytes } = this.place.remote;
    const entries = new Entries(bytes);
    let told = false;
    let next = -1;
    entries.begin(data);
    while (entries.next()) {
      const { offset, name } = entries;
      if (offset >= POINT_OFFSET) {
        this.fail(INVALID);
        return false;
      }
      next = offset;
      if (name.equals(".") || name.equals("..")) continue;
      told = true;
      const qid = qids.of(entries.qid);
      const type = (qid.type & p9.QTDIR) === 0 ? p9.DT_REG : p9.DT_DIR;
      if (!request.entry(qid, offset, type, name.text(bytes))) break;
    }
    if (entries.failed) this.fail(INVALID);
    else if (!told && next > this.#offset) {
      // There was nothing but the directory itself, and no entry at all would be its end.
      this.#offset = next;
      return true;
    } else request.done();
    return false;
  }
}

/** What an exporter says of a file, as far as it can be true: whose it is there has no meaning here, and its kind is the qid's. */
function truthful(attributes: Attributes, directory: boolean): Attributes {
  exact(attributes);
  attributes.valid &= p9.GETATTR_BASIC | p9.GETATTR_DATA_VERSION;
  // The end of a ring is not before its size.
  if (attributes.dataVersion < attributes.size) attributes.valid &= ~p9.GETATTR_DATA_VERSION;
  attributes.mode = (attributes.mode & PERMISSIONS) | (directory ? p9.S_IFDIR : p9.S_IFREG);
  attributes.uid = 0;
  attributes.gid = 0;
  attributes.rdev = 0;
  return attributes;
}

/** What was no exact number cannot be said again. */
function exact<T extends Attributes | AttributeChange>(record: T): T {
  const numbers = record as unknown as Record<string, number>;
  for (const name in numbers) if (numbers[name]! < 0) numbers[name] = 0;
  return record;
}
