/**
 * The tag window of a session: as many requests as it has slots may wait for their providers at once.
 */
import type { Fid } from "./fids.ts";
import type { Message } from "./message.ts";
import { IDLE, type Owner, Slot } from "./request.ts";

export class Slots {
  /** How many there are; none after {@link drop}. */
  length: number;
  /** How many hold a request. */
  taken = 0;
  /** Most that ever did, and times that all did. */
  highWater = 0;
  refused = 0;
  #owner: Owner | undefined;
  readonly #slots: Slot[];

  constructor(length: number, owner: Owner) {
    this.length = length;
    this.#owner = owner;
    this.#slots = Array.from({ length }, () => new Slot(owner));
  }

  /** Any that holds a request; undefined if none does. */
  any(): Slot | undefined {
    return this.taken === 0 ? undefined : this.#slots.find((slot) => slot.state !== IDLE);
  }

  /** One whose request is about that fid, or makes it; undefined if there is none. */
  about(fid: Fid): Slot | undefined {
    if (this.taken === 0) return undefined;
    return this.#slots.find((slot) => slot.state !== IDLE && (slot.fid === fid || slot.target === fid));
  }

  find(tag: number): Slot | undefined {
    if (this.taken === 0) return undefined;
    for (let i = 0; i < this.length; i++) {
      const slot = this.#slots[i]!;
      if (slot.state !== IDLE && slot.tag === tag) return slot;
    }
    return undefined;
  }

  /** A slot for a request, begun; undefined if all are taken. */
  take(m: Message, fid: Fid | undefined, msize: number): Slot | undefined {
    if (this.taken === this.length) {
      this.refused++;
      return undefined;
    }
    for (let i = 0; i < this.length; i++) {
      const slot = this.#slots[i]!;
      if (slot.state !== IDLE) continue;
      slot.begin(m, fid, msize);
      if (++this.taken > this.highWater) this.highWater = this.taken;
      return slot;
    }
    return undefined;
  }

  free(slot: Slot): void {
    slot.end();
    this.taken--;
  }

  /** Have none any more, when all are free: they hold the session and it holds them, and nobody collects such cycles soon. */
  drop(): void {
    this.length = 0;
    this.#slots.length = 0;
    this.#owner = undefined;
  }

  /** Put a new slot in the place of one that somebody may still hold and answer; it is free already. */
  retire(slot: Slot): void {
    const index = this.#slots.indexOf(slot);
    if (index >= 0 && this.#owner !== undefined) this.#slots[index] = new Slot(this.#owner);
  }
}
