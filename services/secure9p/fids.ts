/**
 * The fids of a session: a bounded table from the client's numbers to places and open files.
 * A number is taken from the moment a request asks for it, so two requests never race for one.
 */
import type { Node, OpenFile } from "./tree.ts";

export class Fid {
  id: number;
  /** From the attach root to where it stands, which is the last. Empty while the request that makes the fid is in flight. */
  readonly path: Node[] = [];
  file: OpenFile | undefined = undefined;
  /** How it was opened. */
  flags = 0;
  /** A Tlopen, or a Twalk to itself, is in flight. */
  claimed = false;

  constructor(id: number) {
    this.id = id;
  }

  /** Where it stands. Only of a fid that {@link Fids.get} gave out. */
  get node(): Node {
    return this.path[this.path.length - 1]!;
  }
}

export class Fids {
  readonly capacity: number;
  /** Fids in use or about to be, and most there ever were. */
  size = 0;
  highWater = 0;
  /** Times a fid was refused because the table was full. */
  refused = 0;
  /** Numbers below the capacity, which are all that most clients ever use; the others. */
  readonly #low: (Fid | undefined)[];
  readonly #high = new Map<number, Fid>();
  /** Fids that are over, to be used again. Nobody else holds one: requests on a fid end before it does. */
  readonly #spare: Fid[] = [];

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#low = new Array<Fid | undefined>(capacity).fill(undefined);
  }

  /** A fid that stands somewhere. */
  get(id: number): Fid | undefined {
    const fid = id < this.capacity ? this.#low[id] : this.#high.get(id);
    return fid === undefined || fid.path.length === 0 ? undefined : fid;
  }

  /** Whether the number is in use or about to be. */
  taken(id: number): boolean {
    return this.#find(id) !== undefined;
  }

  /** Take a number that is not {@link taken}. @returns undefined if the table is full. */
  reserve(id: number): Fid | undefined {
    if (this.size >= this.capacity) {
      this.refused++;
      return undefined;
    }
    const fid = this.#spare.pop() ?? new Fid(id);
    fid.id = id;
    if (id < this.capacity) this.#low[id] = fid;
    else this.#high.set(id, fid);
    if (++this.size > this.highWater) this.highWater = this.size;
    return fid;
  }

  /** It is over; its file is somebody else's business. */
  remove(fid: Fid): void {
    if (this.#find(fid.id) !== fid) return;
    if (fid.id < this.capacity) this.#low[fid.id] = undefined;
    else this.#high.delete(fid.id);
    this.size--;
    fid.path.length = 0;
    fid.file = undefined;
    fid.flags = 0;
    fid.claimed = false;
    this.#spare.push(fid);
  }

  /** Any fid, for whoever empties the table. */
  any(): Fid | undefined {
    for (const fid of this.#high.values()) return fid;
    return this.size === 0 ? undefined : this.#low.find((fid) => fid !== undefined);
  }

  #find(id: number): Fid | undefined {
    return id < this.capacity ? this.#low[id] : this.#high.get(id);
  }
}
