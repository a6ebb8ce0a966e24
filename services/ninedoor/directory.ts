/**
 * A directory whose children come and go. Each keeps the readdir offset it got when it came, and a newer one gets a higher
 * one, so a listing in several pieces shows every child that stays exactly once, whatever happens between the pieces.
 */
import { DT_DIR, DT_REG, QTDIR } from "../secure9p/constants.ts";
import { CLOSED, INVALID, NOT_FOUND, PERMISSION } from "../secure9p/refusal.ts";
import type { OpenFile, Request } from "../secure9p/tree.ts";
import type { Qid } from "../secure9p/wire.ts";
import { answerAttributes, MODE_DIRECTORY } from "./attributes.ts";
import type { NineDoorCounters } from "./counters.ts";
import type { Client, Lifetime, Place, WalkRequest } from "./place.ts";
import { touch } from "./qids.ts";

interface Child {
  readonly place: Place;
  readonly offset: number;
}

export interface DirectoryOptions {
  readonly qid: Qid;
  readonly counters: NineDoorCounters;
  readonly life: Lifetime;
  /** A child that depends on who asks, and that no listing shows. */
  readonly personal?: (name: string, client: Client) => Place | undefined;
}

export class Directory implements Place {
  readonly immediate = true;
  readonly qid: Qid;
  readonly counters: NineDoorCounters;
  readonly life: Lifetime;
  readonly #personal: ((name: string, client: Client) => Place | undefined) | undefined;
  /** In the order of their offsets. */
  readonly #children = new Map<string, Child>();
  #lastOffset = 0;

  constructor(options: DirectoryOptions) {
    this.qid = options.qid;
    this.counters = options.counters;
    this.life = options.life;
    this.#personal = options.personal;
  }

  get size(): number {
    return this.#children.size;
  }

  /** @throws Error if the name is taken. */
  add(name: string, place: Place): void {
    if (this.#children.has(name)) throw new Error(`Directory: there is a ${name} already`);
    this.#children.set(name, { place, offset: ++this.#lastOffset });
    touch(this.qid);
  }

  /** @returns whether there was one. */
  remove(name: string): boolean {
    if (!this.#children.delete(name)) return false;
    touch(this.qid);
    return true;
  }

  /** Give another directory the same children. */
  copyTo(other: Directory): void {
    for (const [name, { place }] of this.#children) other.add(name, place);
  }

  get(name: string): Place | undefined {
    return this.#children.get(name)?.place;
  }

  find(name: string, client: Client): Place | undefined {
    if (this.life.ended) return undefined;
    const child = this.#children.get(name);
    return child === undefined ? this.#personal?.(name, client) : child.place;
  }

  walk(request: WalkRequest, name: string, client: Client): void {
    const place = this.find(name, client);
    if (place === undefined) request.refuse(NOT_FOUND);
    else request.found(place);
  }

  open(request: Request): void {
    if (this.life.ended) request.refuse(NOT_FOUND);
    else request.opened(new OpenDirectory(this));
  }

  getattr(request: Request): void {
    if (this.life.ended) request.refuse(NOT_FOUND);
    else answerAttributes(request, MODE_DIRECTORY, 0);
  }

  setattr(request: Request): void {
    request.refuse(PERMISSION);
  }

  list(request: Request): void {
    for (const [name, { place, offset }] of this.#children) {
      if (offset <= request.offset) continue;
      const type = (place.qid.type & QTDIR) === 0 ? DT_REG : DT_DIR;
      if (!request.entry(place.qid, offset, type, name)) break;
    }
    request.done();
  }
}

class OpenDirectory implements OpenFile {
  readonly #directory: Directory;

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  read(request: Request): void {
    request.refuse(INVALID);
  }

  write(request: Request): void {
    request.refuse(PERMISSION);
  }

  readdir(request: Request): void {
    if (!this.#directory.life.ended) return this.#directory.list(request);
    this.#directory.counters.closed++;
    request.refuse(CLOSED);
  }

  close(): void {}
}
