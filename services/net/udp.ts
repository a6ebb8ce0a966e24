/**
 * UDP over one interface: datagrams go to whoever has bound their port, in place and at once, so there is no queue to fill.
 * Sending builds a datagram in the port's buffer; it is sent or refused, and either is counted.
 */
import type { Bytes } from "../ports/index.ts";
import { BROADCAST } from "./address.ts";
import type { Interface } from "./interface.ts";
import type { Output } from "./output.ts";
import { HANDLED, type Packet, type ProtocolHandler, REFUSED, UNREACHABLE, type Verdict } from "./packet.ts";
import { getU16 } from "./wire/bytes.ts";
import { PROTOCOL_UDP } from "./wire/ipv4.ts";
import { checkUdp, emitUdp, UDP_BAD_CHECKSUM, UDP_DESTINATION_PORT, UDP_HEADER, UDP_SOURCE_PORT } from "./wire/udp.ts";

/** Ports that can be bound. */
export const UDP_PORTS_MAX = 8;

/** Takes the datagrams of a port. The packet and its bytes are valid until it returns; it may send from there. */
export interface UdpHandler {
  /** @param start where the data begins in `packet.bytes` */
  datagram(packet: Packet, sourcePort: number, start: number, length: number): void;
}

/** Each datagram received has one fate: `datagrams` is the sum of the next four. */
export interface UdpCounters {
  datagrams: number;
  delivered: number;
  malformed: number;
  checksum: number;
  noPort: number;
  sent: number;
  unsent: number;
}

export class Udp implements ProtocolHandler {
  readonly counters: UdpCounters = {
    datagrams: 0,
    delivered: 0,
    malformed: 0,
    checksum: 0,
    noPort: 0,
    sent: 0,
    unsent: 0,
  };
  readonly #bytes: Bytes;
  readonly #output: Output;
  readonly #ports = new Uint16Array(UDP_PORTS_MAX);
  readonly #handlers: (UdpHandler | undefined)[] = Array.from({ length: UDP_PORTS_MAX }, () => undefined);
  #destination = 0;

  /** @throws RangeError if the interface has a UDP. */
  constructor(net: Interface, bytes: Bytes) {
    this.#bytes = bytes;
    this.#output = net.output;
    net.attach(PROTOCOL_UDP, this);
  }

  /** Largest datagram's data. */
  get dataMax(): number {
    return this.#output.payloadMax - UDP_HEADER;
  }

  /** @throws RangeError if the port is none or taken, or too many are bound. */
  bind(port: number, handler: UdpHandler): void {
    if (!Number.isInteger(port) || port < 1 || port > 0xffff) throw new RangeError(`Udp.bind: ${port} is no port`);
    if (this.#ports.includes(port)) throw new RangeError(`Udp.bind: port ${port} is taken`);
    const slot = this.#ports.indexOf(0);
    if (slot < 0) throw new RangeError(`Udp.bind: more than ${UDP_PORTS_MAX} ports`);
    this.#ports[slot] = port;
    this.#handlers[slot] = handler;
  }

  unbind(port: number): void {
    const slot = port === 0 ? -1 : this.#ports.indexOf(port);
    if (slot < 0) return;
    this.#ports[slot] = 0;
    this.#handlers[slot] = undefined;
  }

  receive(packet: Packet): Verdict {
    const counters = this.counters;
    const { bytes, start } = packet;
    counters.datagrams++;
    const length = checkUdp(bytes, start, packet.length, packet.source, packet.destination, this.#bytes);
    if (length < 0) {
      if (length === UDP_BAD_CHECKSUM) counters.checksum++;
      else counters.malformed++;
      return REFUSED;
    }
    const handler = this.#handlers[this.#ports.indexOf(getU16(bytes, start + UDP_DESTINATION_PORT))];
    if (handler === undefined) {
      counters.noPort++;
      return UNREACHABLE;
    }
    counters.delivered++;
    handler.datagram(packet, getU16(bytes, start + UDP_SOURCE_PORT), start + UDP_HEADER, length - UDP_HEADER);
    return HANDLED;
  }

  /**
   * Start a datagram: true, and then up to {@link dataMax} bytes can be written from {@link data} in {@link tx}, and
   * {@link send} ends it.
   */
  begin(destination: number): boolean {
    const output = this.#output;
    const begun = destination === BROADCAST ? output.broadcast(PROTOCOL_UDP) : output.begin(PROTOCOL_UDP, destination);
    if (!begun) {
      this.counters.unsent++;
      return false;
    }
    this.#destination = destination;
    return true;
  }

  get tx(): Uint8Array {
    return this.#output.tx;
  }

  get data(): number {
    return this.#output.payload + UDP_HEADER;
  }

  /** End the datagram that `begin` started, with `length` bytes of data. */
  send(sourcePort: number, destinationPort: number, length: number): void {
    const output = this.#output;
    const whole = UDP_HEADER + length;
    const { tx, payload, address } = output;
    emitUdp(tx, payload, sourcePort, destinationPort, whole, address, this.#destination, this.#bytes);
    output.send(whole);
    this.counters.sent++;
  }
}
