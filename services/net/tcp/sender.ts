/**
 * Decides what a connection sends now: first what was lost, then what is new, as far as the peer's window, the congestion
 * control and the pacer allow (RFC 9293 §3.8), and an acknowledgement if nothing else carried it. What it cannot do it
 * leaves with a deadline or for the next acknowledgement; it never waits.
 */
import type { ControlBlock } from "./control-block.ts";
import { CLOSED, ESTABLISHED, SYN_RECEIVED, TIME_WAIT } from "./control-block.ts";
import type { Core } from "./core.ts";
import type { Emitter, SynFields } from "./emitter.ts";
import type { Recovery } from "./recovery.ts";
import { RTO_INITIAL_US, RTO_MAX_US } from "./rtt.ts";
import { LIMITED, LOST, WITH_FIN } from "./segments.ts";
import { distance } from "./sequence.ts";

/** How far ahead of the pacer a segment may leave, so that a turn is worth its while. */
const PACE_AHEAD_US = 1_000;
/** Bytes that may leave at once after a pause. */
const PACE_BURST = 32_768;
/** First and last wait when there is no buffer or no way. */
const BLOCKED_US = 2_000;
const BLOCKED_DOUBLINGS = 6;

/** Shift that lets 16 bits tell of a whole buffer (RFC 7323 §2.3). */
export function scaleOf(capacity: number): number {
  let scale = 0;
  while (capacity >> scale > 0xffff) scale++;
  return scale;
}

export class Sender {
  readonly #core: Core;
  readonly #emitter: Emitter;
  readonly #recovery: Recovery;
  readonly #syn: SynFields;
  /** Segments that may still be sent in this call. */
  #budget = 0;

  constructor(core: Core, emitter: Emitter, recovery: Recovery) {
    this.#core = core;
    this.#emitter = emitter;
    this.#recovery = recovery;
    this.#syn = {
      address: 0,
      ports: 0,
      sequence: 0,
      acknowledgement: 0,
      withAck: false,
      window: core.settings.receiveBytes,
      windowScale: 0,
      sackPermitted: true,
      timestamps: true,
      timestamp: 0,
      echo: 0,
    };
  }

  /** Send for one connection. @returns segments sent; if that is `budget` there may be more, and it waits for its turn again. */
  serve(tcb: ControlBlock, budget: number): number {
    if (tcb.state === CLOSED || tcb.state === TIME_WAIT) return 0;
    this.#budget = budget;
    tcb.paceWaitUs = Infinity;
    if (tcb.state < ESTABLISHED) this.#handshake(tcb);
    else {
      if (tcb.segments.count === 0 && tcb.send.length > 0) {
        tcb.control.resumed(this.#core.nowUs - tcb.sentUs, tcb.rtt.rtoUs);
      }
      const going = tcb.segments.lostBytes === 0 || this.#resend(tcb);
      if (going) this.#sendNew(tcb);
      if (tcb.ackDue && this.#mayGo(tcb)) this.#went(tcb, this.#emitter.acknowledge(tcb));
    }
    if (this.#budget === 0) this.#core.wake(tcb);
    return budget - this.#budget;
  }

  #handshake(tcb: ControlBlock): void {
    const core = this.#core;
    if (!tcb.force || !this.#mayGo(tcb)) return;
    const syn = this.#syn;
    syn.address = tcb.remoteAddress;
    syn.ports = tcb.ports;
    syn.sequence = tcb.iss;
    syn.withAck = tcb.state === SYN_RECEIVED;
    syn.acknowledgement = tcb.rcvNxt;
    syn.windowScale = syn.withAck && !tcb.scaled ? -1 : scaleOf(core.settings.receiveBytes);
    syn.sackPermitted = !syn.withAck || tcb.sackPermitted;
    syn.timestamps = !syn.withAck || tcb.timestamps;
    syn.timestamp = core.stampAt(core.nowUs, tcb.stampOffset);
    syn.echo = tcb.recent;
    if (!this.#went(tcb, this.#emitter.syn(syn, undefined))) return;
    tcb.force = false;
    tcb.sentUs = core.nowUs;
    tcb.rtoUs = core.nowUs + Math.min(RTO_MAX_US, RTO_INITIAL_US * 2 ** tcb.backoff);
    core.due(tcb.rtoUs);
  }

  /** Send again what was lost. @returns whether all of it is on its way. */
  #resend(tcb: ControlBlock): boolean {
    const segments = tcb.segments;
    for (let i = 0; i < segments.count && segments.lostBytes > 0; i++) {
      const place = segments.at(i);
      const flags = segments.flags[place]!;
      if ((flags & LOST) === 0) continue;
      const size = segments.size(i);
      if (!tcb.force) {
        const flight = tcb.flight();
        if (flight > 0 && flight + size > tcb.control.window) return false;
        if (!this.#paced(tcb)) return false;
      }
      if (!this.#mayGo(tcb)) return false;
      const fin = (flags & WITH_FIN) !== 0;
      if (!this.#went(tcb, this.#emitter.data(tcb, segments.start(i), fin ? size - 1 : size, fin))) return false;
      tcb.force = false;
      this.#core.counters.sent.resent++;
      tcb.resent++;
      segments.markResent(place, size);
      this.#note(tcb, place, size);
    }
    return true;
  }

  #sendNew(tcb: ControlBlock): void {
    const segments = tcb.segments;
    let left = tcb.unsent();
    while (left > 0 || (tcb.finQueued && !tcb.finSent)) {
      const usable = distance(tcb.nxt, tcb.edge);
      const size = Math.max(0, Math.min(left, tcb.mss, usable));
      const fin = tcb.finQueued && size === left;
      if (!fin && !this.#worthwhile(tcb, size, left)) {
        if (segments.count === 0 && size < left && tcb.persistUs === Infinity) this.#persist(tcb);
        return;
      }
      const flight = tcb.flight();
      if (flight > 0 && flight + size > tcb.control.window) return;
      if (segments.count === segments.capacity) {
        this.#core.counters.unsent.segmentsFull++;
        return;
      }
      if (!this.#paced(tcb) || !this.#mayGo(tcb)) return;
      if (!this.#went(tcb, this.#emitter.data(tcb, tcb.nxt, size, fin))) return;
      if (segments.count === 0) {
        // A new flight: what was idle before does not count.
        tcb.deliveredUs = this.#core.nowUs;
        tcb.firstSentUs = this.#core.nowUs;
        tcb.progressUs = this.#core.nowUs;
      }
      left -= size;
      tcb.nxt = (tcb.nxt + size + (fin ? 1 : 0)) | 0;
      if (fin) tcb.finSent = true;
      this.#core.counters.sent.data++;
      this.#note(tcb, segments.push(tcb.nxt, (tcb.limitedUntil !== 0 ? LIMITED : 0) | (fin ? WITH_FIN : 0)), size);
      tcb.persistUs = Infinity;
      if (tcb.rtoUs === Infinity) this.#recovery.arm(tcb);
      else this.#recovery.armTail(tcb);
    }
    // Everything is sent and more could be: from here on the layer above sets the pace.
    const flight = tcb.flight();
    if (segments.lostBytes === 0 && flight < tcb.control.window) tcb.limitedUntil = Math.max(1, tcb.delivered + flight);
  }

  /**
   * Whether a segment of `size` is worth sending (RFC 9293 §3.8.6.2.1): a full one, the last of what there is, or half of
   * the largest window that the peer ever had.
   */
  #worthwhile(tcb: ControlBlock, size: number, left: number): boolean {
    if (size === 0) return false;
    if (size >= tcb.mss) return true;
    if (size === left) return !tcb.nagle || tcb.segments.count === 0;
    return 2 * size >= tcb.maxWindow;
  }

  /** The peer's window is shut, or too narrow: ask now and then whether it still is (RFC 9293 §3.8.6.1). */
  #persist(tcb: ControlBlock): void {
    const core = this.#core;
    tcb.persistUs = core.nowUs + tcb.rtt.timeout(tcb.shutAnswers);
    core.due(tcb.persistUs);
  }

  /** Whether the pacer lets a segment go now; if not, when it will is noted. */
  #paced(tcb: ControlBlock): boolean {
    if (tcb.control.pacingRate === Infinity || tcb.paceUs <= this.#core.nowUs + PACE_AHEAD_US) return true;
    tcb.paceWaitUs = tcb.paceUs;
    this.#core.due(tcb.paceWaitUs);
    return false;
  }

  #mayGo(tcb: ControlBlock): boolean {
    return this.#budget > 0 && (tcb.blocked === 0 || tcb.paceWaitUs === Infinity);
  }

  /** Note whether a segment could be sent; if not, when it is tried again. */
  #went(tcb: ControlBlock, sent: boolean): boolean {
    if (sent) {
      this.#budget--;
      tcb.blocked = 0;
      return true;
    }
    const core = this.#core;
    if (tcb.state >= ESTABLISHED && core.nowUs - tcb.progressUs > core.settings.userTimeoutUs) {
      core.end(tcb, "timed-out");
      return false;
    }
    tcb.paceWaitUs = core.nowUs + BLOCKED_US * 2 ** tcb.blocked;
    if (tcb.blocked < BLOCKED_DOUBLINGS) tcb.blocked++;
    core.due(tcb.paceWaitUs);
    return false;
  }

  /** A segment with data left: note when, and what had been delivered then. */
  #note(tcb: ControlBlock, place: number, size: number): void {
    const nowUs = this.#core.nowUs;
    const segments = tcb.segments;
    segments.sentUs[place] = nowUs;
    segments.delivered[place] = tcb.delivered;
    segments.deliveredUs[place] = tcb.deliveredUs;
    segments.firstSentUs[place] = tcb.firstSentUs;
    tcb.sentUs = nowUs;
    const rate = tcb.control.pacingRate;
    if (rate === Infinity) return;
    // What a shut window kept back may catch up, as far as a small queue takes it.
    tcb.paceUs = Math.max(tcb.paceUs, nowUs - (PACE_BURST * 1_000_000) / rate) + (size * 1_000_000) / rate;
  }
}
