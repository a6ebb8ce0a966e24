/**
 * A {@link FramePort} whose wire is the test: two queues of a bounded number of buffers. What was built and not flushed is
 * nowhere yet, and buffers that nobody filled hold 0xA5, so that a byte which nobody wrote shows.
 */
import type { FrameCounters, FramePort } from "../../../../services/ports/index.ts";
import type { PortRig } from "./frame-port.acceptance.ts";

const HEADER = 14;
const BUFFERS = 64;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class MemoryPort implements FramePort, PortRig {
  readonly port = this;
  readonly mac = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
  readonly mtu: number;
  linkUp = true;
  readonly rx = new Uint8Array(4096);
  readonly rxStart = 33;
  rxLength = 0;
  readonly tx = new Uint8Array(4096);
  readonly txStart = 101;
  readonly counters: Mutable<FrameCounters> = {
    rxFrames: 0,
    rxBytes: 0,
    txFrames: 0,
    txBytes: 0,
    deviceErrors: 0,
    resets: 0,
    txFull: 0,
  };
  readonly #incoming: number[][] = [];
  readonly #committed: number[][] = [];
  readonly #flushed: number[][] = [];
  #held = false;
  #reserved = false;
  #holding = false;

  constructor(mtu = 1500) {
    this.mtu = mtu;
  }

  // ---- the wire ----

  deliver(frame: number[]): boolean {
    if (this.#incoming.length === BUFFERS) return false;
    this.#incoming.push(frame);
    return true;
  }

  collect(): number[][] {
    return this.#holding ? [] : this.#flushed.splice(0);
  }

  hold(on: boolean): void {
    this.#holding = on;
  }

  setLink(up: boolean): void {
    this.linkUp = up;
  }

  // ---- the port ----

  receive(): boolean {
    if (this.#held) return true;
    const frame = this.#incoming.shift();
    if (frame === undefined) return false;
    this.rx.fill(0xa5);
    this.rx.set(frame, this.rxStart);
    this.rxLength = frame.length;
    this.#held = true;
    this.counters.rxFrames++;
    this.counters.rxBytes += frame.length;
    return true;
  }

  release(): void {
    this.#held = false;
  }

  reserve(): boolean {
    if (this.#reserved) return true;
    if (this.#committed.length + this.#flushed.length >= BUFFERS) {
      this.counters.txFull++;
      return false;
    }
    this.tx.fill(0xa5);
    this.#reserved = true;
    return true;
  }

  commit(length: number): void {
    if (length < HEADER || length > this.mtu + HEADER) throw new RangeError(`MemoryPort.commit: ${length} bytes`);
    if (!this.#reserved) return;
    this.#reserved = false;
    this.#committed.push([...this.tx.subarray(this.txStart, this.txStart + length)]);
    this.counters.txFrames++;
    this.counters.txBytes += length;
  }

  flush(): void {
    this.#flushed.push(...this.#committed.splice(0));
  }
}
