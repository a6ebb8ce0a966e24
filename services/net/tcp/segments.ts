/**
 * What is on its way: one entry for each segment that was sent and not acknowledged, in sequence, in a ring of fixed size.
 * It is the scoreboard of SACK (RFC 6675), has the times that RACK (RFC 8985) goes by, and what an estimate of the
 * delivery rate needs. Bytes that are reported received or given up for lost are summed as they are marked.
 */
import { distance } from "./sequence.ts";

/** The peer has it, out of order. */
export const SACKED = 1;
/** Given up for lost, and not sent again since. */
export const LOST = 2;
/** Sent more than once, so that its acknowledgement may be any copy's (Karn). */
export const RESENT = 4;
/** The layer above had no more to send when it went out, so it says nothing of what the path could carry. */
export const LIMITED = 8;
/** It ends with our FIN. */
export const WITH_FIN = 16;

export class Segments {
  readonly capacity: number;
  count = 0;
  /** Most entries that it ever had. */
  highWater = 0;
  sackedBytes = 0;
  sackedCount = 0;
  lostBytes = 0;
  /** Where the oldest entry's unacknowledged bytes begin. */
  una = 0;
  readonly flags: Uint8Array;
  /** Sequence number behind the segment. */
  readonly end: Int32Array;
  readonly sentUs: Float64Array;
  /** When it was sent: bytes delivered until then, when the last of them were, and when the flight's first was sent. */
  readonly delivered: Float64Array;
  readonly deliveredUs: Float64Array;
  readonly firstSentUs: Float64Array;
  #head = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.flags = new Uint8Array(capacity);
    this.end = new Int32Array(capacity);
    this.sentUs = new Float64Array(capacity);
    this.delivered = new Float64Array(capacity);
    this.deliveredUs = new Float64Array(capacity);
    this.firstSentUs = new Float64Array(capacity);
  }

  clear(una: number): void {
    this.count = 0;
    this.sackedBytes = 0;
    this.sackedCount = 0;
    this.lostBytes = 0;
    this.una = una;
    this.#head = 0;
  }

  /** Place of the `index`-th oldest entry. */
  at(index: number): number {
    const place = this.#head + index;
    return place >= this.capacity ? place - this.capacity : place;
  }

  /** Sequence number at which the `index`-th oldest begins. */
  start(index: number): number {
    return index === 0 ? this.una : this.end[this.at(index - 1)]!;
  }

  /** Bytes of the `index`-th oldest. */
  size(index: number): number {
    return distance(this.start(index), this.end[this.at(index)]!);
  }

  /** Add the newest; the caller has looked at {@link capacity}. @returns its place. */
  push(end: number, flags: number): number {
    const place = this.at(this.count++);
    if (this.count > this.highWater) this.highWater = this.count;
    this.end[place] = end;
    this.flags[place] = flags;
    return place;
  }

  /** Forget the oldest, `size` bytes of which were unacknowledged. */
  shift(size: number): void {
    const place = this.#head;
    const flags = this.flags[place]!;
    if ((flags & SACKED) !== 0) {
      this.sackedBytes -= size;
      this.sackedCount--;
    }
    if ((flags & LOST) !== 0) this.lostBytes -= size;
    this.una = this.end[place]!;
    this.#head = place + 1 === this.capacity ? 0 : place + 1;
    this.count--;
  }

  /** The oldest `size` bytes of the oldest entry are acknowledged, the rest is not. */
  trim(size: number): void {
    const flags = this.flags[this.#head]!;
    if ((flags & SACKED) !== 0) this.sackedBytes -= size;
    if ((flags & LOST) !== 0) this.lostBytes -= size;
    this.una = (this.una + size) | 0;
  }

  markSacked(place: number, size: number): void {
    const flags = this.flags[place]!;
    if ((flags & LOST) !== 0) this.lostBytes -= size;
    this.flags[place] = (flags & ~LOST) | SACKED;
    this.sackedBytes += size;
    this.sackedCount++;
  }

  markLost(place: number, size: number): void {
    this.flags[place] = this.flags[place]! | LOST;
    this.lostBytes += size;
  }

  markResent(place: number, size: number): void {
    const flags = this.flags[place]!;
    if ((flags & LOST) !== 0) this.lostBytes -= size;
    this.flags[place] = (flags & ~LOST) | RESENT;
  }

  /** The peer took back what it had reported (RFC 2018 §8): as if it had never been. */
  forgetSacked(): void {
    for (let i = 0; i < this.count; i++) {
      const place = this.at(i);
      this.flags[place] = this.flags[place]! & ~SACKED;
    }
    this.sackedBytes = 0;
    this.sackedCount = 0;
  }
}
