/**
 * A {@link FramePort} on a bad line: loses, damages, doubles, delays and reorders frames of the port below it, per direction
 * and as its seed decides, so the same seed and the same frames at the same times give the same run. Frames are copied into
 * a bounded number of buffers of its own; when those are full it pushes back, as a device with full queues does.
 */
import type { Bytes, Clock, FrameCounters, FramePort } from "../../ports/index.ts";
import { ETHERNET_HEADER } from "../wire/ethernet.ts";
import { type FaultCounters, FaultQueue, type Faults, NONE } from "./fault-queue.ts";
import { SeededRandom } from "./random.ts";

export interface FaultInjectorOptions {
  readonly port: FramePort;
  readonly clock: Clock;
  readonly bytes: Bytes;
  readonly seed: number;
  /** What happens to frames that come in, and to those that go out. */
  readonly receive?: Faults;
  readonly transmit?: Faults;
  /** Frames that may wait in each direction, 64 if absent. */
  readonly slots?: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const TRANSMIT_SEED = 0x5bd1e995;
/** Room for a VLAN tag and then some behind a frame of full size. */
const SLACK_BYTES = 22;

export class FaultInjector implements FramePort {
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly rx: Uint8Array;
  rxStart = 0;
  rxLength = 0;
  readonly tx: Uint8Array;
  txStart = 0;
  readonly counters: FrameCounters;
  /** What happened so far. */
  readonly received: FaultCounters;
  readonly transmitted: FaultCounters;

  readonly #port: FramePort;
  readonly #clock: Clock;
  readonly #bytes: Bytes;
  readonly #in: FaultQueue;
  readonly #out: FaultQueue;
  readonly #counts: Mutable<Omit<FrameCounters, "deviceErrors" | "resets">>;
  #held = NONE;
  #reserved = NONE;

  /** @throws RangeError if a probability or a time is none. */
  constructor(options: FaultInjectorOptions) {
    const { port, bytes, slots = 64 } = options;
    this.#port = port;
    this.#clock = options.clock;
    this.#bytes = bytes;
    this.mac = port.mac;
    this.mtu = port.mtu;
    const slotBytes = port.mtu + ETHERNET_HEADER + SLACK_BYTES;
    const queue = (seed: number, faults: Faults, leastBytes: number): FaultQueue =>
      new FaultQueue({ bytes, random: new SeededRandom(seed), faults, slots, slotBytes, leastBytes });
    // Two streams of chance, so that what goes out does not change what becomes of what comes in.
    this.#in = queue(options.seed, options.receive ?? {}, 1);
    // No port sends less than a header.
    this.#out = queue(options.seed ^ TRANSMIT_SEED, options.transmit ?? {}, ETHERNET_HEADER);
    this.rx = this.#in.buffer;
    this.tx = this.#out.buffer;
    this.received = this.#in.counters;
    this.transmitted = this.#out.counters;
    const counts = { rxFrames: 0, rxBytes: 0, txFrames: 0, txBytes: 0, txFull: 0 };
    this.#counts = counts;
    this.counters = Object.defineProperties(counts, {
      deviceErrors: { enumerable: true, get: () => port.counters.deviceErrors },
      resets: { enumerable: true, get: () => port.counters.resets },
    }) as typeof counts & FrameCounters;
  }

  get linkUp(): boolean {
    return this.#port.linkUp;
  }

  receive(): boolean {
    if (this.#held !== NONE) return true;
    const nowUs = this.#clock.nowUs();
    this.#takeIn(nowUs);
    const slot = this.#in.next(nowUs);
    if (slot === NONE) return false;
    this.#held = slot;
    this.rxStart = slot * this.#in.slotBytes;
    this.rxLength = this.#in.lengths[slot]!;
    this.#counts.rxFrames++;
    this.#counts.rxBytes += this.rxLength;
    return true;
  }

  release(): void {
    if (this.#held === NONE) return;
    this.#in.release(this.#held);
    this.#held = NONE;
  }

  reserve(): boolean {
    if (this.#reserved !== NONE) return true;
    let slot = this.#out.take();
    if (slot === NONE) {
      this.#sendOut();
      slot = this.#out.take();
    }
    if (slot === NONE) {
      this.#counts.txFull++;
      return false;
    }
    this.#reserved = slot;
    this.txStart = slot * this.#out.slotBytes;
    return true;
  }

  /** @throws RangeError if the length is none that `reserve` allowed. */
  commit(length: number): void {
    const most = this.mtu + ETHERNET_HEADER;
    if (length < ETHERNET_HEADER || length > most) {
      throw new RangeError(`FaultInjector.commit: ${length} bytes, allowed are ${ETHERNET_HEADER} to ${most}`);
    }
    if (this.#reserved === NONE) return;
    this.#out.submit(this.#reserved, length, this.#clock.nowUs());
    this.#reserved = NONE;
    this.#counts.txFrames++;
    this.#counts.txBytes += length;
  }

  flush(): void {
    this.#sendOut();
    this.#port.flush();
  }

  /** When a frame that waits comes out: call `receive` and `flush` then. `Infinity` if none waits. */
  nextUs(): number {
    return Math.min(this.#in.nextUs(), this.#out.nextUs());
  }

  #takeIn(nowUs: number): void {
    const port = this.#port;
    for (let slot = this.#in.take(); slot !== NONE; slot = this.#in.take()) {
      if (!port.receive()) {
        this.#in.release(slot);
        return;
      }
      // A device that hands out more than a frame gets it cut: there is nothing behind it to lose.
      const length = Math.min(port.rxLength, this.#in.slotBytes);
      this.#bytes.copy(this.#in.buffer, slot * this.#in.slotBytes, port.rx, port.rxStart, length);
      port.release();
      this.#in.submit(slot, length, nowUs);
    }
  }

  /** Hand what is due to the port below, as far as that has buffers. */
  #sendOut(): void {
    const port = this.#port;
    const nowUs = this.#clock.nowUs();
    for (let slot = this.#out.next(nowUs); slot !== NONE; slot = this.#out.next(nowUs)) {
      if (!port.reserve()) {
        this.#out.unnext(slot);
        return;
      }
      const length = this.#out.lengths[slot]!;
      this.#bytes.copy(port.tx, port.txStart, this.#out.buffer, slot * this.#out.slotBytes, length);
      port.commit(length);
      this.#out.release(slot);
    }
  }
}
