/**
 * A port of frames under fuzz. Its receive memory may be read where the frame at hand lies and nowhere else; behind it stands what the
 * frame would go on with if it were whole. What is built for sending must lie within its buffer, and is looked at at once.
 */
import type { FrameCounters, FramePort } from "../../../services/ports/index.ts";
import { must } from "../target.ts";

const HEADER = 14;
const ROOM = 2048;
const START = 256;
/** Nobody has written there. */
const UNTOUCHED = 0xa5;
const MARGIN = 64;

export const OWN_MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);

export class FuzzPort implements FramePort {
  readonly mac = OWN_MAC;
  readonly mtu = 1500;
  readonly linkUp = true;
  readonly rx: Uint8Array;
  rxStart = START;
  rxLength = 0;
  readonly tx = new Uint8Array(START + ROOM);
  readonly txStart = START + 6;
  readonly counters: { -readonly [K in keyof FrameCounters]: number } = {
    rxFrames: 0,
    rxBytes: 0,
    txFrames: 0,
    txBytes: 0,
    deviceErrors: 0,
    resets: 0,
    txFull: 0,
  };
  /** Free transmit buffers. */
  buffers = Infinity;
  readonly #memory = new Uint8Array(START + ROOM);
  readonly #sent: (bytes: Uint8Array, at: number, length: number) => void;
  #waits = false;
  #held = false;
  #reserved = false;

  /** @param sent sees each frame that leaves, valid until it returns */
  constructor(sent: (bytes: Uint8Array, at: number, length: number) => void) {
    this.#sent = sent;
    this.rx = new Proxy(this.#memory, { get: (memory, key) => this.#read(memory, key) });
    this.tx.fill(UNTOUCHED);
  }

  /** A frame comes in, at a place that may be odd. @param whole what it was before somebody cut it */
  deliver(frame: Uint8Array, whole: Uint8Array, skew: number): void {
    must(!this.#waits && !this.#held, () => "a frame was left with the port");
    this.rxStart = START + skew;
    this.rxLength = frame.length;
    this.#memory.set(whole, this.rxStart);
    this.#memory.set(frame, this.rxStart);
    this.#waits = true;
  }

  #read(memory: Uint8Array, key: string | symbol): unknown {
    if (key === "length") return memory.length;
    const at = Number(key);
    const inside = this.#held && at >= this.rxStart && at < this.rxStart + this.rxLength;
    must(inside, () => `byte ${at - this.rxStart} of a frame of ${this.rxLength} was read`);
    return memory[at];
  }

  receive(): boolean {
    if (this.#held) return true;
    if (!this.#waits) return false;
    this.#waits = false;
    this.#held = true;
    this.counters.rxFrames++;
    this.counters.rxBytes += this.rxLength;
    return true;
  }

  release(): void {
    must(this.#held, () => "a frame was released that is not held");
    this.#held = false;
  }

  reserve(): boolean {
    if (this.buffers <= 0) {
      this.counters.txFull++;
      return false;
    }
    this.#reserved = true;
    return true;
  }

  commit(length: number): void {
    const { tx, txStart, mtu } = this;
    must(this.#reserved, () => "a frame was committed without a buffer");
    must(length >= HEADER && length <= mtu + HEADER, () => `a frame of ${length} bytes was committed`);
    for (let i = 1; i <= MARGIN; i++) {
      must(tx[txStart - i] === UNTOUCHED, () => `byte -${i} of a frame was written`);
      must(tx[txStart + length + i - 1] === UNTOUCHED, () => `byte ${i} behind a frame of ${length} was written`);
    }
    this.#reserved = false;
    this.buffers--;
    this.counters.txFrames++;
    this.counters.txBytes += length;
    this.#sent(tx, txStart, length);
    tx.fill(UNTOUCHED, txStart, txStart + length);
  }

  flush(): void {
    // Everything left when it was committed.
  }
}
