/**
 * One IPv4 network interface on a {@link FramePort}: takes frames, answers ARP and ICMP echo, hands the rest to protocol
 * handlers. Whatever arrives, it does not throw, allocates nothing, does at most `budget` frames a turn, and each frame
 * ends in exactly one counter.
 */
import type { Bytes, Clock, FramePort } from "../ports/index.ts";
import {
  ANY,
  BROADCAST,
  checkIpv4Config,
  type Ipv4Address,
  type Ipv4Config,
  isUnicast,
  UNADDRESSED,
} from "./address.ts";
import { Arp } from "./arp.ts";
import { createNetCounters, type NetCounters } from "./counters.ts";
import { Icmp } from "./icmp.ts";
import { Output } from "./output.ts";
import { HANDLED, type Packet, type ProtocolHandler, REFUSED } from "./packet.ts";
import { getI32, getU16 } from "./wire/bytes.ts";
import { checkEthernet, ETHERNET_HEADER, ETHERNET_MALFORMED, ETHERTYPE_ARP, ETHERTYPE_IPV4 } from "./wire/ethernet.ts";
import {
  checkIpv4,
  IPV4_BAD_CHECKSUM,
  IPV4_DESTINATION,
  IPV4_FRAGMENTED,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  PROTOCOL_ICMP,
  PROTOCOL_UDP,
} from "./wire/ipv4.ts";
import { UNREACHABLE_PORT, UNREACHABLE_PROTOCOL } from "./wire/icmp.ts";

export interface InterfaceOptions {
  readonly port: FramePort;
  readonly clock: Clock;
  readonly bytes: Bytes;
  /** Without it the interface has no address until {@link Interface.configure} gives it one. */
  readonly ipv4?: Ipv4Config | undefined;
  /** Whether broadcasts of those who have no address yet are heard, as one who gives out addresses must. */
  readonly givesAddresses?: boolean | undefined;
}

export class Interface {
  readonly counters: NetCounters = createNetCounters();
  /** Our address: the same object always, its fields change with {@link configure}. */
  readonly own: Ipv4Address;
  /** For protocol handlers: how they send. */
  readonly output: Output;
  readonly arp: Arp;

  private readonly port: FramePort;
  private readonly clock: Clock;
  private readonly bytes: Bytes;
  private readonly icmp: Icmp;
  private readonly handlers: (ProtocolHandler | undefined)[];
  private readonly packet: Packet;
  /** Our MAC address as two numbers, which are compared sooner than six. */
  private readonly macHigh: number;
  private readonly macLow: number;
  private readonly givesAddresses: boolean;
  private nowUs = 0;

  /** @throws Error, one sentence, if the address does not fit together. */
  constructor(options: InterfaceOptions) {
    const { port, clock, bytes } = options;
    this.port = port;
    this.clock = clock;
    this.bytes = bytes;
    this.givesAddresses = options.givesAddresses === true;
    this.macHigh = getI32(port.mac, 0);
    this.macLow = getU16(port.mac, 4);
    this.own = { ...(options.ipv4 === undefined ? UNADDRESSED : checkIpv4Config(options.ipv4)) };
    this.arp = new Arp(port, this.own, this.counters);
    this.output = new Output(port, clock, bytes, this.own, this.arp, this.counters);
    this.handlers = Array.from({ length: 256 }, () => undefined);
    this.icmp = new Icmp(this.output, bytes, this.counters, this.handlers);
    this.packet = {
      bytes: port.rx,
      frame: 0,
      header: 0,
      start: 0,
      length: 0,
      source: 0,
      destination: 0,
      broadcast: false,
    };
  }

  /**
   * Have another address, or none. What was known of neighbours is forgotten, and protocols are told if it is another.
   * @throws Error, one sentence, if the address does not fit together; nothing has changed then.
   */
  configure(ipv4: Ipv4Config | undefined): void {
    const next = ipv4 === undefined ? UNADDRESSED : checkIpv4Config(ipv4);
    const own = this.own;
    const another = next.address !== own.address;
    if (!another && next.mask === own.mask && next.gateway === own.gateway) return;
    Object.assign(own, next);
    this.output.readdress();
    this.arp.neighbours.clear(next.gateway);
    if (another) for (const handler of this.handlers) handler?.readdressed?.();
  }

  /** For reports: one line for each neighbour. */
  neighbours(): string[] {
    return this.arp.neighbours.lines(this.clock.nowUs());
  }

  /** Give a protocol number to a handler. @throws RangeError if it is taken or none. */
  attach(protocol: number, handler: ProtocolHandler): void {
    if (!Number.isInteger(protocol) || protocol < 0 || protocol > 255) {
      throw new RangeError(`Interface.attach: ${protocol} is no protocol number`);
    }
    if (protocol === PROTOCOL_ICMP || this.handlers[protocol] !== undefined) {
      throw new RangeError(`Interface.attach: protocol ${protocol} has a handler`);
    }
    this.handlers[protocol] = handler;
  }

  /**
   * Take up to `budget` received frames and send, with one flush, everything that was committed since the last.
   * @returns how many frames it took. If that is `budget` there may be more, and no interrupt will tell: call again.
   */
  poll(budget: number): number {
    const port = this.port;
    let taken = 0;
    if (budget > 0 && port.receive()) {
      this.nowUs = this.clock.nowUs();
      do {
        this.counters.frames++;
        this.frame(port.rx, port.rxStart, port.rxLength);
        port.release();
        taken++;
      } while (taken < budget && port.receive());
    }
    port.flush();
    return taken;
  }

  private frame(bytes: Uint8Array, at: number, length: number): void {
    const dropped = this.counters.dropped;
    const type = checkEthernet(bytes, at, length);
    if (type === ETHERNET_MALFORMED) {
      dropped.ethernetMalformed++;
      return;
    }
    const macHigh = getI32(bytes, at);
    const macLow = getU16(bytes, at + 4);
    const broadcast = macHigh === -1 && macLow === 0xffff;
    if ((macHigh !== this.macHigh || macLow !== this.macLow) && !broadcast) {
      dropped.ethernetDestination++;
      return;
    }
    if (type === ETHERTYPE_IPV4) this.ipv4(bytes, at, length - ETHERNET_HEADER, broadcast);
    else if (type === ETHERTYPE_ARP) {
      this.arp.receive(bytes, at + ETHERNET_HEADER, length - ETHERNET_HEADER, this.nowUs);
    } else dropped.ethernetType++;
  }

  private ipv4(bytes: Uint8Array, frame: number, length: number, linkBroadcast: boolean): void {
    const dropped = this.counters.dropped;
    const at = frame + ETHERNET_HEADER;
    const lengths = checkIpv4(bytes, at, length, this.bytes);
    if (lengths < 0) {
      if (lengths === IPV4_BAD_CHECKSUM) dropped.ipv4Checksum++;
      else if (lengths === IPV4_FRAGMENTED) dropped.ipv4Fragment++;
      else dropped.ipv4Malformed++;
      return;
    }
    const own = this.own;
    const source = getI32(bytes, at + IPV4_SOURCE);
    const destination = getI32(bytes, at + IPV4_DESTINATION);
    const broadcast = destination === BROADCAST || destination === own.broadcast;
    // RFC 1122 §3.2.1.3: 0.0.0.0 is who asks everybody for an address, and nobody else.
    const sound = isUnicast(source) || (source === ANY && broadcast && this.givesAddresses);
    if (!sound || source === own.address || source === own.broadcast) {
      dropped.ipv4Source++;
      return;
    }
    if ((destination !== own.address || destination === ANY) && !broadcast) {
      dropped.ipv4Destination++;
      return;
    }
    if (linkBroadcast && !broadcast) {
      dropped.ipv4LinkBroadcast++;
      return;
    }
    const header = lengths >> 16;
    const packet = this.packet;
    packet.bytes = bytes;
    packet.frame = frame;
    packet.header = at;
    packet.start = at + header;
    packet.length = (lengths & 0xffff) - header;
    packet.source = source;
    packet.destination = destination;
    packet.broadcast = broadcast;
    const protocol = bytes[at + IPV4_PROTOCOL]!;
    if (protocol === PROTOCOL_ICMP) this.icmp.receive(packet);
    else this.deliver(protocol, packet);
  }

  private deliver(protocol: number, packet: Packet): void {
    const { handled, dropped } = this.counters;
    const handler = this.handlers[protocol];
    if (handler === undefined) {
      dropped.ipv4Protocol++;
      // A host without UDP is one on which no port is open.
      const code = protocol === PROTOCOL_UDP ? UNREACHABLE_PORT : UNREACHABLE_PROTOCOL;
      this.icmp.unreachable(packet, code, this.nowUs);
      return;
    }
    const verdict = handler.receive(packet);
    if (verdict === HANDLED) handled.delivered++;
    else if (verdict === REFUSED) dropped.refused++;
    else {
      dropped.unreachable++;
      this.icmp.unreachable(packet, UNREACHABLE_PORT, this.nowUs);
    }
  }
}
