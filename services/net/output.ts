/**
 * Sending IPv4: a packet is built in the port's own buffer, header last, so that it is written once.
 * Every packet that was asked for is either sent or counted under `unsent`.
 */
import type { Bytes, Clock, FramePort } from "../ports/index.ts";
import { ANY, BROADCAST, type Ipv4Address } from "./address.ts";
import type { Arp } from "./arp.ts";
import type { NetCounters } from "./counters.ts";
import { NOT_FOUND } from "./neighbours.ts";
import type { Packet } from "./packet.ts";
import { emitEthernet, ETHERNET_HEADER, ETHERNET_SOURCE, ETHERTYPE_IPV4 } from "./wire/ethernet.ts";
import { completeIpv4, emitIpv4Template, IPV4_HEADER, ipv4FixedSum } from "./wire/ipv4.ts";

/** Where the payload begins, counted from the frame's start. */
const PAYLOAD = ETHERNET_HEADER + IPV4_HEADER;
const EVERYBODY = new Uint8Array(6).fill(0xff);

export class Output {
  /** Largest payload. */
  readonly payloadMax: number;
  /** After a successful `begin` or `reply`: build the payload here. */
  tx: Uint8Array;
  payload = 0;

  private readonly port: FramePort;
  private readonly clock: Clock;
  private readonly bytes: Bytes;
  private readonly own: Ipv4Address;
  private readonly arp: Arp;
  private readonly counters: NetCounters;
  private readonly template = new Uint8Array(PAYLOAD);
  private fixedSum = 0;
  private protocol = 0;
  private destination = ANY;

  constructor(port: FramePort, clock: Clock, bytes: Bytes, own: Ipv4Address, arp: Arp, counters: NetCounters) {
    this.port = port;
    this.clock = clock;
    this.bytes = bytes;
    this.own = own;
    this.arp = arp;
    this.counters = counters;
    this.tx = port.tx;
    this.payloadMax = port.mtu - IPV4_HEADER;
    emitEthernet(this.template, 0, this.template, 0, port.mac, ETHERTYPE_IPV4);
    this.readdress();
  }

  /** For the interface: our address is another. */
  readdress(): void {
    this.fixedSum = ipv4FixedSum(this.own.address);
    emitIpv4Template(this.template, ETHERNET_HEADER, this.own.address);
  }

  /** Our own address. */
  get address(): number {
    return this.own.address;
  }

  /**
   * Start a packet: true, and then up to {@link payloadMax} bytes can be written from `payload` in `tx`, and {@link send}
   * ends it. False if it cannot be sent now: the reason is counted, and if it is the next hop's address, that is asked for.
   */
  begin(protocol: number, destination: number): boolean {
    const own = this.own;
    let hop = destination;
    if (own.address === ANY) {
      this.counters.unsent.noRoute++;
      return false;
    }
    if (((destination ^ own.address) & own.mask) !== 0) {
      if (own.gateway === ANY) {
        this.counters.unsent.noRoute++;
        return false;
      }
      hop = own.gateway;
    }
    const mac = this.arp.resolve(hop, this.clock.nowUs());
    if (mac === NOT_FOUND) {
      this.counters.unsent.unresolved++;
      return false;
    }
    if (this.open(protocol, destination, this.arp.neighbours.macs, mac)) return true;
    this.counters.unsent.txFull++;
    return false;
  }

  /** Start a packet to everybody on the link; even a machine without an address may. False if no buffer is free. */
  broadcast(protocol: number): boolean {
    if (this.open(protocol, BROADCAST, EVERYBODY, 0)) return true;
    this.counters.unsent.txFull++;
    return false;
  }

  /**
   * Start a packet back to where another came from, by the link address it came from. That needs no lookup and cannot be
   * used to make us ask for addresses. Only for answers that leave no state behind. False if no buffer is free.
   */
  reply(protocol: number, packet: Packet): boolean {
    return this.open(protocol, packet.source, packet.bytes, packet.frame + ETHERNET_SOURCE);
  }

  /** End the packet that `begin` or `reply` started. */
  send(length: number): void {
    const header = this.payload - IPV4_HEADER;
    completeIpv4(this.tx, header, IPV4_HEADER + length, this.protocol, this.destination, this.fixedSum);
    this.port.commit(PAYLOAD + length);
    this.counters.sent.packets++;
  }

  private open(protocol: number, destination: number, mac: Uint8Array, macAt: number): boolean {
    const port = this.port;
    if (!port.reserve()) return false;
    const tx = port.tx;
    const at = port.txStart;
    this.bytes.copy(tx, at, this.template, 0, PAYLOAD);
    this.bytes.copy(tx, at, mac, macAt, 6);
    this.tx = tx;
    this.payload = at + PAYLOAD;
    this.protocol = protocol;
    this.destination = destination;
    return true;
  }
}
