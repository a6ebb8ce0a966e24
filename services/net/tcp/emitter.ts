/**
 * Makes segments: header, options, data out of the send buffer, checksum, straight into the port's buffer. Each call sends
 * one segment or returns false because there is no buffer or no way yet; then nothing has changed.
 */
import type { Packet } from "../packet.ts";
import { getI32 } from "../wire/bytes.ts";
import { PROTOCOL_TCP } from "../wire/ipv4.ts";
import {
  ACK,
  completeTcp,
  emitSack,
  emitSynOptions,
  emitTcpHeader,
  emitTimestamps,
  FIN,
  PSH,
  RST,
  SACK_MAX,
  SYN,
  TCP_ACKNOWLEDGEMENT,
  TCP_FLAGS,
  TCP_HEADER,
  TCP_PORTS,
  TCP_SEQUENCE,
  TIMESTAMPS_LENGTH,
} from "../wire/tcp.ts";
import type { ControlBlock } from "./control-block.ts";
import type { Core } from "./core.ts";
import { before, distance } from "./sequence.ts";
import type { TimeWait } from "./time-wait.ts";

/** With timestamps, three ranges fit. */
const SACK_WITH_TIMESTAMPS = 3;

/** What a SYN says of us: the same object each time. */
export interface SynFields {
  address: number;
  ports: number;
  sequence: number;
  /** 0 for a SYN without ACK. */
  acknowledgement: number;
  withAck: boolean;
  window: number;
  /** Negative: not offered. */
  windowScale: number;
  sackPermitted: boolean;
  timestamps: boolean;
  timestamp: number;
  echo: number;
}

export class Emitter {
  readonly #core: Core;
  readonly #edges = new Int32Array(2 * SACK_MAX);

  constructor(core: Core) {
    this.#core = core;
  }

  /** Largest segment that we can take. */
  get ownMss(): number {
    return this.#core.output.payloadMax - TCP_HEADER;
  }

  /** A segment of a connection: `length` bytes from `sequence` on, and our FIN behind them if `fin`. */
  data(tcb: ControlBlock, sequence: number, length: number, fin: boolean): boolean {
    const core = this.#core;
    const output = core.output;
    if (!output.begin(PROTOCOL_TCP, tcb.remoteAddress)) {
      core.counters.unsent.blocked++;
      return false;
    }
    const at = output.payload;
    const tx = output.tx;
    const header = this.#options(tcb, tx, at, length === 0);
    let flags = ACK;
    if (fin) flags |= FIN;
    if (length > 0) {
      const offset = distance(tcb.bufferSeq, sequence);
      tcb.send.copy(offset, length, tx, at + header);
      // RFC 9293 §3.9.1.2: where what was written ends.
      if (offset + length === tcb.send.length) flags |= PSH;
    }
    emitTcpHeader(tx, at, swap(tcb.ports), sequence, tcb.rcvNxt, header, flags, this.#window(tcb));
    completeTcp(tx, at, header + length, output.address, tcb.remoteAddress, core.bytes);
    output.send(header + length);
    core.counters.sent.segments++;
    acknowledged(tcb);
    return true;
  }

  /** A segment without data: the acknowledgement of what has come. */
  acknowledge(tcb: ControlBlock): boolean {
    if (!this.data(tcb, tcb.nxt, 0, false)) return false;
    this.#core.counters.sent.acknowledgements++;
    return true;
  }

  /** Ask for an acknowledgement, by a segment that the peer has had already (RFC 9293 §3.8.4). */
  probe(tcb: ControlBlock): boolean {
    if (!this.data(tcb, (tcb.una - 1) | 0, 0, false)) return false;
    this.#core.counters.sent.probes++;
    return true;
  }

  /** End a connection that the peer believes in. */
  reset(tcb: ControlBlock): boolean {
    const core = this.#core;
    const output = core.output;
    if (!output.begin(PROTOCOL_TCP, tcb.remoteAddress)) return false;
    const at = output.payload;
    const header = this.#options(tcb, output.tx, at, false);
    emitTcpHeader(output.tx, at, swap(tcb.ports), tcb.nxt, tcb.rcvNxt, header, RST | ACK, 0);
    completeTcp(output.tx, at, header, output.address, tcb.remoteAddress, core.bytes);
    output.send(header);
    core.counters.sent.segments++;
    core.counters.sent.resets++;
    return true;
  }

  /** RFC 9293 §3.10.7.1: the answer to a segment for nobody. `length` counts SYN and FIN. */
  refuse(packet: Packet, length: number): boolean {
    const core = this.#core;
    const { bytes, start } = packet;
    const flags = bytes[start + TCP_FLAGS]!;
    if ((flags & RST) !== 0 || !core.mayReset()) return false;
    const sequence = getI32(bytes, start + TCP_SEQUENCE);
    const ports = getI32(bytes, start + TCP_PORTS);
    const acknowledgement = getI32(bytes, start + TCP_ACKNOWLEDGEMENT);
    if ((flags & ACK) !== 0) return this.bare(packet, ports, acknowledgement, 0, RST);
    return this.bare(packet, ports, 0, (sequence + length) | 0, RST | ACK);
  }

  /** A segment without options back to where another came from, for what has no connection. */
  bare(packet: Packet, ports: number, sequence: number, acknowledgement: number, flags: number): boolean {
    return this.#reply(packet, ports, sequence, acknowledgement, flags, false, 0, 0);
  }

  /** The acknowledgement for TIME-WAIT, with timestamps if they were agreed on: without them it would be dropped. */
  late(packet: Packet, ports: number, entry: TimeWait): boolean {
    const { sequence, acknowledgement, stamped, stampOffset, recent } = entry;
    return this.#reply(packet, ports, sequence, acknowledgement, ACK, stamped, stampOffset, recent);
  }

  #reply(
    packet: Packet,
    ports: number,
    sequence: number,
    acknowledgement: number,
    flags: number,
    stamped: boolean,
    stampOffset: number,
    echo: number,
  ): boolean {
    const core = this.#core;
    const output = core.output;
    if (!output.reply(PROTOCOL_TCP, packet)) {
      core.counters.unsent.blocked++;
      return false;
    }
    const at = output.payload;
    const tx = output.tx;
    const header = stamped ? TCP_HEADER + TIMESTAMPS_LENGTH : TCP_HEADER;
    if (stamped) emitTimestamps(tx, at + TCP_HEADER, core.stampAt(core.nowUs, stampOffset), echo);
    emitTcpHeader(tx, at, swap(ports), sequence, acknowledgement, header, flags, 0);
    completeTcp(tx, at, header, output.address, packet.source, core.bytes);
    output.send(header);
    core.counters.sent.segments++;
    if ((flags & RST) !== 0) core.counters.sent.resets++;
    return true;
  }

  /** A SYN or SYN-ACK; as an answer to `packet` if there is one. */
  syn(fields: SynFields, packet: Packet | undefined): boolean {
    const core = this.#core;
    const output = core.output;
    const ready =
      packet === undefined ? output.begin(PROTOCOL_TCP, fields.address) : output.reply(PROTOCOL_TCP, packet);
    if (!ready) {
      core.counters.unsent.blocked++;
      return false;
    }
    const at = output.payload;
    const tx = output.tx;
    let header = TCP_HEADER;
    header += emitSynOptions(tx, at + header, this.ownMss, fields.windowScale, fields.sackPermitted);
    if (fields.timestamps) {
      emitTimestamps(tx, at + header, fields.timestamp, fields.echo);
      header += TIMESTAMPS_LENGTH;
    }
    const flags = fields.withAck ? SYN | ACK : SYN;
    // RFC 7323 §2.2: the window of a SYN is never scaled.
    const window = Math.min(fields.window, 0xffff);
    emitTcpHeader(tx, at, swap(fields.ports), fields.sequence, fields.acknowledgement, header, flags, window);
    completeTcp(tx, at, header, output.address, fields.address, core.bytes);
    output.send(header);
    core.counters.sent.segments++;
    core.counters.sent.syns++;
    return true;
  }

  /** Timestamps, and what was received out of order if `sack`. @returns the header's length. */
  #options(tcb: ControlBlock, tx: Uint8Array, at: number, sack: boolean): number {
    let header = TCP_HEADER;
    if (tcb.timestamps) {
      emitTimestamps(tx, at + header, this.#core.stampAt(this.#core.nowUs, tcb.stampOffset), tcb.recent);
      header += TIMESTAMPS_LENGTH;
    }
    if (!sack || !tcb.sackPermitted || (tcb.receive.ranges === 0 && !tcb.twice)) return header;
    const edges = this.#edges;
    const max = tcb.timestamps ? SACK_WITH_TIMESTAMPS : SACK_MAX;
    let count = 0;
    if (tcb.twice) {
      edges[0] = tcb.twiceLeft;
      edges[1] = tcb.twiceRight;
      tcb.twice = false;
      count = 1;
    }
    count += tcb.receive.report(edges, 2 * count, max - count);
    return header + emitSack(tx, at + header, count, edges);
  }

  /**
   * The window to offer, scaled. Its right edge never goes back, and moves only by steps that are worth a segment, so that
   * the peer is not led to send small ones (RFC 9293 §3.8.6.2.2).
   */
  #window(tcb: ControlBlock): number {
    const free = tcb.receive.free;
    const edge = (tcb.rcvNxt + free) | 0;
    const step = Math.min(tcb.receive.capacity >> 1, this.ownMss);
    if (distance(tcb.advertised, edge) >= step) tcb.advertised = edge;
    if (before(tcb.advertised, tcb.rcvNxt)) tcb.advertised = tcb.rcvNxt;
    return Math.min(0xffff, distance(tcb.rcvNxt, tcb.advertised) >> tcb.receiveScale);
  }
}

/** What is received has been acknowledged. */
function acknowledged(tcb: ControlBlock): void {
  tcb.unacked = 0;
  tcb.ackDue = false;
  tcb.ackUs = Infinity;
  tcb.lastAck = tcb.rcvNxt;
}

/** The ports of the other direction. */
export function swap(ports: number): number {
  return (ports << 16) | (ports >>> 16);
}
