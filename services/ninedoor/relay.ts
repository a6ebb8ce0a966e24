/**
 * A request that stands for another one: what a provider answers goes on to it, changed where a subclass says so.
 * It serves once, so unlike the session's own it is never somebody else's.
 */
import type { Attributes } from "../secure9p/message.ts";
import { BUSY, type Refusal } from "../secure9p/refusal.ts";
import type { Node, OpenFile, Parked, Request } from "../secure9p/tree.ts";
import type { Qid } from "../secure9p/wire.ts";
import type { Client, Place, WalkRequest } from "./place.ts";

export class Relay implements Request, Parked {
  protected readonly inner: Request;
  #by: Parked | undefined;

  constructor(inner: Request) {
    this.inner = inner;
  }

  get offset(): number {
    return this.inner.offset;
  }

  get count(): number {
    return this.inner.count;
  }

  get flags(): number {
    return this.inner.flags;
  }

  get mask(): number {
    return this.inner.mask;
  }

  get partway(): boolean {
    return this.inner.partway;
  }

  park(by: Parked): void {
    this.#by = by;
    this.inner.park(this);
  }

  cancelled(): void {
    this.#by?.cancelled(this);
  }

  refuse(why: Refusal): void {
    this.inner.refuse(why);
  }

  found(node: Node): void {
    this.inner.found(node);
  }

  opened(file: OpenFile, iounit?: number): void {
    this.inner.opened(file, iounit);
  }

  put(bytes: Uint8Array, start: number, length: number): number {
    return this.inner.put(bytes, start, length);
  }

  entry(qid: Qid, offset: number, type: number, name: string): boolean {
    return this.inner.entry(qid, offset, type, name);
  }

  wrote(count: number): void {
    this.inner.wrote(count);
  }

  attributes(attributes: Attributes): void {
    this.inner.attributes(attributes);
  }

  done(): void {
    this.inner.done();
  }
}

/** A walk of our own: it asks whether something is there. */
export class Probe implements WalkRequest, Parked {
  readonly offset = 0;
  readonly count = 0;
  readonly flags = 0;
  readonly mask = 0;
  readonly partway = false;
  place: Place | undefined = undefined;
  refusal: Refusal | undefined = undefined;

  found(place: Place): void {
    this.place = place;
  }

  refuse(why: Refusal): void {
    this.refusal = why;
  }

  /** The provider will not say at once, and then nobody waits for it. */
  park(by: Parked): void {
    by.cancelled(this);
  }

  cancelled(): void {}
  opened(file: OpenFile): void {
    file.close();
  }
  put(): number {
    return 0;
  }
  entry(): boolean {
    return false;
  }
  wrote(): void {}
  attributes(): void {}
  done(): void {}
}

/** An open of our own, for places that answer at once: it keeps the answer, for who passes it on. */
export class Opened implements Request {
  readonly offset = 0;
  readonly count = 0;
  flags = 0;
  readonly mask = 0;
  readonly partway = false;
  iounit = 0;
  #answer: OpenFile | Refusal = BUSY;

  /** Have a place opened. @returns what it answered; `Busy` if it did not */
  ask(place: Place, flags: number, client: Client): OpenFile | Refusal {
    this.flags = flags;
    this.#answer = BUSY;
    place.open(this, client);
    const answer = this.#answer;
    this.#answer = BUSY;
    return answer;
  }

  opened(file: OpenFile, iounit = 0): void {
    this.#answer = file;
    this.iounit = iounit;
  }

  refuse(why: Refusal): void {
    this.#answer = why;
  }

  park(by: Parked): void {
    by.cancelled(this);
  }

  found(): void {}
  put(): number {
    return 0;
  }
  entry(): boolean {
    return false;
  }
  wrote(): void {}
  attributes(): void {}
  done(): void {}
}
