/**
 * The deadlines of connections: retransmission, tail probe, reordering, delayed acknowledgement, window probe, pacing,
 * keep-alive, and the ends of patience. They are looked through only when the earliest may have come.
 */
import { CLOSED, type ControlBlock, ESTABLISHED, TIME_WAIT } from "./control-block.ts";
import type { Core } from "./core.ts";
import type { Emitter } from "./emitter.ts";
import type { Recovery } from "./recovery.ts";
import { RESENT, WITH_FIN } from "./segments.ts";
import { before } from "./sequence.ts";

/** Probes that a peer leaves unanswered, at least, before its silence counts: fewer may be lost together. */
const UNHEARD = 4;

export class Timers {
  readonly #core: Core;
  readonly #emitter: Emitter;
  readonly #recovery: Recovery;

  constructor(core: Core, emitter: Emitter, recovery: Recovery) {
    this.#core = core;
    this.#emitter = emitter;
    this.#recovery = recovery;
  }

  serve(): void {
    const core = this.#core;
    if (core.nowUs < core.nextUs) return;
    core.nextUs = Infinity;
    for (const tcb of core.blocks) {
      if (!tcb.used || tcb.state === CLOSED || tcb.state === TIME_WAIT) continue;
      this.#look(tcb);
      this.#next(tcb);
    }
  }

  #look(tcb: ControlBlock): void {
    const core = this.#core;
    const nowUs = core.nowUs;
    if (tcb.lifeUs <= nowUs) {
      if (tcb.state >= ESTABLISHED) this.#emitter.reset(tcb);
      core.end(tcb, "timed-out");
      return;
    }
    if (tcb.rtoUs <= nowUs) this.#retransmit(tcb);
    else if (tcb.tailUs <= nowUs) this.#probeTail(tcb);
    if (tcb.state === CLOSED) return;
    if (tcb.reorderUs <= nowUs) {
      tcb.reorderUs = Infinity;
      this.#recovery.expire(tcb);
    }
    if (tcb.ackUs <= nowUs) {
      tcb.ackUs = Infinity;
      tcb.ackDue = true;
      core.wake(tcb);
    }
    if (tcb.paceWaitUs <= nowUs) {
      tcb.paceWaitUs = Infinity;
      core.wake(tcb);
    }
    if (tcb.persistUs <= nowUs) this.#persist(tcb);
    if (tcb.keepUs <= nowUs) this.#keepAlive(tcb);
  }

  #retransmit(tcb: ControlBlock): void {
    const core = this.#core;
    core.wake(tcb);
    if (tcb.state < ESTABLISHED) {
      tcb.rtoUs = Infinity;
      tcb.backoff++;
      tcb.force = true;
      return;
    }
    // Those into a window that was taken back are probes, of which one or two may be lost.
    const sure = before(tcb.una, tcb.edge) || tcb.unheard >= UNHEARD;
    if (sure && core.nowUs - tcb.progressUs >= core.settings.userTimeoutUs) {
      this.#emitter.reset(tcb);
      core.end(tcb, "timed-out");
      return;
    }
    tcb.unheard++;
    this.#recovery.timeout(tcb);
  }

  /** RFC 8985 §7.3: new data if there is some and the peer takes it, or the last segment again. */
  #probeTail(tcb: ControlBlock): void {
    const core = this.#core;
    tcb.tailUs = Infinity;
    const segments = tcb.segments;
    if (segments.count === 0) return;
    const index = segments.count - 1;
    const place = segments.at(index);
    const fin = (segments.flags[place]! & WITH_FIN) !== 0;
    const size = segments.size(index);
    if (!this.#emitter.data(tcb, segments.start(index), fin ? size - 1 : size, fin)) return;
    core.counters.sent.resent++;
    tcb.resent++;
    core.counters.sent.tailProbes++;
    segments.flags[place] = segments.flags[place]! | RESENT;
    segments.sentUs[place] = core.nowUs;
    // Of the one before nobody has said that it was in vain.
    if (tcb.probeDoubt) this.#recovery.repaired(tcb);
    tcb.probing = true;
    tcb.probeDoubt = true;
    tcb.probeEnd = tcb.nxt;
    this.#recovery.arm(tcb);
  }

  /** RFC 9293 §3.8.6.1: the more answers that say so the longer a window stays shut, but a probe that is lost is soon sent again. */
  #persist(tcb: ControlBlock): void {
    const core = this.#core;
    if (tcb.unheard >= UNHEARD && core.nowUs - tcb.progressUs >= core.settings.userTimeoutUs) {
      this.#emitter.reset(tcb);
      core.end(tcb, "timed-out");
      return;
    }
    this.#emitter.probe(tcb);
    tcb.persistUs = core.nowUs + tcb.rtt.timeout(tcb.unheard);
    tcb.unheard++;
  }

  /** RFC 9293 §3.8.4: ask a silent peer whether it is there, while nothing else would find out. */
  #keepAlive(tcb: ControlBlock): void {
    const core = this.#core;
    const { keepAliveUs, keepAliveIntervalUs, keepAliveProbes } = core.settings;
    const silentUs = core.nowUs - tcb.heardUs;
    if (silentUs < keepAliveUs) {
      tcb.keepUs = tcb.heardUs + keepAliveUs;
      return;
    }
    if (tcb.segments.count > 0 || tcb.persistUs !== Infinity) {
      tcb.keepUs = core.nowUs + keepAliveIntervalUs;
      return;
    }
    if (tcb.unheard >= keepAliveProbes) {
      this.#emitter.reset(tcb);
      core.end(tcb, "timed-out");
      return;
    }
    this.#emitter.probe(tcb);
    tcb.unheard++;
    tcb.keepUs = core.nowUs + keepAliveIntervalUs;
  }

  #next(tcb: ControlBlock): void {
    const core = this.#core;
    core.due(tcb.rtoUs);
    core.due(tcb.tailUs);
    core.due(tcb.reorderUs);
    core.due(tcb.ackUs);
    core.due(tcb.persistUs);
    core.due(tcb.paceWaitUs);
    core.due(tcb.keepUs);
    core.due(tcb.lifeUs);
  }
}
