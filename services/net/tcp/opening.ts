/**
 * How a connection of ours comes to be (RFC 9293 §3.10.7.3, §3.5): the answer to our SYN, the peer's own SYN that crosses it,
 * and what both sides have agreed on when either way is over.
 */
import type { Packet } from "../packet.ts";
import { ACK, RST, SYN, TIMESTAMPS_LENGTH } from "../wire/tcp.ts";
import { type ControlBlock, ESTABLISHED, FIN_WAIT_1, SYN_RECEIVED } from "./control-block.ts";
import type { Core } from "./core.ts";
import type { Emitter } from "./emitter.ts";
import { MSS_DEFAULT, MSS_MIN } from "./half-open.ts";
import type { Segment } from "./segment.ts";
import { scaleOf } from "./sender.ts";

export class Opening {
  readonly #core: Core;
  readonly #emitter: Emitter;

  constructor(core: Core, emitter: Emitter) {
    this.#core = core;
    this.#emitter = emitter;
  }

  /** Both sides know each other: from here on the connection moves data. */
  establish(tcb: ControlBlock): void {
    const core = this.#core;
    tcb.state = tcb.finQueued ? FIN_WAIT_1 : ESTABLISHED;
    tcb.una = (tcb.iss + 1) | 0;
    tcb.irs = (tcb.rcvNxt - 1) | 0;
    tcb.segments.clear(tcb.una);
    tcb.windowSeq = tcb.rcvNxt;
    tcb.windowAck = tcb.una;
    tcb.advertised = (tcb.rcvNxt + tcb.receive.free) | 0;
    tcb.lastAck = tcb.rcvNxt;
    tcb.rackEnd = tcb.una;
    tcb.forward = tcb.una;
    tcb.recoverySeq = tcb.una;
    tcb.backoff = 0;
    tcb.force = false;
    tcb.rtoUs = Infinity;
    tcb.lifeUs = Infinity;
    tcb.mss = Math.min(tcb.mss, this.#emitter.ownMss) - (tcb.timestamps ? TIMESTAMPS_LENGTH : 0);
    tcb.control.start(tcb.mss, core.nowUs);
    tcb.progressUs = core.nowUs;
    tcb.heardUs = core.nowUs;
    if (core.settings.keepAliveUs > 0) {
      tcb.keepUs = core.nowUs + core.settings.keepAliveUs;
      core.due(tcb.keepUs);
    }
    core.wake(tcb);
  }

  /** The answer to our SYN, or the peer's own (RFC 9293 §3.10.7.3). */
  synSent(tcb: ControlBlock, packet: Packet, segment: Segment): void {
    const core = this.#core;
    const { taken, dropped } = core.counters;
    const { flags, sequence, acknowledgement } = segment;
    const acceptable = (flags & ACK) !== 0 && acknowledgement === tcb.nxt;
    if ((flags & ACK) !== 0 && !acceptable) {
      dropped.acknowledgement++;
      this.#emitter.refuse(packet, 0);
      return;
    }
    if ((flags & RST) !== 0) {
      // RFC 5961 §3: only one who saw our SYN can acknowledge it.
      if (!acceptable) dropped.challenged++;
      else {
        taken.reset++;
        core.end(tcb, "refused");
      }
      return;
    }
    if ((flags & SYN) === 0) {
      dropped.flags++;
      return;
    }
    taken.handshake++;
    const options = core.options;
    tcb.irs = sequence;
    tcb.rcvNxt = (sequence + 1) | 0;
    tcb.advertised = tcb.rcvNxt;
    tcb.mss = options.mss < 0 ? MSS_DEFAULT : Math.max(MSS_MIN, options.mss);
    tcb.scaled = options.windowScale >= 0;
    tcb.sendScale = tcb.scaled ? options.windowScale : 0;
    tcb.receiveScale = tcb.scaled ? scaleOf(core.settings.receiveBytes) : 0;
    tcb.sackPermitted = options.sackPermitted;
    tcb.timestamps = options.timestamps;
    tcb.recent = options.timestamp;
    tcb.recentUs = core.nowUs;
    tcb.edge = (tcb.nxt + segment.window) | 0;
    tcb.maxWindow = segment.window;
    if (acceptable) {
      if (tcb.backoff === 0) tcb.rtt.sample(core.nowUs - tcb.sentUs, core.nowUs);
      this.establish(tcb);
      tcb.ackDue = true;
      return;
    }
    // Both asked at once (RFC 9293 §3.5 figure 8).
    tcb.state = SYN_RECEIVED;
    tcb.force = true;
    core.wake(tcb);
  }

  /** Both asked at once, and the peer's SYN comes again: with what acknowledges ours, or because our answer was lost. */
  crossed(tcb: ControlBlock, segment: Segment): void {
    const core = this.#core;
    core.counters.taken.handshake++;
    if (tcb.timestamps) {
      // RFC 7323 §4.3; an older one has been dropped.
      tcb.recent = core.options.timestamp;
      tcb.recentUs = core.nowUs;
    }
    if ((segment.flags & ACK) !== 0 && segment.acknowledgement === tcb.nxt) {
      this.establish(tcb);
      tcb.ackDue = true;
    } else if (core.mayChallenge(tcb)) {
      tcb.force = true;
      core.wake(tcb);
    }
  }
}
