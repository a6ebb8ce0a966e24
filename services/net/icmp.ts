/**
 * ICMP (RFC 792, RFC 1122 §3.2.2): answers echo requests, and tells senders, at a limited rate, that nobody is there.
 * It never answers a broadcast, nor an ICMP message other than an echo request, so it cannot be used to flood others.
 */
import type { Bytes } from "../ports/index.ts";
import type { NetCounters } from "./counters.ts";
import type { Output } from "./output.ts";
import { type Packet, type ProtocolHandler, TIME_EXCEEDED } from "./packet.ts";
import { RateLimit } from "./rate.ts";
import {
  checkIcmp,
  clearIcmpRest,
  emitIcmpHeader,
  ICMP_BAD_CHECKSUM,
  ICMP_CODE,
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_HEADER,
  ICMP_REST,
  ICMP_TIME_EXCEEDED,
  ICMP_TYPE,
  ICMP_UNREACHABLE,
} from "./wire/icmp.ts";
import { getI32, getU16 } from "./wire/bytes.ts";
import {
  IPV4_DESTINATION,
  IPV4_HEADER,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IPV4_VERSION_IHL,
  PROTOCOL_ICMP,
} from "./wire/ipv4.ts";

export const ERRORS_PER_SECOND = 10;
/** RFC 792: the header and the first 64 bits of the payload, by which the sender knows its packet. */
const QUOTED_BYTES = 8;

export class Icmp {
  private readonly output: Output;
  private readonly bytes: Bytes;
  private readonly counters: NetCounters;
  private readonly handlers: readonly (ProtocolHandler | undefined)[];
  private readonly limit = new RateLimit(ERRORS_PER_SECOND, ERRORS_PER_SECOND);

  constructor(
    output: Output,
    bytes: Bytes,
    counters: NetCounters,
    handlers: readonly (ProtocolHandler | undefined)[] = [],
  ) {
    this.output = output;
    this.bytes = bytes;
    this.counters = counters;
    this.handlers = handlers;
  }

  /** A packet's ICMP message; it gets its one fate here. */
  receive(packet: Packet): void {
    const { bytes, start, length } = packet;
    const dropped = this.counters.dropped;
    const rest = checkIcmp(bytes, start, length, this.bytes);
    if (rest < 0) {
      if (rest === ICMP_BAD_CHECKSUM) dropped.icmpChecksum++;
      else dropped.icmpMalformed++;
      return;
    }
    const type = bytes[start + ICMP_TYPE]!;
    if (type === ICMP_UNREACHABLE || type === ICMP_TIME_EXCEEDED) {
      if (this.undelivered(packet, type)) this.counters.handled.icmpErrors++;
      else dropped.icmpType++;
      return;
    }
    // Type 8, code 0; other codes are not defined.
    if (getU16(bytes, start + ICMP_TYPE) !== ICMP_ECHO_REQUEST << 8) {
      dropped.icmpType++;
      return;
    }
    if (packet.broadcast) {
      dropped.icmpBroadcast++;
      return;
    }
    const output = this.output;
    if (length > output.payloadMax) {
      dropped.icmpTooBig++;
      return;
    }
    if (!output.reply(PROTOCOL_ICMP, packet)) {
      dropped.txFull++;
      return;
    }
    const at = output.payload;
    this.bytes.copy(output.tx, at + ICMP_REST, bytes, start + ICMP_REST, length - ICMP_REST);
    emitIcmpHeader(output.tx, at, ICMP_ECHO_REPLY, 0, rest);
    output.send(length);
    this.counters.handled.echoRequests++;
    this.counters.sent.echoReplies++;
  }

  /** An error about a packet of ours: the protocol that sent it decides whether it did. */
  private undelivered(packet: Packet, type: number): boolean {
    const { bytes, start, length } = packet;
    const at = start + ICMP_HEADER;
    if (packet.broadcast || length < ICMP_HEADER + IPV4_HEADER + QUOTED_BYTES) return false;
    const header = (bytes[at + IPV4_VERSION_IHL]! & 0xf) << 2;
    if (header < IPV4_HEADER || length < ICMP_HEADER + header + QUOTED_BYTES) return false;
    if (getI32(bytes, at + IPV4_SOURCE) !== this.output.address) return false;
    const code = type === ICMP_UNREACHABLE ? bytes[start + ICMP_CODE]! : TIME_EXCEEDED;
    const handler = this.handlers[bytes[at + IPV4_PROTOCOL]!];
    const destination = getI32(bytes, at + IPV4_DESTINATION);
    // RFC 1191 §4: what the next hop takes is in the lower half of the unused word.
    return handler?.undelivered?.(code, bytes, at + header, destination, getU16(bytes, start + ICMP_REST + 2)) === true;
  }

  /** Tell the sender of a packet that is not ICMP's own that it cannot be delivered. */
  unreachable(packet: Packet, code: number, nowUs: number): void {
    if (packet.broadcast) return;
    if (!this.limit.take(nowUs)) {
      this.counters.unsent.icmpErrors++;
      return;
    }
    const output = this.output;
    if (!output.reply(PROTOCOL_ICMP, packet)) {
      this.counters.unsent.txFull++;
      return;
    }
    const at = output.payload;
    const header = packet.start - packet.header;
    const quoted = Math.min(header + Math.min(packet.length, QUOTED_BYTES), output.payloadMax - ICMP_HEADER);
    clearIcmpRest(output.tx, at);
    this.bytes.copy(output.tx, at + ICMP_HEADER, packet.bytes, packet.header, quoted);
    const rest = this.bytes.checksum(output.tx, at + ICMP_REST, ICMP_HEADER - ICMP_REST + quoted, 0);
    emitIcmpHeader(output.tx, at, ICMP_UNREACHABLE, code, rest);
    output.send(ICMP_HEADER + quoted);
    this.counters.sent.icmpErrors++;
  }
}
