/**
 * Connections that are over on both sides, remembered for a while so that old segments of theirs do no harm (RFC 9293
 * §3.6.1): a bounded table of the few numbers that this takes, so that no socket or buffer is held for it. When it is full
 * the oldest is forgotten; a new SYN that is clearly later takes an entry's place (RFC 6191).
 */
import type { ControlBlock } from "./control-block.ts";
import type { Core } from "./core.ts";
import { before } from "./sequence.ts";
import { TupleTable } from "./tuple-table.ts";

/** What a segment for an entry calls for. */
export const IGNORE = 0;
export const ANSWER = 1;
/** It is a SYN of a new connection, and the entry is gone. */
export const ANEW = 2;

/** At most one answer in this time for one entry. */
const ANSWER_INTERVAL_US = 250_000;

export class TimeWait {
  /** Of the entry that was found last: what an answer has to say. */
  sequence = 0;
  acknowledgement = 0;
  stamped = false;
  stampOffset = 0;
  recent = 0;
  /** Entries in use. */
  size = 0;
  readonly #core: Core;
  readonly #table: TupleTable;
  readonly #used: Uint8Array;
  readonly #nxt: Int32Array;
  readonly #rcvNxt: Int32Array;
  readonly #recent: Int32Array;
  readonly #stamped: Uint8Array;
  readonly #stampOffset: Int32Array;
  readonly #untilUs: Float64Array;
  readonly #answeredUs: Float64Array;
  /** No entry ends before. */
  nextUs = Infinity;

  constructor(core: Core) {
    const capacity = core.settings.timeWait;
    this.#core = core;
    this.#table = new TupleTable(capacity);
    this.#used = new Uint8Array(capacity);
    this.#nxt = new Int32Array(capacity);
    this.#rcvNxt = new Int32Array(capacity);
    this.#recent = new Int32Array(capacity);
    this.#stamped = new Uint8Array(capacity);
    this.#stampOffset = new Int32Array(capacity);
    this.#untilUs = new Float64Array(capacity);
    this.#answeredUs = new Float64Array(capacity);
  }

  add(tcb: ControlBlock): void {
    const core = this.#core;
    let slot = 0;
    for (let i = 0; i < this.#used.length; i++) {
      if (this.#used[i] === 0) {
        slot = i;
        break;
      }
      if (this.#untilUs[i]! < this.#untilUs[slot]!) slot = i;
    }
    if (this.#used[slot] !== 0) {
      core.counters.timeWait.evicted++;
      this.#remove(slot);
    }
    core.counters.timeWait.made++;
    this.#used[slot] = 1;
    if (++this.size > core.counters.timeWait.highWater) core.counters.timeWait.highWater = this.size;
    this.#nxt[slot] = tcb.nxt;
    this.#rcvNxt[slot] = tcb.rcvNxt;
    this.#recent[slot] = tcb.recent;
    this.#stamped[slot] = tcb.timestamps ? 1 : 0;
    this.#stampOffset[slot] = tcb.stampOffset;
    this.#untilUs[slot] = core.nowUs + core.settings.timeWaitUs;
    this.#answeredUs[slot] = -Infinity;
    this.#table.insert(slot, tcb.remoteAddress, tcb.ports);
    if (this.#untilUs[slot]! < this.nextUs) this.nextUs = this.#untilUs[slot]!;
  }

  find(address: number, ports: number): number {
    return this.size === 0 ? -1 : this.#table.find(address, ports);
  }

  /** A segment for an entry that is neither SYN nor RST: a FIN that is repeated wants its acknowledgement again (§3.10.7.4). */
  segment(slot: number, fin: boolean): number {
    const core = this.#core;
    if (fin) this.#untilUs[slot] = core.nowUs + core.settings.timeWaitUs;
    if (core.nowUs - this.#answeredUs[slot]! < ANSWER_INTERVAL_US) return IGNORE;
    this.#answeredUs[slot] = core.nowUs;
    this.sequence = this.#nxt[slot]!;
    this.acknowledgement = this.#rcvNxt[slot]!;
    this.stamped = this.#stamped[slot] !== 0;
    this.stampOffset = this.#stampOffset[slot]!;
    this.recent = this.#recent[slot]!;
    return ANSWER;
  }

  /** A SYN for an entry: later by its timestamp or its sequence number, it begins a new connection. */
  syn(slot: number, sequence: number): number {
    const { options, counters } = this.#core;
    // RFC 6191 §2: timestamps decide, and numbers where those say nothing.
    const recent = this.#recent[slot]!;
    const later =
      this.#stamped[slot] !== 0 && options.timestamps && options.timestamp !== recent
        ? before(recent, options.timestamp)
        : before(this.#rcvNxt[slot]!, sequence);
    if (!later) return this.segment(slot, false);
    counters.timeWait.reused++;
    this.#remove(slot);
    return ANEW;
  }

  /** Forget those whose time has passed. */
  serve(nowUs: number): void {
    if (nowUs < this.nextUs) return;
    this.nextUs = Infinity;
    for (let slot = 0; slot < this.#used.length; slot++) {
      if (this.#used[slot] === 0) continue;
      const untilUs = this.#untilUs[slot]!;
      if (untilUs <= nowUs) this.#remove(slot);
      else if (untilUs < this.nextUs) this.nextUs = untilUs;
    }
  }

  clear(): void {
    for (let slot = 0; slot < this.#used.length; slot++) if (this.#used[slot] !== 0) this.#remove(slot);
  }

  #remove(slot: number): void {
    this.#table.remove(slot);
    this.#used[slot] = 0;
    if (--this.size === 0) this.nextUs = Infinity;
  }
}
