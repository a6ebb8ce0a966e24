/**
 * Segments for which there is no connection: those that begin or end a handshake, those for TIME-WAIT, and nobody's. Each has
 * its one fate in the counters here; what a stranger can make us do is bounded in every case.
 */
import type { Random } from "../../ports/index.ts";
import type { Packet } from "../packet.ts";
import { getI32 } from "../wire/bytes.ts";
import { ACK, FIN, RST, SYN, TCP_PORTS } from "../wire/tcp.ts";
import type { ControlBlock } from "./control-block.ts";
import type { Core } from "./core.ts";
import type { Emitter } from "./emitter.ts";
import type { HalfOpen } from "./half-open.ts";
import type { TcpListener } from "./listener.ts";
import type { Opening } from "./opening.ts";
import type { Receiver } from "./receiver.ts";
import type { Segment } from "./segment.ts";
import { ANEW, ANSWER, IGNORE, type TimeWait } from "./time-wait.ts";

export interface IncomingParts {
  readonly core: Core;
  readonly random: Random;
  readonly emitter: Emitter;
  readonly receiver: Receiver;
  readonly opening: Opening;
  readonly halfOpen: HalfOpen;
  readonly timeWait: TimeWait;
  /** By their numbers. */
  readonly listeners: readonly (TcpListener | undefined)[];
}

export class Incoming {
  readonly #core: Core;
  readonly #random: Random;
  readonly #emitter: Emitter;
  readonly #receiver: Receiver;
  readonly #opening: Opening;
  readonly #halfOpen: HalfOpen;
  readonly #timeWait: TimeWait;
  readonly #listeners: readonly (TcpListener | undefined)[];

  constructor(parts: IncomingParts) {
    this.#core = parts.core;
    this.#random = parts.random;
    this.#emitter = parts.emitter;
    this.#receiver = parts.receiver;
    this.#opening = parts.opening;
    this.#halfOpen = parts.halfOpen;
    this.#timeWait = parts.timeWait;
    this.#listeners = parts.listeners;
  }

  /** A segment for no connection: a handshake's, one for TIME-WAIT, or nobody's. */
  receive(packet: Packet, ports: number, segment: Segment): void {
    const { taken, dropped } = this.#core.counters;
    const flags = segment.flags;
    const begins = (flags & (SYN | ACK | RST | FIN)) === SYN;
    const half = this.#halfOpen.find(packet.source, ports);
    if (half >= 0 && !begins) {
      this.#complete(half, packet, segment);
      return;
    }
    const old = this.#timeWait.find(packet.source, ports);
    if (old >= 0) {
      // RFC 1337: a reset does not end TIME-WAIT.
      const call =
        (flags & RST) !== 0
          ? IGNORE
          : begins
            ? this.#timeWait.syn(old, segment.sequence)
            : this.#timeWait.segment(old, (flags & FIN) !== 0);
      if (call !== ANEW) {
        taken.timeWait++;
        if (call === ANSWER) this.#emitter.late(packet, ports, this.#timeWait);
        return;
      }
    }
    const listener = this.#listenerOf(ports & 0xffff);
    if (listener < 0) {
      this.#nobody(packet, segment);
      return;
    }
    if (begins) {
      if (!this.#core.hash.draw(this.#random)) {
        dropped.noSecret++;
        return;
      }
      taken.handshake++;
      this.#halfOpen.syn(packet, ports, listener, segment.sequence, segment.window);
      return;
    }
    if ((flags & (SYN | RST | ACK)) === ACK && this.#cookie(listener, packet, ports, segment)) return;
    this.#nobody(packet, segment);
  }

  #nobody(packet: Packet, segment: Segment): void {
    this.#core.counters.dropped.noSocket++;
    const flags = segment.flags;
    this.#emitter.refuse(packet, segment.length + ((flags & SYN) !== 0 ? 1 : 0) + ((flags & FIN) !== 0 ? 1 : 0));
  }

  /** A segment for a handshake that has begun. */
  #complete(half: number, packet: Packet, segment: Segment): void {
    const { taken, dropped } = this.#core.counters;
    const halfOpen = this.#halfOpen;
    const { flags, sequence, acknowledgement } = segment;
    if ((flags & RST) !== 0) {
      if (!halfOpen.resets(half, sequence)) dropped.outOfWindow++;
      else {
        taken.reset++;
        halfOpen.remove(half);
      }
      return;
    }
    if ((flags & (ACK | SYN)) !== ACK) {
      dropped.flags++;
      return;
    }
    if (!halfOpen.inside(half, sequence)) {
      dropped.outOfWindow++;
      return;
    }
    if (!halfOpen.acknowledges(half, acknowledgement)) {
      dropped.acknowledgement++;
      this.#emitter.refuse(packet, 0);
      return;
    }
    const listener = halfOpen.listenerOf(half);
    const iss = halfOpen.initialSequence(half);
    const tcb = this.#admit(listener, packet, iss);
    if (tcb === undefined) return;
    halfOpen.establish(half, tcb);
    this.#begin(tcb, listener, packet, segment);
  }

  /** An acknowledgement that may be of a cookie. @returns whether it was. */
  #cookie(listener: number, packet: Packet, ports: number, segment: Segment): boolean {
    const { sequence, acknowledgement } = segment;
    const counters = this.#core.counters.halfOpen;
    if (!this.#core.hash.draw(this.#random)) return false;
    const mss = this.#halfOpen.taste(packet, ports, sequence, acknowledgement);
    if (mss < 0) {
      counters.cookiesRefused++;
      return false;
    }
    const tcb = this.#admit(listener, packet, (acknowledgement - 1) | 0);
    if (tcb === undefined) return true;
    counters.cookiesAccepted++;
    tcb.rcvNxt = sequence;
    tcb.mss = mss;
    tcb.maxWindow = segment.window;
    tcb.edge = (tcb.nxt + segment.window) | 0;
    this.#begin(tcb, listener, packet, segment);
    return true;
  }

  /** A socket for a finished handshake, if the listener has room; counted if not. */
  #admit(listener: number, packet: Packet, iss: number): ControlBlock | undefined {
    const to = this.#listeners[listener]!;
    const ports = getI32(packet.bytes, packet.start + TCP_PORTS);
    const tcb = to.pending < to.backlog ? this.take(packet.source, ports, iss) : undefined;
    if (tcb === undefined) this.#core.counters.dropped.backlogFull++;
    else tcb.nxt = (iss + 1) | 0;
    return tcb;
  }

  #begin(tcb: ControlBlock, listener: number, packet: Packet, segment: Segment): void {
    this.#opening.establish(tcb);
    this.#listeners[listener]!.add(tcb);
    this.#receiver.receive(tcb, packet, segment);
  }

  /** A block from the pool; if all are in use, the one that has been saying goodbye longest makes room. */
  take(address: number, ports: number, iss: number): ControlBlock | undefined {
    const core = this.#core;
    const tcb = core.take(address, ports, iss);
    if (tcb !== undefined) return tcb;
    let oldest: ControlBlock | undefined;
    for (const block of core.blocks) {
      if (!block.held && (oldest === undefined || block.lifeUs < oldest.lifeUs)) oldest = block;
    }
    if (oldest === undefined) return undefined;
    core.counters.sockets.reclaimed++;
    this.#emitter.reset(oldest);
    core.end(oldest, "aborted");
    return core.take(address, ports, iss);
  }

  #listenerOf(port: number): number {
    for (let i = 0; i < this.#listeners.length; i++) if (this.#listeners[i]?.port === port) return i;
    return -1;
  }
}
