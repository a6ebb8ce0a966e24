/**
 * What an acknowledgement means for what is on its way (RFC 6675, RFC 8985, RFC 6582, RFC 6298): what was delivered, what is
 * lost, and when to look again. It marks and measures; sending again is the sender's, how much at a time the congestion
 * control's. Peers with SACK are followed by time (RACK), others by counting duplicate acknowledgements (NewReno).
 */
import { createSample } from "./congestion.ts";
import { IPV4_HEADER } from "../wire/ipv4.ts";
import { TCP_HEADER, TIMESTAMPS_LENGTH } from "../wire/tcp.ts";
import { type ControlBlock, ESTABLISHED, FAST, OPEN, TIMEOUT } from "./control-block.ts";
import type { Core } from "./core.ts";
import { LIMITED, LOST, RESENT, SACKED, WITH_FIN } from "./segments.ts";
import { before, distance, notAfter } from "./sequence.ts";

/** Duplicate acknowledgements, or segments reported behind a gap, that make it a loss. */
const DUP_THRESHOLD = 3;
/** How long a peer may delay the acknowledgement of a lone segment (RFC 8985 §7.2). */
const PEER_DELAY_US = 200_000;
/** Linux's least path MTU; a forged error must not make us send crumbs. */
const MTU_MIN = 552;

const PHASES = ["no", "fast", "timeout"] as const;

export class Recovery {
  readonly #core: Core;
  readonly #sample = createSample();
  /** Of the newest segment delivered by this acknowledgement: when the flight's rate began to count. */
  #priorUs = -1;
  #sendElapsedUs = 0;
  /** Round-trip time of the oldest and the newest segment delivered that were sent once, -1 if there is none. */
  #oldestRttUs = -1;
  #newestRttUs = -1;

  constructor(core: Core) {
    this.#core = core;
  }

  /**
   * An acceptable acknowledgement of `ack`, whose options are in `core.options`.
   * @param duplicate whether it carries nothing else, so that it counts as a duplicate if it moves nothing
   */
  acknowledge(tcb: ControlBlock, ack: number, duplicate: boolean): void {
    const core = this.#core;
    const segments = tcb.segments;
    const sample = this.#sample;
    const priorDelivered = tcb.delivered;
    sample.nowUs = core.nowUs;
    sample.priorFlight = tcb.flight();
    sample.lostBytes = 0;
    sample.limited = false;
    sample.priorDelivered = 0;
    this.#priorUs = -1;
    this.#oldestRttUs = -1;
    this.#newestRttUs = -1;

    const hadSacked = segments.sackedBytes > 0;
    if (tcb.sackPermitted && core.options.sackCount > 0) this.#report(tcb, ack);
    const acked = distance(tcb.una, ack);
    if (acked > 0) this.#advance(tcb, ack, acked);
    else if (duplicate && !tcb.sackPermitted && segments.count > 0) {
      tcb.dupAcks++;
      tcb.dupBytes = Math.min(tcb.dupBytes + tcb.mss, Math.max(0, distance(tcb.una, tcb.nxt) - tcb.mss));
    }
    sample.deliveredBytes = tcb.delivered - priorDelivered;
    this.#measure(tcb, acked > 0);

    if (tcb.phase !== OPEN && !before(ack, tcb.recoverySeq)) {
      tcb.phase = OPEN;
      tcb.control.recovered(core.nowUs);
    }
    if (tcb.probeDoubt && !before(ack, tcb.probeEnd)) this.#probed(tcb, ack, duplicate && acked === 0);
    if (tcb.sackPermitted) {
      if (hadSacked || segments.sackedBytes > 0 || tcb.phase !== OPEN || tcb.reorderUs !== Infinity) this.expire(tcb);
    } else this.#count(tcb, acked);

    sample.flight = tcb.flight();
    sample.minRttUs = tcb.rtt.minUs;
    sample.delivered = tcb.delivered;
    // RFC 5681 §3.2 step 1: what is reported behind a gap does not widen the window while the gap may be a loss.
    sample.recovering = PHASES[segments.sackedBytes > 0 && tcb.phase === OPEN ? FAST : tcb.phase]!;
    tcb.control.acknowledged(sample);
    if (sample.deliveredBytes > 0) this.arm(tcb);
  }

  /** Set the retransmission timer, and the tail's, anew. */
  arm(tcb: ControlBlock): void {
    const core = this.#core;
    tcb.tailUs = Infinity;
    if (tcb.segments.count === 0) {
      tcb.rtoUs = Infinity;
      return;
    }
    tcb.rtoUs = core.nowUs + tcb.rtt.timeout(tcb.backoff);
    this.armTail(tcb);
    core.due(tcb.rtoUs);
  }

  /** RFC 8985 §7.2: when nothing comes for two round trips, the tail may be lost. */
  armTail(tcb: ControlBlock): void {
    const smoothed = tcb.rtt.smoothedUs;
    if (tcb.phase !== OPEN || !tcb.sackPermitted || tcb.probing || smoothed === 0) return;
    if (tcb.segments.sackedBytes > 0) return;
    let wait = 2 * smoothed;
    if (tcb.segments.count === 1) wait += PEER_DELAY_US;
    const at = this.#core.nowUs + wait;
    if (at >= tcb.rtoUs) return;
    tcb.tailUs = at;
    this.#core.due(at);
  }

  /** RACK (RFC 8985 §6.2): give up what was sent long enough before something that has been delivered. */
  expire(tcb: ControlBlock): void {
    const core = this.#core;
    const segments = tcb.segments;
    const nowUs = core.nowUs;
    const horizon = tcb.rackRttUs + this.#reorderWindow(tcb);
    let lost = 0;
    let waitUs = 0;
    for (let i = 0; i < segments.count; i++) {
      const place = segments.at(i);
      if ((segments.flags[place]! & (SACKED | LOST)) !== 0) continue;
      const sentUs = segments.sentUs[place]!;
      if (sentUs > tcb.rackSentUs || (sentUs === tcb.rackSentUs && !before(segments.end[place]!, tcb.rackEnd)))
        continue;
      const remaining = sentUs + horizon - nowUs;
      if (remaining <= 0) {
        const size = segments.size(i);
        segments.markLost(place, size);
        lost += size;
      } else if (remaining > waitUs) waitUs = remaining;
    }
    tcb.reorderUs = waitUs > 0 ? nowUs + waitUs : Infinity;
    if (waitUs > 0) core.due(tcb.reorderUs);
    if (lost > 0) this.#lose(tcb, lost);
  }

  /** The retransmission timer ran out (RFC 6298 §5.4 to 5.6, RFC 8985 §6.3). */
  timeout(tcb: ControlBlock): void {
    const core = this.#core;
    const segments = tcb.segments;
    const flight = tcb.flight();
    core.counters.recovery.timeouts++;
    if ((segments.flags[segments.at(0)]! & SACKED) !== 0) {
      segments.forgetSacked();
      core.counters.recovery.reneged++;
    }
    const horizon = Math.max(tcb.rackRttUs, tcb.rtt.smoothedUs) + this.#reorderWindow(tcb);
    for (let i = 0; i < segments.count; i++) {
      const place = segments.at(i);
      if ((segments.flags[place]! & (SACKED | LOST)) !== 0) continue;
      if (i === 0 || !tcb.sackPermitted || segments.sentUs[place]! + horizon <= core.nowUs) {
        segments.markLost(place, segments.size(i));
      }
    }
    if (tcb.phase !== TIMEOUT) tcb.control.timedOut(flight, core.nowUs);
    tcb.phase = TIMEOUT;
    tcb.recoverySeq = tcb.nxt;
    tcb.backoff++;
    tcb.dupAcks = 0;
    tcb.dupBytes = 0;
    tcb.force = true;
    tcb.probing = false;
    tcb.probeDoubt = false;
    tcb.reorderUs = Infinity;
    this.arm(tcb);
  }

  /**
   * The path takes no packets larger than `mtu` (RFC 1191), which is believed down to {@link MTU_MIN}.
   * @returns whether that is news.
   */
  shrink(tcb: ControlBlock, mtu: number): boolean {
    const mss = Math.max(mtu, MTU_MIN) - IPV4_HEADER - TCP_HEADER - (tcb.timestamps ? TIMESTAMPS_LENGTH : 0);
    if (tcb.state < ESTABLISHED || mss >= tcb.mss || !this.#resegment(tcb, mss)) return false;
    tcb.mss = mss;
    this.#core.wake(tcb);
    return true;
  }

  /** Everything on its way is given up, in pieces of at most `mss`. */
  #resegment(tcb: ControlBlock, mss: number): boolean {
    const segments = tcb.segments;
    const total = distance(tcb.una, tcb.nxt);
    if (Math.ceil(total / mss) > segments.capacity) return false;
    const una = tcb.una;
    const priorFlags = segments.count > 0 ? segments.flags[segments.at(segments.count - 1)]! : 0;
    segments.clear(una);
    for (let done = 0; done < total;) {
      const size = Math.min(mss, total - done);
      done += size;
      const place = segments.push((una + done) | 0, RESENT);
      segments.sentUs[place] = this.#core.nowUs;
      segments.delivered[place] = tcb.delivered;
      segments.deliveredUs[place] = tcb.deliveredUs;
      segments.firstSentUs[place] = tcb.firstSentUs;
      segments.markLost(place, size);
      if (done === total) segments.flags[place] = segments.flags[place]! | (priorFlags & WITH_FIN);
    }
    tcb.force = true;
    return true;
  }

  /** SACK ranges: which segments they cover whole. */
  #report(tcb: ControlBlock, ack: number): void {
    const { options, counters } = this.#core;
    const segments = tcb.segments;
    const sacks = options.sacks;
    for (let block = 0; block < options.sackCount; block++) {
      const left = sacks[2 * block]!;
      const right = sacks[2 * block + 1]!;
      // RFC 2883 §4: a first range at or below the acknowledgement was received twice.
      if (!before(left, right) || before(tcb.nxt, right)) continue;
      if (notAfter(right, ack)) {
        if (block === 0) counters.recovery.duplicates++;
        continue;
      }
      if (before(left, tcb.una)) continue;
      for (let i = 0; i < segments.count; i++) {
        const start = segments.start(i);
        if (!before(start, right)) break;
        if (before(start, left)) continue;
        const place = segments.at(i);
        const end = segments.end[place]!;
        if (before(right, end)) break;
        if ((segments.flags[place]! & SACKED) !== 0) continue;
        const size = distance(start, end);
        this.#deliver(tcb, place, size);
        segments.markSacked(place, size);
      }
    }
  }

  /** The acknowledgement number moved by `acked`. */
  #advance(tcb: ControlBlock, ack: number, acked: number): void {
    const segments = tcb.segments;
    while (segments.count > 0) {
      const place = segments.at(0);
      const size = segments.size(0);
      const flags = segments.flags[place]!;
      if (before(ack, segments.end[place]!)) {
        const part = distance(segments.una, ack);
        if (part > 0) {
          if ((flags & SACKED) === 0) {
            tcb.delivered += part;
            tcb.deliveredUs = this.#core.nowUs;
          }
          segments.trim(part);
        }
        break;
      }
      if ((flags & SACKED) === 0) this.#deliver(tcb, place, size);
      if ((flags & WITH_FIN) !== 0) tcb.finAcked = true;
      segments.shift(size);
    }
    const bytes = distance(tcb.bufferSeq, ack) - (tcb.finAcked ? 1 : 0);
    tcb.send.drop(bytes);
    tcb.bufferSeq = (tcb.bufferSeq + bytes) | 0;
    tcb.bytesOut += bytes;
    this.#core.counters.bytes.acknowledged += bytes;
    tcb.una = ack;
    tcb.backoff = 0;
    tcb.progressUs = this.#core.nowUs;
    if (before(tcb.forward, ack)) tcb.forward = ack;
    if (tcb.phase === FAST && before(ack, tcb.recoverySeq)) {
      tcb.dupBytes = Math.max(0, tcb.dupBytes - Math.max(0, acked - tcb.mss));
    } else {
      tcb.dupAcks = 0;
      tcb.dupBytes = 0;
    }
  }

  /** A segment reached the peer, now reported for the first time. */
  #deliver(tcb: ControlBlock, place: number, size: number): void {
    const core = this.#core;
    const segments = tcb.segments;
    const flags = segments.flags[place]!;
    const sentUs = segments.sentUs[place]!;
    const end = segments.end[place]!;
    const nowUs = core.nowUs;
    tcb.delivered += size;
    tcb.deliveredUs = nowUs;
    if (tcb.limitedUntil !== 0 && tcb.delivered > tcb.limitedUntil) tcb.limitedUntil = 0;
    const rttUs = nowUs - sentUs;
    if ((flags & RESENT) === 0) {
      if (this.#oldestRttUs < 0) this.#oldestRttUs = rttUs;
      this.#newestRttUs = rttUs;
      // Delivered behind what was reported later than it: the network reorders (RFC 8985 §6.2 step 3).
      if (before(end, tcb.forward)) tcb.reordering = true;
    } else if (tcb.timestamps && core.options.timestamps) {
      // Reported for a copy that was sent before this one.
      if (before(core.options.echo, core.stampAt(sentUs, tcb.stampOffset))) return;
    } else if (rttUs < tcb.rtt.minUs) return;
    if (before(tcb.forward, end)) tcb.forward = end;
    if (sentUs > tcb.rackSentUs || (sentUs === tcb.rackSentUs && before(tcb.rackEnd, end))) {
      tcb.rackSentUs = sentUs;
      tcb.rackEnd = end;
      tcb.rackRttUs = rttUs;
    }
    if (this.#priorUs < 0 || segments.delivered[place]! >= this.#sample.priorDelivered) {
      this.#sample.priorDelivered = segments.delivered[place]!;
      this.#sample.limited = (flags & LIMITED) !== 0;
      this.#priorUs = segments.deliveredUs[place]!;
      this.#sendElapsedUs = sentUs - segments.firstSentUs[place]!;
      tcb.firstSentUs = sentUs;
    }
  }

  /** Round-trip time, and the rate at which the flight was delivered: the slower of sending and acknowledging counts. */
  #measure(tcb: ControlBlock, advanced: boolean): void {
    const core = this.#core;
    const sample = this.#sample;
    let rttUs = this.#oldestRttUs;
    if (rttUs < 0 && advanced && tcb.timestamps && core.options.timestamps) {
      // Only what was sent again: the echo tells of which copy (RFC 7323 §4).
      const ms = distance(core.options.echo, core.stampAt(core.nowUs, tcb.stampOffset));
      if (ms >= 0 && ms < 600_000) rttUs = Math.max(ms, 1) * 1000;
    }
    sample.rttUs = this.#newestRttUs;
    if (rttUs >= 0) tcb.rtt.sample(rttUs, core.nowUs);
    sample.rate = 0;
    if (this.#priorUs < 0) return;
    const elapsedUs = Math.max(this.#sendElapsedUs, core.nowUs - this.#priorUs);
    // An interval shorter than any round trip measures the acknowledgements' burst, not the path.
    if (elapsedUs <= 0 || elapsedUs < tcb.rtt.minUs) return;
    sample.rate = ((tcb.delivered - sample.priorDelivered) * 1_000_000) / elapsedUs;
  }

  /** Peers without SACK: three duplicates are a loss, and in recovery every partial acknowledgement is one more. */
  #count(tcb: ControlBlock, acked: number): void {
    const segments = tcb.segments;
    if (segments.count === 0) return;
    const place = segments.at(0);
    if ((segments.flags[place]! & LOST) !== 0) return;
    const partial = tcb.phase === FAST && acked > 0;
    // RFC 6582 §3.2 step 1: duplicates of what a recovery sent again do not begin another.
    const third = tcb.phase === OPEN && tcb.dupAcks === DUP_THRESHOLD && !before(tcb.una, tcb.recoverySeq);
    if (!partial && !third) return;
    const size = segments.size(0);
    segments.markLost(place, size);
    this.#lose(tcb, size);
    tcb.force = true;
  }

  #lose(tcb: ControlBlock, bytes: number): void {
    const core = this.#core;
    this.#sample.lostBytes += bytes;
    core.wake(tcb);
    if (tcb.phase !== OPEN) return;
    tcb.phase = FAST;
    tcb.recoverySeq = tcb.nxt;
    tcb.force = true;
    tcb.tailUs = Infinity;
    core.counters.recovery.fast++;
    tcb.control.lost(tcb.flight() + bytes, core.nowUs);
  }

  /**
   * All up to the end of a tail probe is acknowledged (RFC 8985 §7.4.2). If the peer says that it had it already, the probe was
   * in vain; if it says nothing until it has more, the probe has repaired a loss.
   */
  #probed(tcb: ControlBlock, ack: number, again: boolean): void {
    const { options } = this.#core;
    tcb.probing = false;
    const twice = options.sackCount > 0 && options.sacks[1] === tcb.probeEnd;
    if (twice || (again && options.sackCount === 0)) tcb.probeDoubt = false;
    else if (before(tcb.probeEnd, ack)) this.repaired(tcb);
  }

  /** A tail probe has repaired a loss, and so hid it from the congestion control. */
  repaired(tcb: ControlBlock): void {
    tcb.probeDoubt = false;
    if (tcb.phase !== OPEN) return;
    tcb.control.lost(Math.max(tcb.flight(), tcb.mss), this.#core.nowUs);
    tcb.control.recovered(this.#core.nowUs);
  }

  /** How long reordering is waited for (RFC 8985 §6.2 step 4). */
  #reorderWindow(tcb: ControlBlock): number {
    if (!tcb.reordering && (tcb.phase !== OPEN || tcb.segments.sackedCount >= DUP_THRESHOLD)) return 0;
    const least = tcb.rtt.minUs === Infinity ? tcb.rtt.smoothedUs : tcb.rtt.minUs;
    return Math.min(least / 4, tcb.rtt.smoothedUs);
  }
}
