/**
 * ARP (RFC 826) for one address of ours: it answers for that address and no other, asks at a limited rate, and believes
 * only replies to what it asked. Requests for our address introduce their sender, as the RFC has it.
 */
import type { FramePort } from "../ports/index.ts";
import { ANY, isUnicast, type Ipv4Address } from "./address.ts";
import type { NetCounters } from "./counters.ts";
import { Neighbours, NOT_FOUND } from "./neighbours.ts";
import { RateLimit } from "./rate.ts";
import {
  ARP_LENGTH,
  ARP_OPERATION,
  ARP_REPLY,
  ARP_REQUEST,
  ARP_SENDER_IP,
  ARP_SENDER_MAC,
  ARP_TARGET_IP,
  checkArp,
  emitArp,
} from "./wire/arp.ts";
import { getI32, getU16 } from "./wire/bytes.ts";
import { emitEthernet, ETHERNET_HEADER, ETHERTYPE_ARP } from "./wire/ethernet.ts";

/** RFC 1122 §2.3.2.1: at most one request a second for the same address. */
export const ASK_INTERVAL_US = 1_000_000;
/** Requests for all addresses together. */
export const ASK_PER_SECOND = 16;

const EVERYBODY = new Uint8Array(6).fill(0xff);
const NOBODY = new Uint8Array(6);

export class Arp {
  readonly neighbours: Neighbours;
  private readonly port: FramePort;
  private readonly own: Ipv4Address;
  private readonly counters: NetCounters;
  private readonly limit = new RateLimit(ASK_PER_SECOND, ASK_PER_SECOND);

  constructor(port: FramePort, own: Ipv4Address, counters: NetCounters) {
    this.port = port;
    this.own = own;
    this.counters = counters;
    this.neighbours = new Neighbours(own.gateway, counters.neighbours);
  }

  /** A frame's ARP packet; it gets its one fate here. */
  receive(bytes: Uint8Array, at: number, length: number, nowUs: number): void {
    const dropped = this.counters.dropped;
    if (!checkArp(bytes, at, length)) {
      dropped.arpMalformed++;
      return;
    }
    const own = this.own.address;
    if (own === ANY) {
      dropped.arpTarget++;
      return;
    }
    const sender = getI32(bytes, at + ARP_SENDER_IP);
    if (sender === own) {
      dropped.arpConflict++;
      return;
    }
    if (getI32(bytes, at + ARP_TARGET_IP) !== own) {
      dropped.arpTarget++;
      return;
    }
    if (getU16(bytes, at + ARP_OPERATION) === ARP_REPLY) {
      if (this.neighbours.confirm(sender, bytes, at + ARP_SENDER_MAC, nowUs)) this.counters.handled.arpReplies++;
      else dropped.arpUnsolicited++;
      return;
    }
    // A probe (RFC 5227) asks without having an address, and a stranger's is of no use: both are answered, not learned.
    if (this.isNeighbour(sender)) this.neighbours.offer(sender, bytes, at + ARP_SENDER_MAC, nowUs);
    if (this.emit(ARP_REPLY, bytes, at + ARP_SENDER_MAC, bytes, at + ARP_SENDER_MAC, sender)) {
      this.counters.handled.arpRequests++;
      this.counters.sent.arpReplies++;
    } else {
      dropped.txFull++;
    }
  }

  /**
   * Where packets for a machine on the link go.
   * @returns offset of its MAC address in `neighbours.macs`, {@link NOT_FOUND} if it is not known; then it is asked for.
   */
  resolve(address: number, nowUs: number): number {
    const neighbours = this.neighbours;
    let slot = neighbours.find(address);
    const usable = slot !== NOT_FOUND && neighbours.usable(slot, nowUs);
    if (slot === NOT_FOUND || neighbours.wanting(slot, nowUs, ASK_INTERVAL_US)) {
      if (!this.limit.take(nowUs)) {
        this.counters.unsent.arpRequests++;
      } else {
        if (slot === NOT_FOUND) slot = neighbours.want(address, nowUs);
        // A known neighbour is asked alone, so that refreshing does not wake the whole link (RFC 1122 §2.3.2.1).
        const asked = usable
          ? this.emit(ARP_REQUEST, neighbours.macs, 6 * slot, NOBODY, 0, address)
          : this.emit(ARP_REQUEST, EVERYBODY, 0, NOBODY, 0, address);
        if (asked) {
          neighbours.noteAsked(slot, nowUs);
          this.counters.sent.arpRequests++;
        } else {
          this.counters.unsent.txFull++;
        }
      }
    }
    return usable ? 6 * slot : NOT_FOUND;
  }

  private isNeighbour(address: number): boolean {
    const own = this.own;
    return ((address ^ own.address) & own.mask) === 0 && isUnicast(address) && address !== own.broadcast;
  }

  private emit(
    operation: number,
    destination: Uint8Array,
    destinationAt: number,
    targetMac: Uint8Array,
    targetMacAt: number,
    targetIp: number,
  ): boolean {
    const port = this.port;
    if (!port.reserve()) return false;
    emitEthernet(port.tx, port.txStart, destination, destinationAt, port.mac, ETHERTYPE_ARP);
    const at = port.txStart + ETHERNET_HEADER;
    emitArp(port.tx, at, operation, port.mac, this.own.address, targetMac, targetMacAt, targetIp);
    port.commit(ETHERNET_HEADER + ARP_LENGTH);
    return true;
  }
}
