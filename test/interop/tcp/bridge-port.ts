/**
 * A {@link FramePort} at a {@link Bridge}, with a gate in each direction: IPv4 packets pass, wait behind it or are lost there,
 * as a check has it, so that a connection can be stopped in any state. ARP always passes.
 */
import type { FrameCounters, FramePort } from "../../../services/ports/index.ts";
import type { Attached, Bridge } from "./bridge.ts";

const HEADER = 14;
const SLOT_BYTES = 2048;
const SLOTS = 1024;
const LENGTH_BYTES = 4;
const BATCH_BYTES = 1 << 18;
const TYPE = 12;

export class Gate {
  /** What happens to packets that come here now. */
  mode: "open" | "hold" | "cut" = "open";
  /** Packets that wait. */
  readonly held: Uint8Array[] = [];

  /** @returns whether a frame may pass. */
  passes(bytes: Uint8Array, start: number, length: number): boolean {
    if (this.mode === "open" || bytes[start + TYPE] !== 0x08 || bytes[start + TYPE + 1] !== 0x00) return true;
    if (this.mode === "hold") this.held.push(bytes.slice(start, start + length));
    return false;
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class BridgePort implements FramePort, Attached {
  readonly mac: Uint8Array;
  readonly mtu = 1500;
  readonly linkUp = true;
  readonly rx = new Uint8Array(SLOTS * SLOT_BYTES);
  rxStart = 0;
  rxLength = 0;
  readonly tx = new Uint8Array(BATCH_BYTES);
  txStart = 0;
  readonly counters: Mutable<FrameCounters> = {
    rxFrames: 0,
    rxBytes: 0,
    txFrames: 0,
    txBytes: 0,
    deviceErrors: 0,
    resets: 0,
    txFull: 0,
  };
  readonly in = new Gate();
  readonly out = new Gate();
  /** Frames that came while all buffers were full. */
  overruns = 0;
  /** Told when something came or there is room again. */
  settle: () => void = () => undefined;
  readonly #bridge: Bridge;
  readonly #lengths = new Uint16Array(SLOTS);
  #head = 0;
  #count = 0;
  /** End of what is built in `tx` and not sent yet. */
  #built = 0;

  constructor(bridge: Bridge, mac: Uint8Array) {
    this.#bridge = bridge;
    this.mac = mac;
  }

  deliver(bytes: Uint8Array, start: number, length: number): void {
    if (!this.in.passes(bytes, start, length)) return;
    if (this.#count === SLOTS || length > SLOT_BYTES) {
      this.overruns++;
      return;
    }
    const slot = (this.#head + this.#count++) % SLOTS;
    this.rx.set(bytes.subarray(start, start + length), slot * SLOT_BYTES);
    this.#lengths[slot] = length;
  }

  /** Frames that wait. */
  get waiting(): number {
    return this.#count;
  }

  receive(): boolean {
    if (this.#count === 0) return false;
    this.rxStart = this.#head * SLOT_BYTES;
    this.rxLength = this.#lengths[this.#head]!;
    return true;
  }

  release(): void {
    this.counters.rxFrames++;
    this.counters.rxBytes += this.rxLength;
    this.#head = (this.#head + 1) % SLOTS;
    this.#count--;
  }

  reserve(): boolean {
    if (this.#built + LENGTH_BYTES + HEADER + this.mtu > BATCH_BYTES) this.flush();
    if (!this.#bridge.open) {
      this.counters.txFull++;
      return false;
    }
    this.txStart = this.#built + LENGTH_BYTES;
    return true;
  }

  commit(length: number): void {
    if (length < HEADER || length > HEADER + this.mtu) throw new RangeError(`BridgePort.commit: ${length} bytes`);
    this.counters.txFrames++;
    this.counters.txBytes += length;
    if (this.out.passes(this.tx, this.txStart, length)) this.#append(length);
  }

  flush(): void {
    if (this.#built === 0) return;
    this.#bridge.send(this.tx.slice(0, this.#built));
    this.#built = 0;
  }

  /** Open both gates and let go what waits behind them, in order. */
  open(): void {
    this.openOut();
    this.in.mode = "open";
    for (const frame of this.in.held.splice(0)) this.deliver(frame, 0, frame.length);
    this.settle();
  }

  openOut(): void {
    this.out.mode = "open";
    for (const frame of this.out.held.splice(0)) {
      if (!this.reserve()) throw new Error("BridgePort.openOut: no room");
      this.tx.set(frame, this.txStart);
      this.#append(frame.length);
    }
    this.flush();
  }

  #append(length: number): void {
    const at = this.#built;
    this.tx[at] = 0;
    this.tx[at + 1] = 0;
    this.tx[at + 2] = length >>> 8;
    this.tx[at + 3] = length & 0xff;
    this.#built = at + LENGTH_BYTES + length;
  }
}
