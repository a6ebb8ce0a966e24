/**
 * A segment arrives for a connection (RFC 9293 §3.10.7.3 and 3.10.7.4, with RFC 5961's and RFC 7323's checks). Every segment
 * gets one fate in the counters; nothing that it says changes a connection before it has been found to be inside its window.
 */
import type { Packet } from "../packet.ts";
import { ACK, FIN, PSH, RST, SYN, TIMESTAMPS_LENGTH } from "../wire/tcp.ts";
import {
  CLOSE_WAIT,
  CLOSING,
  type ControlBlock,
  ESTABLISHED,
  FIN_WAIT_1,
  FIN_WAIT_2,
  LAST_ACK,
  SYN_RECEIVED,
  SYN_SENT,
  TIME_WAIT,
} from "./control-block.ts";
import type { Core } from "./core.ts";
import type { Emitter } from "./emitter.ts";
import type { Opening } from "./opening.ts";
import type { Recovery } from "./recovery.ts";
import type { Segment } from "./segment.ts";
import { before, distance, notAfter } from "./sequence.ts";
import type { TimeWait } from "./time-wait.ts";

/** RFC 7323 §5.5: after this a timestamp says nothing any more. */
const TIMESTAMP_AGES_US = 24 * 86_400 * 1_000_000;

export class Receiver {
  readonly #core: Core;
  readonly #emitter: Emitter;
  readonly #recovery: Recovery;
  readonly #timeWait: TimeWait;
  readonly #opening: Opening;

  constructor(core: Core, emitter: Emitter, recovery: Recovery, timeWait: TimeWait, opening: Opening) {
    this.#core = core;
    this.#emitter = emitter;
    this.#recovery = recovery;
    this.#timeWait = timeWait;
    this.#opening = opening;
  }

  receive(tcb: ControlBlock, packet: Packet, segment: Segment): void {
    if (tcb.state === SYN_SENT) this.#opening.synSent(tcb, packet, segment);
    else this.#synchronized(tcb, packet, segment);
  }

  #synchronized(tcb: ControlBlock, packet: Packet, segment: Segment): void {
    const core = this.#core;
    const { taken, dropped } = core.counters;
    const { flags, sequence } = segment;
    if (!this.#timely(tcb, segment)) return;
    if (tcb.state === SYN_RECEIVED && (flags & (SYN | RST)) === SYN && sequence === ((tcb.rcvNxt - 1) | 0)) {
      this.#opening.crossed(tcb, segment);
      return;
    }
    const room = tcb.receive.free;
    const span = segment.length + ((flags & FIN) !== 0 ? 1 : 0);
    // RFC 9293 §3.4's test. What begins exactly where we are is looked at even if the window is shut.
    const offset = distance(tcb.rcvNxt, sequence);
    const inside = offset === 0 || (offset > 0 ? offset < room : offset + span > 0);
    if (!inside) {
      dropped.outOfWindow++;
      if ((flags & RST) !== 0) return;
      if (segment.length > 0) this.#repeat(tcb, segment);
      else this.#challenge(tcb);
      return;
    }
    if ((flags & RST) !== 0) {
      // RFC 5961 §3.2: exactly at the window's left edge, or the peer has to say it again.
      if (offset !== 0) {
        dropped.challenged++;
        this.#challenge(tcb);
        return;
      }
      taken.reset++;
      core.end(tcb, tcb.state === SYN_RECEIVED ? "refused" : "reset");
      return;
    }
    if ((flags & SYN) !== 0) {
      dropped.challenged++;
      this.#challenge(tcb);
      return;
    }
    if ((flags & ACK) === 0) {
      dropped.flags++;
      return;
    }
    const ack = segment.acknowledgement;
    if (tcb.state === SYN_RECEIVED) {
      if (ack !== tcb.nxt) {
        dropped.acknowledgement++;
        this.#emitter.refuse(packet, 0);
        return;
      }
      this.#opening.establish(tcb);
    } else if (before(tcb.nxt, ack) || distance(ack, tcb.una) > tcb.maxWindow) {
      // RFC 5961 §5.2: so that data cannot be slipped in by one who guesses.
      dropped.acknowledgement++;
      this.#challenge(tcb);
      return;
    }
    taken.connection++;
    tcb.heardUs = core.nowUs;
    // RFC 7323 §4.3: of the segments that one acknowledgement covers, the earliest is echoed.
    if (tcb.timestamps && notAfter(sequence, tcb.lastAck)) {
      tcb.recent = core.options.timestamp;
      tcb.recentUs = core.nowUs;
    }
    this.#acknowledgement(tcb, segment, ack);
    tcb.unheard = 0;
    if (span > 0) this.#data(tcb, packet, segment, offset, room);
    if (tcb.finAcked || tcb.finSeen) this.#finished(tcb);
  }

  /** RFC 7323 §5.3: whether a segment is not an old one of an earlier lap. */
  #timely(tcb: ControlBlock, segment: Segment): boolean {
    if (!tcb.timestamps || (segment.flags & RST) !== 0) return true;
    const core = this.#core;
    const { options, counters } = core;
    if (!options.timestamps) {
      counters.dropped.noTimestamp++;
      return false;
    }
    if (before(options.timestamp, tcb.recent) && core.nowUs - tcb.recentUs < TIMESTAMP_AGES_US) {
      counters.dropped.paws++;
      this.#repeat(tcb, segment);
      return false;
    }
    return true;
  }

  #acknowledgement(tcb: ControlBlock, segment: Segment, ack: number): void {
    const core = this.#core;
    const edge = (ack + (segment.window << tcb.sendScale)) | 0;
    const moved = edge !== tcb.edge;
    const old = before(ack, tcb.una);
    // RFC 9293 §3.10.7.4: an older segment does not take back what a newer one said of the window.
    if (
      !old &&
      (before(tcb.windowSeq, segment.sequence) || (tcb.windowSeq === segment.sequence && notAfter(tcb.windowAck, ack)))
    ) {
      tcb.edge = edge;
      tcb.windowSeq = segment.sequence;
      tcb.windowAck = ack;
      const window = segment.window << tcb.sendScale;
      if (window > tcb.maxWindow) tcb.maxWindow = window;
    }
    // It lives, and says how much it takes; what it takes is sent below. If that has become nothing while data is on its way,
    // the retransmissions are the probes (RFC 9293 §3.8.6).
    if (tcb.persistUs !== Infinity || !before(tcb.una, tcb.edge)) tcb.progressUs = core.nowUs;
    if (tcb.persistUs !== Infinity && moved) {
      tcb.persistUs = Infinity;
      tcb.shutAnswers = 0;
    } else if (tcb.persistUs !== Infinity && tcb.unheard > 0) {
      tcb.persistUs = core.nowUs + tcb.rtt.timeout(++tcb.shutAnswers);
      core.due(tcb.persistUs);
    }
    if (!old && (ack !== tcb.una || tcb.segments.count > 0 || tcb.probeDoubt)) {
      const bare = segment.length === 0 && (segment.flags & FIN) === 0;
      this.#recovery.acknowledge(tcb, ack, bare && !moved);
    }
    if (tcb.segments.lostBytes > 0 || tcb.send.length > 0 || tcb.finQueued) core.wake(tcb);
  }

  #data(tcb: ControlBlock, packet: Packet, segment: Segment, offset: number, room: number): void {
    const core = this.#core;
    const { receive } = core.counters;
    core.wake(tcb);
    if (!tcb.held && segment.length > 0) {
      // RFC 2525 §2.17: nobody will read it, and the peer shall know.
      receive.afterClose++;
      this.#emitter.reset(tcb);
      core.end(tcb, "aborted");
      return;
    }
    let { sequence, start, length } = segment;
    if (offset < 0) {
      const known = Math.min(length, -offset);
      this.#twice(tcb, sequence, (sequence + known) | 0);
      receive.duplicate++;
      start += known;
      length -= known;
      sequence = (sequence + known) | 0;
      tcb.ackDue = true;
      offset = 0;
    }
    // What lies behind the peer's FIN was never its data.
    let fin = (segment.flags & FIN) !== 0;
    if (tcb.finSeen) {
      length = Math.max(0, Math.min(length, distance(sequence, tcb.peerFin)));
      fin = false;
    }
    if (length > room - offset) {
      receive.beyondWindow++;
      length = Math.max(0, room - offset);
      fin = false;
      tcb.ackDue = true;
    }
    if (fin) {
      tcb.finSeen = true;
      tcb.peerFin = (sequence + length) | 0;
    }
    const urgent = length > 0 && this.#take(tcb, packet, segment, sequence, start, length, offset);
    if (tcb.finSeen && tcb.rcvNxt === tcb.peerFin) this.#peerFinished(tcb);
    if (urgent && !this.#emitter.acknowledge(tcb)) tcb.ackDue = true;
  }

  /** @returns whether the peer has to know at once. */
  #take(
    tcb: ControlBlock,
    packet: Packet,
    segment: Segment,
    sequence: number,
    start: number,
    length: number,
    offset: number,
  ): boolean {
    const core = this.#core;
    const buffer = tcb.receive;
    const gaps = buffer.ranges;
    if (offset > 0) this.#repeated(tcb, sequence, (sequence + length) | 0);
    const grown = buffer.insert(tcb.rcvNxt, sequence, packet.bytes, start, length);
    if (grown > 0) {
      tcb.rcvNxt = (tcb.rcvNxt + grown) | 0;
      tcb.bytesIn += grown;
      core.counters.bytes.received += grown;
    } else if (grown < 0) core.counters.receive.rangesFull++;
    else core.counters.receive.outOfOrder++;
    tcb.unacked += length;
    // RFC 5681 §4.2: at once while there is a gap, and for every second full segment; for each if the window holds only a
    // few, because then the peer waits for it and one acknowledgement that is lost is much.
    const much = Math.min(buffer.capacity >> 3, 2 * this.#emitter.ownMss - 2 * TIMESTAMPS_LENGTH);
    if (gaps > 0 || grown <= 0 || tcb.unacked >= much) return true;
    // The peer has nothing more to send: this turn's answer takes it along.
    if ((segment.flags & PSH) !== 0) tcb.ackDue = true;
    else if (tcb.ackUs === Infinity) {
      tcb.ackUs = core.nowUs + core.settings.delayedAckUs;
      core.due(tcb.ackUs);
    }
    return false;
  }

  /** All that the peer had to say has come. */
  #peerFinished(tcb: ControlBlock): void {
    if (tcb.state === ESTABLISHED) tcb.state = CLOSE_WAIT;
    else if (tcb.state === FIN_WAIT_1) tcb.state = CLOSING;
    else if (tcb.state !== FIN_WAIT_2) return;
    tcb.rcvNxt = (tcb.rcvNxt + 1) | 0;
    tcb.ackDue = true;
  }

  /** Our FIN was acknowledged, or the peer's has come: what state that makes. */
  #finished(tcb: ControlBlock): void {
    const core = this.#core;
    if (tcb.finAcked) {
      if (tcb.state === FIN_WAIT_1) {
        tcb.state = FIN_WAIT_2;
        // A peer that never closes must not hold a connection that nobody here wants any more.
        if (!tcb.held) tcb.lifeUs = Math.min(tcb.lifeUs, core.nowUs + core.settings.finUs);
        if (tcb.lifeUs !== Infinity) core.due(tcb.lifeUs);
      } else if (tcb.state === LAST_ACK) {
        core.end(tcb, undefined);
        return;
      }
    }
    const over = tcb.finSeen && tcb.rcvNxt === ((tcb.peerFin + 1) | 0);
    if (!over || (tcb.state !== FIN_WAIT_2 && !(tcb.state === CLOSING && tcb.finAcked))) return;
    // The acknowledgement goes first: from here on there is nobody to send it.
    if (tcb.ackDue) this.#emitter.acknowledge(tcb);
    this.#timeWait.add(tcb);
    core.counters.sockets.closed++;
    tcb.state = TIME_WAIT;
    core.leave(tcb);
  }

  /** Acknowledge again what a segment repeats, or is too far on for. */
  #repeat(tcb: ControlBlock, segment: Segment): void {
    const known = distance(segment.sequence, tcb.rcvNxt);
    if (known >= segment.length) this.#twice(tcb, segment.sequence, (segment.sequence + segment.length) | 0);
    // The peer sent it again because our acknowledgement was lost. Echoing the first copy's timestamp would tell it that a
    // round trip takes as long as its time-out, which would then grow by that with every loss.
    const options = this.#core.options;
    if (tcb.timestamps && known > 0 && known <= tcb.receive.capacity && before(tcb.recent, options.timestamp)) {
      tcb.recent = options.timestamp;
      tcb.recentUs = this.#core.nowUs;
    }
    tcb.ackDue = true;
    this.#core.wake(tcb);
  }

  /** Data out of order that lies whole in a range that we have. */
  #repeated(tcb: ControlBlock, left: number, right: number): void {
    const buffer = tcb.receive;
    for (let i = 0; i < buffer.ranges; i++) {
      if (notAfter(buffer.left[i]!, left) && notAfter(right, buffer.right[i]!)) this.#twice(tcb, left, right);
    }
  }

  /** Tell the peer that this came twice (RFC 2883). */
  #twice(tcb: ControlBlock, left: number, right: number): void {
    if (!tcb.sackPermitted || left === right) return;
    tcb.twice = true;
    tcb.twiceLeft = left;
    tcb.twiceRight = right;
  }

  /** Say where we stand, so that the true peer can put it right (RFC 5961). */
  #challenge(tcb: ControlBlock): void {
    const core = this.#core;
    if (!core.mayChallenge(tcb)) return;
    if (this.#emitter.acknowledge(tcb)) core.counters.sent.challenges++;
  }
}
