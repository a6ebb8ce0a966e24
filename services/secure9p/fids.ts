/**
 * The fids of a session: a bounded table from the client's numbers to places and open files.
 * A number is taken from the moment a request asks for it, so two requests never race for one.
 */
import type { Node, OpenFile } from "./tree.ts";

export class Fid {
  readonly id: number;
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
  highWater = 0;
  /** Times a fid was refused because the table was full. */
  refused = 0;
  readonly #fids = new Map<number, Fid>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.#fids.size;
  }

  /** A fid that stands somewhere. */
  get(id: number): Fid | undefined {
    const fid = this.#fids.get(id);
    return fid === undefined || fid.path.length === 0 ? undefined : fid;
  }

  /** Whether the number is in use or about to be. */
  taken(id: number): boolean {
    return this.#fids.has(id);
  }

  /** Take a number that is not {@link taken}. @returns undefined if the table is full. */
  reserve(id: number): Fid | undefined {
    if (this.#fids.size >= this.capacity) {
      this.refused++;
      return undefined;
    }
    const fid = new Fid(id);
    this.#fids.set(id, fid);
    if (this.#fids.size > this.highWater) this.highWater = this.#fids.size;
    return fid;
  }

  remove(fid: Fid): void {
    this.#fids.delete(fid.id);
  }

  /** Any fid, for whoever empties the table. */
  any(): Fid | undefined {
    for (const fid of this.#fids.values()) return fid;
    return undefined;
  }
}
