/**
 * What the parts of TCP share: ports, settings, counters, the pool of connections, and who is to be served next. A block
 * leaves the pool only through {@link Core.take} and comes back only through {@link Core.settle}, so none is lost.
 */
import type { Bytes } from "../../ports/index.ts";
import type { Output } from "../output.ts";
import { RateLimit } from "../rate.ts";
import { createTcpOptions } from "../wire/tcp.ts";
import type { CongestionControl } from "./congestion.ts";
import { CLOSED, ControlBlock, TIME_WAIT, type TcpError } from "./control-block.ts";
import { createTcpCounters } from "./counters.ts";
import { SipHash } from "./siphash.ts";
import type { TcpSettings } from "./settings.ts";
import { TupleTable } from "./tuple-table.ts";

/** Resets to segments that belong to no connection, and to strangers' half-open ones. */
export const RESETS_PER_SECOND = 100;
/**
 * RFC 5961 §7: challenges are limited. The limit is each connection's own, because one that all share tells an attacker who
 * probes it whether somebody else's connection was challenged (CVE-2016-5696).
 */
export const CHALLENGE_INTERVAL_US = 250_000;

export class Core {
  readonly bytes: Bytes;
  readonly output: Output;
  readonly settings: TcpSettings;
  readonly counters = createTcpCounters();
  readonly hash = new SipHash();
  readonly blocks: readonly ControlBlock[];
  readonly table: TupleTable;
  /** The options of the segment that is being looked at. */
  readonly options = createTcpOptions();
  /** The time of this call into TCP. */
  nowUs = 0;
  /** No deadline of a connection is before this; it may be before all of them. */
  nextUs = Infinity;
  /** Connections in use. */
  inUse = 0;
  readonly #resets = new RateLimit(RESETS_PER_SECOND, RESETS_PER_SECOND);
  /** Slots that wait for the sender: a ring, each at most once. */
  readonly #queue: Int16Array;
  #queueHead = 0;
  #queueLength = 0;

  constructor(bytes: Bytes, output: Output, settings: TcpSettings, control: () => CongestionControl) {
    this.bytes = bytes;
    this.output = output;
    this.settings = settings;
    this.blocks = Array.from(
      { length: settings.sockets },
      (_, slot) => new ControlBlock(slot, bytes, settings, control()),
    );
    this.table = new TupleTable(settings.sockets);
    this.#queue = new Int16Array(settings.sockets);
  }

  /** Something has to be done at this time at the latest. */
  due(atUs: number): void {
    if (atUs < this.nextUs) this.nextUs = atUs;
  }

  /** Milliseconds as a timestamp (RFC 7323 §5.4: each connection counts from its own offset). */
  stampAt(timeUs: number, offset: number): number {
    return (((timeUs / 1000) % 0x100000000) + offset) | 0;
  }

  /** Initial sequence number of a connection (RFC 6528); {@link hash} has the offset of its timestamps in `high`. */
  initialSequence(remoteAddress: number, ports: number): number {
    this.hash.hash(this.output.address, remoteAddress, ports);
    return (((this.nowUs / 4) % 0x100000000) + this.hash.low) | 0;
  }

  /** Let the sender look at a connection in this turn. */
  wake(tcb: ControlBlock): void {
    if (tcb.queued) return;
    tcb.queued = true;
    let tail = this.#queueHead + this.#queueLength++;
    if (tail >= this.#queue.length) tail -= this.#queue.length;
    this.#queue[tail] = tcb.slot;
  }

  get waiting(): number {
    return this.#queueLength;
  }

  /** The next connection that waits for the sender. */
  dequeue(): ControlBlock {
    const tcb = this.blocks[this.#queue[this.#queueHead]!]!;
    if (++this.#queueHead === this.#queue.length) this.#queueHead = 0;
    this.#queueLength--;
    tcb.queued = false;
    return tcb;
  }

  /** A free block for a connection, in the table from now on; `undefined` if there is none. */
  take(remoteAddress: number, ports: number, iss: number): ControlBlock | undefined {
    const tcb = this.blocks.find((block) => !block.used);
    if (tcb === undefined) return undefined;
    tcb.used = true;
    tcb.held = true;
    tcb.remoteAddress = remoteAddress;
    tcb.ports = ports;
    tcb.reset(iss, this.nowUs);
    tcb.nagle = this.settings.nagle;
    this.table.insert(tcb.slot, remoteAddress, ports);
    if (++this.inUse > this.counters.sockets.highWater) this.counters.sockets.highWater = this.inUse;
    return tcb;
  }

  /** The connection is over; what was received can still be read while the layer above holds the block. */
  end(tcb: ControlBlock, error: TcpError | undefined): void {
    if (tcb.state === CLOSED || tcb.state === TIME_WAIT) return;
    const sockets = this.counters.sockets;
    if (error === undefined) sockets.closed++;
    else if (error === "reset") sockets.reset++;
    else if (error === "timed-out") sockets.timedOut++;
    else if (error === "aborted") sockets.aborted++;
    else sockets.refused++;
    tcb.error = error;
    tcb.state = CLOSED;
    this.leave(tcb);
  }

  /** Take a connection out of the table: no segment reaches it any more. */
  leave(tcb: ControlBlock): void {
    this.table.remove(tcb.slot);
    tcb.stopTimers();
    tcb.send.clear();
    tcb.segments.clear(tcb.nxt);
    this.settle(tcb);
  }

  /** Give a block back to the pool if nobody needs it. */
  settle(tcb: ControlBlock): void {
    if (!tcb.used || tcb.held || (tcb.state !== CLOSED && tcb.state !== TIME_WAIT)) return;
    tcb.used = false;
    tcb.receive.clear();
    if (--this.inUse === 0) this.nextUs = Infinity;
  }

  /** Whether a reset may be sent to somebody who has no connection. */
  mayReset(): boolean {
    if (this.#resets.take(this.nowUs)) return true;
    this.counters.unsent.resets++;
    return false;
  }

  /** Whether a connection may answer a segment that may be forged. */
  mayChallenge(tcb: ControlBlock): boolean {
    if (this.nowUs - tcb.challengeUs < CHALLENGE_INTERVAL_US) {
      this.counters.unsent.challenges++;
      return false;
    }
    tcb.challengeUs = this.nowUs;
    return true;
  }
}
