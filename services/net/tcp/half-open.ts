/**
 * Handshakes that others have begun and not finished. They live in a table of their own, so that however many there are they
 * take no socket, no buffer and no place in a listener's queue. When the table is full a SYN is answered all the same, by a
 * cookie (RFC 4987 §3.6): our sequence number then says what we would have remembered, and nothing is stored.
 */
import type { ControlBlock } from "./control-block.ts";
import type { Core } from "./core.ts";
import type { Emitter, SynFields } from "./emitter.ts";
import type { Packet } from "../packet.ts";
import { RTO_INITIAL_US } from "./rtt.ts";
import { scaleOf } from "./sender.ts";
import { before, distance } from "./sequence.ts";
import { TupleTable } from "./tuple-table.ts";

/** Times that a SYN-ACK is sent again: after 1, 3 and 7 seconds; after 15 the handshake is given up. */
export const REPEATS = 3;
const LIFE_US = 15_000_000;
/** When one that could not be sent, for want of a buffer or of the neighbour's address, is tried again. */
const RETRY_US = 200_000;
/** RFC 9293 §3.7.1: what a peer that gives no MSS can take. */
export const MSS_DEFAULT = 536;
/** Least MSS that we go down to, or a peer could make us send headers for nothing. */
export const MSS_MIN = 64;

/** How long a cookie is good for: between one and two of these. */
const COOKIE_PERIOD_US = 32_000_000;
/** Sizes that a cookie can remember, in its low three bits. */
const COOKIE_MSS = [64, 536, 1024, 1220, 1360, 1400, 1440, 1460] as const;

export class HalfOpen {
  size = 0;
  nextUs = Infinity;
  /** When the last cookie was sent. */
  #bakedUs = -Infinity;
  readonly #core: Core;
  readonly #emitter: Emitter;
  readonly #table: TupleTable;
  readonly #used: Uint8Array;
  readonly #listener: Int16Array;
  readonly #address: Int32Array;
  readonly #ports: Int32Array;
  readonly #iss: Int32Array;
  readonly #irs: Int32Array;
  readonly #stampOffset: Int32Array;
  readonly #mss: Int32Array;
  /** -1 if not offered. */
  readonly #scale: Int8Array;
  readonly #window: Int32Array;
  readonly #sack: Uint8Array;
  readonly #stamped: Uint8Array;
  readonly #recent: Int32Array;
  readonly #madeUs: Float64Array;
  readonly #repeatUs: Float64Array;
  readonly #repeats: Uint8Array;
  /** Whether the peer sent its SYN again: then nobody knows which of our answers it acknowledges. */
  readonly #doubtful: Uint8Array;
  readonly #syn: SynFields;

  constructor(core: Core, emitter: Emitter) {
    const capacity = core.settings.halfOpen;
    this.#core = core;
    this.#emitter = emitter;
    this.#table = new TupleTable(capacity);
    this.#used = new Uint8Array(capacity);
    this.#listener = new Int16Array(capacity);
    this.#address = new Int32Array(capacity);
    this.#ports = new Int32Array(capacity);
    this.#iss = new Int32Array(capacity);
    this.#irs = new Int32Array(capacity);
    this.#stampOffset = new Int32Array(capacity);
    this.#mss = new Int32Array(capacity);
    this.#scale = new Int8Array(capacity);
    this.#window = new Int32Array(capacity);
    this.#sack = new Uint8Array(capacity);
    this.#stamped = new Uint8Array(capacity);
    this.#recent = new Int32Array(capacity);
    this.#madeUs = new Float64Array(capacity);
    this.#repeatUs = new Float64Array(capacity);
    this.#repeats = new Uint8Array(capacity);
    this.#doubtful = new Uint8Array(capacity);
    this.#syn = {
      address: 0,
      ports: 0,
      sequence: 0,
      acknowledgement: 0,
      withAck: true,
      window: core.settings.receiveBytes,
      windowScale: -1,
      sackPermitted: false,
      timestamps: false,
      timestamp: 0,
      echo: 0,
    };
  }

  find(address: number, ports: number): number {
    return this.size === 0 ? -1 : this.#table.find(address, ports);
  }

  /** A SYN for a listener, whose options are in `core.options`: remember it if there is room, and answer it. */
  syn(packet: Packet, ports: number, listener: number, sequence: number, window: number): void {
    const core = this.#core;
    const options = core.options;
    let slot = this.find(packet.source, ports);
    // The same again, or the peer's next attempt: what we said to the first tells it where it stands.
    if (slot >= 0) {
      this.#doubtful[slot] = 1;
      if (sequence === this.#irs[slot]) this.#stamp(slot);
      this.#answer(slot, packet);
      return;
    }
    slot = this.#used.indexOf(0);
    if (slot < 0) {
      this.#bake(packet, ports, sequence);
      return;
    }
    core.counters.halfOpen.made++;
    this.#used[slot] = 1;
    if (++this.size > core.counters.halfOpen.highWater) core.counters.halfOpen.highWater = this.size;
    this.#table.insert(slot, packet.source, ports);
    this.#listener[slot] = listener;
    this.#address[slot] = packet.source;
    this.#ports[slot] = ports;
    this.#iss[slot] = core.initialSequence(packet.source, ports);
    this.#stampOffset[slot] = core.hash.high;
    this.#irs[slot] = sequence;
    this.#mss[slot] = options.mss < 0 ? MSS_DEFAULT : Math.max(MSS_MIN, options.mss);
    this.#scale[slot] = options.windowScale;
    this.#window[slot] = window;
    this.#sack[slot] = options.sackPermitted ? 1 : 0;
    this.#stamped[slot] = options.timestamps ? 1 : 0;
    this.#recent[slot] = options.timestamp;
    this.#madeUs[slot] = core.nowUs;
    this.#repeats[slot] = 0;
    this.#doubtful[slot] = 0;
    this.#repeatUs[slot] = core.nowUs + RTO_INITIAL_US;
    if (this.#repeatUs[slot]! < this.nextUs) this.nextUs = this.#repeatUs[slot]!;
    this.#answer(slot, packet);
  }

  /** Which listener an entry is for. */
  listenerOf(slot: number): number {
    return this.#listener[slot]!;
  }

  /** Whether a segment acknowledges our SYN. */
  acknowledges(slot: number, acknowledgement: number): boolean {
    return acknowledgement === ((this.#iss[slot]! + 1) | 0);
  }

  /** Whether a segment lies in the window that we offered: the one that ends the handshake may be overtaken by data. */
  inside(slot: number, sequence: number): boolean {
    const offset = distance((this.#irs[slot]! + 1) | 0, sequence);
    return offset >= 0 && offset < this.#core.settings.receiveBytes;
  }

  /** Whether a reset is the peer's. */
  resets(slot: number, sequence: number): boolean {
    return sequence === ((this.#irs[slot]! + 1) | 0);
  }

  initialSequence(slot: number): number {
    return this.#iss[slot]!;
  }

  /** Give a connection what its handshake agreed on, and forget the handshake. */
  establish(slot: number, tcb: ControlBlock): void {
    const core = this.#core;
    const irs = this.#irs[slot]!;
    tcb.rcvNxt = (irs + 1) | 0;
    tcb.scaled = this.#scale[slot]! >= 0;
    tcb.sendScale = Math.max(0, this.#scale[slot]!);
    tcb.receiveScale = tcb.scaled ? scaleOf(core.settings.receiveBytes) : 0;
    tcb.sackPermitted = this.#sack[slot] !== 0;
    tcb.timestamps = this.#stamped[slot] !== 0;
    tcb.recent = this.#recent[slot]!;
    tcb.stampOffset = this.#stampOffset[slot]!;
    tcb.mss = this.#mss[slot]!;
    tcb.maxWindow = this.#window[slot]!;
    tcb.edge = (tcb.nxt + this.#window[slot]!) | 0;
    // RFC 6298 §3.
    if (this.#repeats[slot] === 0 && this.#doubtful[slot] === 0)
      tcb.rtt.sample(core.nowUs - this.#madeUs[slot]!, core.nowUs);
    this.remove(slot);
  }

  remove(slot: number): void {
    this.#table.remove(slot);
    this.#used[slot] = 0;
    if (--this.size === 0) this.nextUs = Infinity;
  }

  /** Forget all that are for a listener. */
  removeFor(listener: number): void {
    for (let slot = 0; slot < this.#used.length; slot++) {
      if (this.#used[slot] !== 0 && this.#listener[slot] === listener) this.remove(slot);
    }
  }

  /** Send SYN-ACKs again, and give up old handshakes. @returns segments sent. */
  serve(nowUs: number): number {
    if (nowUs < this.nextUs) return 0;
    let sent = 0;
    this.nextUs = Infinity;
    for (let slot = 0; slot < this.#used.length; slot++) {
      if (this.#used[slot] === 0) continue;
      if (this.#repeatUs[slot]! <= nowUs) {
        if (this.#repeats[slot] === REPEATS || nowUs - this.#madeUs[slot]! >= LIFE_US) {
          this.#core.counters.halfOpen.expired++;
          this.remove(slot);
          continue;
        }
        if (this.#answer(slot, undefined)) {
          sent++;
          const repeats = this.#repeats[slot]! + 1;
          this.#repeats[slot] = repeats;
          this.#repeatUs[slot] = nowUs + RTO_INITIAL_US * 2 ** repeats;
        } else this.#repeatUs[slot] = nowUs + RETRY_US;
      }
      if (this.#repeatUs[slot]! < this.nextUs) this.nextUs = this.#repeatUs[slot]!;
    }
    return sent;
  }

  /** A SYN came again: its timestamp is the one to echo, or the peer would take its time-out for a round trip (RFC 7323 §4.3). */
  #stamp(slot: number): void {
    const { options } = this.#core;
    if (this.#stamped[slot] === 0 || !options.timestamps || before(options.timestamp, this.#recent[slot]!)) return;
    this.#recent[slot] = options.timestamp;
  }

  #answer(slot: number, packet: Packet | undefined): boolean {
    const core = this.#core;
    const syn = this.#syn;
    syn.address = this.#address[slot]!;
    syn.ports = this.#ports[slot]!;
    syn.sequence = this.#iss[slot]!;
    syn.acknowledgement = (this.#irs[slot]! + 1) | 0;
    syn.windowScale = this.#scale[slot]! < 0 ? -1 : scaleOf(core.settings.receiveBytes);
    syn.sackPermitted = this.#sack[slot] !== 0;
    syn.timestamps = this.#stamped[slot] !== 0;
    syn.timestamp = core.stampAt(core.nowUs, this.#stampOffset[slot]!);
    syn.echo = this.#recent[slot]!;
    return this.#emitter.syn(syn, packet);
  }

  /** Answer a SYN and remember nothing. */
  #bake(packet: Packet, ports: number, sequence: number): void {
    const core = this.#core;
    const syn = this.#syn;
    const mss = core.options.mss < 0 ? MSS_DEFAULT : core.options.mss;
    let index = 0;
    while (index < 7 && COOKIE_MSS[index + 1]! <= mss) index++;
    syn.address = packet.source;
    syn.ports = ports;
    syn.sequence = this.#cookie(packet.source, ports, sequence, Math.floor(core.nowUs / COOKIE_PERIOD_US), index);
    syn.acknowledgement = (sequence + 1) | 0;
    syn.windowScale = -1;
    syn.sackPermitted = false;
    syn.timestamps = false;
    core.counters.halfOpen.overflowed++;
    this.#bakedUs = core.nowUs;
    if (this.#emitter.syn(syn, packet)) core.counters.sent.cookies++;
  }

  /**
   * Whether an acknowledgement is of a cookie of ours that is still good.
   * @returns the MSS that it remembers, or -1.
   */
  taste(packet: Packet, ports: number, sequence: number, acknowledgement: number): number {
    // Without a flood nobody has one, and nobody may try to guess one.
    if (this.#core.nowUs - this.#bakedUs > 2 * COOKIE_PERIOD_US) return -1;
    const cookie = (acknowledgement - 1) | 0;
    const period = Math.floor(this.#core.nowUs / COOKIE_PERIOD_US);
    const irs = (sequence - 1) | 0;
    const index = cookie & 7;
    for (let age = 0; age < 2; age++) {
      if (this.#cookie(packet.source, ports, irs, period - age, index) === cookie) return COOKIE_MSS[index]!;
    }
    return -1;
  }

  /** 29 bits that only we can make, and three that say which size the peer can take. */
  #cookie(address: number, ports: number, irs: number, period: number, index: number): number {
    const hash = this.#core.hash;
    hash.hash(address, ports, (irs + Math.imul(period, 0x9e3779b1)) ^ 0x5ca1ab1e);
    return (hash.low & ~7) | index;
  }
}
