/**
 * The boot log: what the machine, its drivers and the pump say of themselves, shown on the console as it comes and kept in
 * a bounded ring. When that is full the oldest lines go, and a reader that was overtaken is told how many bytes it lost.
 */
import { Ring } from "../ninedoor/ring.ts";
import type { Bytes, Clock } from "../ports/index.ts";
import { LineLog } from "./line-log.ts";

export interface BootLogOptions {
  readonly clock: Clock;
  readonly bytes: Bytes;
  /** Bytes of the ring. */
  readonly ringBytes: number;
  /** Longest line in bytes, newline not counted. */
  readonly lineBytes: number;
}

/** Offsets are bytes since boot and never reused. */
export class BootLog extends LineLog {
  constructor({ clock, bytes, ringBytes, lineBytes }: BootLogOptions) {
    super(bytes, clock, new Ring(bytes, ringBytes, lineBytes));
  }

  /** Lines written, and bytes that made room for newer ones. */
  get lines(): number {
    return this.ring.appends;
  }

  get overwritten(): number {
    return this.ring.overwritten;
  }

  /** Offset of the oldest byte kept, and of the next to be written. */
  get start(): number {
    return this.ring.start;
  }

  get end(): number {
    return this.ring.end;
  }

  get capacity(): number {
    return this.ring.capacity;
  }

  /**
   * Copy the line at `offset` without its newline into `into` (which must take a whole line).
   * @returns its length; add 1 for the newline to get the next line's offset.
   */
  read(offset: number, into: Uint8Array): number {
    return this.ring.record(offset, into);
  }
}

/** Reads a log from where it stands, line by line. */
export class LogReader {
  /** Bytes that were overwritten before they could be read. */
  lost = 0;
  #offset: number;
  readonly #log: BootLog;
  readonly #ring: Ring;

  constructor(log: BootLog) {
    this.#log = log;
    this.#ring = log.ring;
    this.#offset = log.start;
  }

  get waiting(): boolean {
    return this.#offset < this.#ring.end;
  }

  /** Bytes overwritten since the last call; the next line comes after the gap. */
  skipGap(): number {
    const gap = this.#log.start - this.#offset;
    if (gap <= 0) return 0;
    this.#offset = this.#log.start;
    this.lost += gap;
    return gap;
  }

  /** Copy the next line into `into`. @returns its length, -1 if there is none. */
  next(into: Uint8Array): number {
    if (!this.waiting) return -1;
    const length = this.#log.read(this.#offset, into);
    this.#offset += length + 1;
    return length;
  }
}
