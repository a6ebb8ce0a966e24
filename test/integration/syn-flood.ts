/**
 * A flood of SYNs on a hive's cable, as fast as the hive takes them, from ever other addresses and ports: half of them neighbours,
 * for whom the flooder answers ARP, and half from elsewhere. Nothing that the hive answers is acknowledged or reset.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { nodeBytes } from "../../scripts/lib/node-bytes.ts";
import {
  ARP_LENGTH,
  ARP_OPERATION,
  ARP_REPLY,
  ARP_REQUEST,
  ARP_SENDER_IP,
  ARP_TARGET_IP,
  emitArp,
} from "../../services/net/wire/arp.ts";
import { getI32, getU16 } from "../../services/net/wire/bytes.ts";
import {
  emitEthernet,
  ETHERNET_HEADER,
  ETHERNET_TYPE,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
} from "../../services/net/wire/ethernet.ts";
import {
  completeIpv4,
  emitIpv4Template,
  IPV4_DESTINATION,
  IPV4_HEADER,
  IPV4_PROTOCOL,
  ipv4FixedSum,
  PROTOCOL_TCP,
} from "../../services/net/wire/ipv4.ts";
import { completeTcp, emitSynOptions, emitTcpHeader, SYN, TCP_HEADER } from "../../services/net/wire/tcp.ts";
import type { Cable } from "./cable.ts";

/** SYNs without an answer: more than the device's ring has buffers, and less than the loopback would lose. */
const AHEAD = 160;
/** When what was not answered is taken for lost. */
const LOST_MS = 200;
const PAUSE_MS = 1;
const MSS = 1460;
const MAC = Uint8Array.of(0x02, 0, 0, 0xf1, 0x00, 0xd0);
/** Neighbours that nobody else is, and everybody in 198.18.0.0/15, which is for such measurements (RFC 2544). */
const NEAR = 10 * 2 ** 24 + 2 * 2 ** 8 + 64;
const NEAR_MASK = 127;
const FAR = 198 * 2 ** 24 + 18 * 2 ** 16;
const FAR_MASK = 0x1ffff;
const TCP_AT = ETHERNET_HEADER + IPV4_HEADER;

export class SynFlood {
  /** Segments that the hive sent to the flooder, and questions of its who the neighbours are. */
  readonly counters = { sent: 0, answers: 0, asked: 0 };
  readonly #cable: Cable;
  readonly #target: number;
  readonly #port: number;
  readonly #mac: Uint8Array;
  /** Answers by the time of the last. */
  #heardAt = 0;
  #lost = 0;

  /** @param target IPv4 address as a signed 32-bit number */
  constructor(cable: Cable, target: number, port: number) {
    this.#cable = cable;
    this.#target = target;
    this.#port = port;
    const host = cable.plug();
    this.#mac = host.mac;
    host.wire = { frame: (frame) => this.#take(frame) };
  }

  /** Send so many, in as much time as the hive takes for them. */
  async send(count: number): Promise<void> {
    const until = this.counters.sent + count;
    this.#heardAt = performance.now();
    while (this.counters.sent < until) {
      while (this.counters.sent < until && this.#ahead < AHEAD) this.#cable.inject(this.#syn(this.counters.sent++));
      if (performance.now() - this.#heardAt > LOST_MS) {
        this.#lost += this.#ahead;
        this.#heardAt = performance.now();
      }
      await sleep(PAUSE_MS);
    }
  }

  get #ahead(): number {
    return this.counters.sent - this.counters.answers - this.#lost;
  }

  #syn(index: number): Uint8Array {
    const near = index % 2 === 0;
    const place = index >>> 1;
    const source = (near ? NEAR + (place & NEAR_MASK) : FAR + (Math.imul(place, 0x9e37) & FAR_MASK)) | 0;
    // All 64,000 of them, before a neighbour's come again.
    const from = 1024 + ((near ? place >>> 7 : place) % 64_000);
    const frame = new Uint8Array(TCP_AT + TCP_HEADER + 4);
    emitEthernet(frame, 0, this.#mac, 0, MAC, ETHERTYPE_IPV4);
    emitIpv4Template(frame, ETHERNET_HEADER, source);
    const ports = (from << 16) | this.#port;
    emitTcpHeader(frame, TCP_AT, ports, Math.imul(index, 0x9e3779b1), 0, TCP_HEADER + 4, SYN, 0xffff);
    emitSynOptions(frame, TCP_AT + TCP_HEADER, MSS, -1, false);
    completeTcp(frame, TCP_AT, TCP_HEADER + 4, source, this.#target, nodeBytes);
    const total = IPV4_HEADER + TCP_HEADER + 4;
    completeIpv4(frame, ETHERNET_HEADER, total, PROTOCOL_TCP, this.#target, ipv4FixedSum(source));
    return frame;
  }

  #take(frame: Uint8Array): void {
    const type = getU16(frame, ETHERNET_TYPE);
    if (type === ETHERTYPE_ARP) return this.#answer(frame);
    if (type !== ETHERTYPE_IPV4 || frame[ETHERNET_HEADER + IPV4_PROTOCOL] !== PROTOCOL_TCP) return;
    if (!isOurs(getI32(frame, ETHERNET_HEADER + IPV4_DESTINATION))) return;
    this.counters.answers++;
    this.#heardAt = performance.now();
  }

  /** Say that all neighbours are here. */
  #answer(frame: Uint8Array): void {
    const asked = getI32(frame, ETHERNET_HEADER + ARP_TARGET_IP);
    if (getU16(frame, ETHERNET_HEADER + ARP_OPERATION) !== ARP_REQUEST || !isOurs(asked)) return;
    this.counters.asked++;
    const reply = new Uint8Array(ETHERNET_HEADER + ARP_LENGTH);
    emitEthernet(reply, 0, this.#mac, 0, MAC, ETHERTYPE_ARP);
    const asker = getI32(frame, ETHERNET_HEADER + ARP_SENDER_IP);
    emitArp(reply, ETHERNET_HEADER, ARP_REPLY, MAC, asked, this.#mac, 0, asker);
    this.#cable.inject(reply);
  }
}

function isOurs(address: number): boolean {
  const place = address >>> 0;
  return (place >= NEAR && place <= NEAR + NEAR_MASK) || (place >= FAR && place <= FAR + FAR_MASK);
}
