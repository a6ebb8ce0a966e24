/**
 * Makes frames as machines on the link send them, of one protocol more than of others, then damages them. Most of the damage is
 * given right checksums, or no parser behind the first would ever see it.
 */
import { damage, GROWTH } from "../damage.ts";
import type { Random } from "../random.ts";
import { internetSum } from "./bytes.ts";
import { OWN_MAC } from "./port.ts";
import { OWN_IP, PEER_PORTS, TCP_PORT, UDP_PORT, type World } from "./world.ts";

export type Protocol = "ethernet" | "arp" | "ipv4" | "icmp" | "udp" | "tcp" | "dhcp";

const LONGEST = 1514;
const IP = 14;
const PAYLOAD = 34;
const PEERS = [0x0a000202, 0x0a00024d, 0x0a00024e, 0x08080808];
const ODD_ADDRESSES = [0, -1, 0x0a0002ff, 0x7f000001, 0xe0000001 | 0, OWN_IP, 0x0a000200];
const KINDS = [0, 1, 2, 3, 4, 5, 8, 19, 254];
const EDGES = [-1, 0, 1, 2, 100, 1460, 4095, 4096, 0x7fffffff, -0x80000000];

export class Maker {
  readonly bytes = new Uint8Array(LONGEST + 2 * GROWTH);
  length = 0;
  /** The frame as it was before it was damaged. */
  whole = new Uint8Array(0);
  readonly #random: Random;
  /** What it knows of the machine that it talks to. */
  readonly #world: World;
  /** IPv4 options in the frame at hand. */
  #options = 0;

  constructor(random: Random, world: World) {
    this.#random = random;
    this.#world = world;
  }

  get frame(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  /** Make a {@link frame}. @returns whether it was damaged */
  make(protocol: Protocol): boolean {
    const random = this.#random;
    this.#options = 0;
    const from = this.#whole(protocol);
    const { bytes } = this;
    this.whole = bytes.slice(0, this.length);
    if (random.once(4)) return false;
    // What is cut off in the end is the commonest damage, and the likeliest to be read nevertheless.
    if (random.once(4)) this.length -= Math.min(1 + random.int(8), this.length - from);
    for (let times = 1 + random.int(2); times > 0; times--) {
      this.length = Math.min(damage(bytes, 0, Math.min(from, this.length), this.length, random), LONGEST);
    }
    if (random.int(8) > 0) this.#repair(protocol);
    if (protocol === "ethernet" && random.once(8)) this.#pad(random.int(64));
    return true;
  }

  /** @returns where the part begins that shall be damaged */
  #whole(protocol: Protocol): number {
    switch (protocol) {
      case "ethernet":
        this.#whole(this.#random.of(["arp", "icmp", "udp", "tcp"] as const));
        return 0;
      case "arp":
        this.#arp();
        return IP;
      case "ipv4":
        this.#ipv4();
        return IP;
      case "icmp":
        this.#icmp();
        break;
      case "udp":
        this.#udp();
        break;
      case "tcp":
        this.#tcp();
        break;
      case "dhcp":
        this.#dhcp();
        return PAYLOAD + 8;
    }
    return PAYLOAD + this.#options;
  }

  #u8(value: number): void {
    this.bytes[this.length++] = value;
  }

  #u16(value: number): void {
    this.#u8(value >> 8);
    this.#u8(value);
  }

  #u32(value: number): void {
    this.#u16(value >>> 16);
    this.#u16(value);
  }

  #mac(last: number): void {
    for (const byte of [0x02, 0xaa, 0xbb, 0xcc, 0xdd, last]) this.#u8(byte);
  }

  #noise(count: number): void {
    this.#random.bytes(this.bytes, this.length, count);
    this.length += count;
  }

  #pad(count: number): void {
    this.bytes.fill(0, this.length, this.length + count);
    this.length = Math.min(this.length + count, LONGEST);
  }

  #ethernet(type: number, broadcast = this.#random.once(16)): void {
    this.length = 0;
    for (let i = 0; i < 6; i++) this.#u8(broadcast ? 0xff : OWN_MAC[i]!);
    this.#mac(this.#random.int(4));
    this.#u16(type);
  }

  #arp(): void {
    const random = this.#random;
    this.#ethernet(0x0806);
    this.#u32(0x00010800);
    this.#u16(0x0604);
    this.#u16(random.of([1, 1, 2, 2, 3]));
    this.#mac(random.int(4));
    this.#u32(random.int(8) > 0 ? 0x0a000200 + random.int(64) : random.of(ODD_ADDRESSES));
    this.#mac(0);
    this.#u32(random.int(4) > 0 ? OWN_IP : random.of(ODD_ADDRESSES));
    if (random.once(2)) this.#pad(18);
  }

  /** A header; {@link #close} gives it its length and checksum. */
  #header(protocol: number, source = this.#random.of(PEERS), destination = OWN_IP): void {
    const random = this.#random;
    this.#ethernet(0x0800);
    this.#options = random.once(8) ? 4 * random.int(11) : 0;
    this.#u8(0x45 + this.#options / 4);
    this.#u8(0);
    this.#u16(0);
    this.#u16(random.int(0x10000));
    this.#u16(random.once(32) ? random.of([0x2000, 1, 0x3fff, 0x8000]) : 0x4000);
    this.#u8(64);
    this.#u8(protocol);
    this.#u16(0);
    this.#u32(source);
    this.#u32(destination);
    this.#noise(this.#options);
  }

  /** The packet is whole. */
  #close(): void {
    const { bytes, length } = this;
    bytes[16] = (length - IP) >> 8;
    bytes[17] = length - IP;
    this.#sum(IP, 20 + this.#options, 24, 0);
  }

  /** Put the checksum of a stretch to where it belongs. */
  #sum(start: number, length: number, to: number, initial: number): void {
    const { bytes } = this;
    bytes[to] = bytes[to + 1] = 0;
    const sum = ~internetSum(bytes, start, length, initial);
    bytes[to] = sum >> 8;
    bytes[to + 1] = sum;
  }

  #ipv4(): void {
    const random = this.#random;
    const odd = random.once(4);
    this.#header(
      random.of([1, 6, 17, 17, 2, 255, 0]),
      odd && random.once(2) ? random.of(ODD_ADDRESSES) : random.of(PEERS),
      odd ? random.of(ODD_ADDRESSES) : OWN_IP,
    );
    this.#noise(random.int(random.of([1, 40, 1400])));
    this.#close();
    if (random.once(4)) this.#pad(random.int(40));
  }

  #icmp(): void {
    const random = this.#random;
    this.#header(1);
    const start = this.length;
    const error = random.int(3);
    if (error === 0) {
      this.#u16(random.of([0x0301, 0x0302, 0x0303, 0x0304, 0x0b00, 0x0500]));
      this.#u16(0);
      this.#u32(random.of([0, 68, 576, 1400, 0xffff]));
      const { quote } = this.#world;
      this.bytes.set(quote, this.length);
      if (random.once(4)) this.bytes[this.length] = 0x45 + random.int(11);
      if (random.once(4)) this.bytes[this.length + 9] = 6;
      this.length += quote.length;
    } else {
      this.#u16(random.int(8) > 0 ? 0x0800 : random.int(0x10000));
      this.#u16(0);
      this.#noise(4 + random.int(random.of([1, 60, LONGEST - this.length - 4])));
    }
    this.#sum(start, this.length - start, start + 2, 0);
    this.#close();
  }

  #udp(): void {
    const random = this.#random;
    this.#header(17);
    this.#datagram(random.int(0x10000), random.of([UDP_PORT, UDP_PORT, 68, 9, 0]), () => {
      this.#noise(random.int(random.of([1, 30, 1400])));
    });
    const field = PAYLOAD + this.#options + 5;
    // A length that lies a little, and nothing that shows it.
    if (random.once(8)) this.bytes[field] = this.bytes[field]! + random.int(5) - 2;
    if (random.once(4)) this.#unsummed();
  }

  #datagram(source: number, destination: number, data: () => void): void {
    const start = this.length;
    this.#u16(source);
    this.#u16(destination);
    this.#u32(0);
    data();
    const length = this.length - start;
    this.bytes[start + 4] = length >> 8;
    this.bytes[start + 5] = length;
    this.#sum(start, length, start + 6, this.#pseudo(17, length));
    this.#close();
  }

  /** A datagram may come without a checksum. */
  #unsummed(): void {
    this.bytes.fill(0, PAYLOAD + this.#options + 6, PAYLOAD + this.#options + 8);
  }

  #pseudo(protocol: number, length: number): number {
    return internetSum(this.bytes, 26, 8, protocol + length);
  }

  #tcp(): void {
    const random = this.#random;
    const peer = random.int(PEER_PORTS.count);
    const said = this.#world.said[peer]!;
    const flags = random.of([0x02, 0x02, 0x10, 0x10, 0x10, 0x18, 0x18, 0x11, 0x14, 0x04, 0x12, random.int(64)]);
    // The peers of one port are one machine, or nobody would ever get beyond a handshake.
    this.#header(6, PEERS[1]);
    const start = this.length;
    this.#u16(PEER_PORTS.first + peer);
    this.#u16(random.once(32) ? 9 : TCP_PORT);
    this.#u32(said.acknowledgement + this.#near());
    this.#u32(said.sequence + this.#near());
    this.#u8(0);
    this.#u8(flags);
    this.#u16(random.of([0, 1, 500, 8192, 65_535]));
    this.#u32(0);
    this.#tcpOptions();
    if (random.once(16)) this.length -= Math.min(4 * random.int(3), this.length - start - 20);
    this.bytes[start + 12] = (this.length - start) << 2;
    if (random.once(2)) this.#noise(random.int(random.of([1, 20, 500, 1400])));
    this.#sum(start, this.length - start, start + 16, this.#pseudo(6, this.length - start));
    this.#close();
  }

  #near(): number {
    const random = this.#random;
    return random.int(4) > 0 ? 0 : random.int(4) > 0 ? random.of(EDGES) : random.int(0x100000000);
  }

  #tcpOptions(): void {
    const random = this.#random;
    const start = this.length;
    for (let left = random.of([0, 0, 1, 2, 4]); left > 0 && this.length - start <= 20; left--) {
      switch (random.int(7)) {
        case 0:
          this.#u32(0x02040000 + random.of([0, 1, 536, 1460, 65_535]));
          break;
        case 1:
          this.#u32(0x01030300 + random.of([0, 7, 14, 15, 255]));
          break;
        case 2:
          this.#u32(0x01010402);
          break;
        case 3:
          this.#u32(0x0101080a);
          this.#u32(1000 + random.int(4));
          this.#u32(this.#near());
          break;
        case 4: {
          const count = 1 + random.int(2);
          this.#u32(0x01010502 + 8 * count);
          for (let i = 0; i < 2 * count; i++) this.#u32(this.#world.said[0]!.sequence + random.of(EDGES));
          break;
        }
        case 5: {
          // One that nobody knows, or that lies about its length.
          this.#u8(random.of(KINDS));
          this.#u8(random.of([0, 1, 2, 3, 4, 10, 40, 255]));
          this.#u16(0);
          break;
        }
        default:
          this.#u32(random.of([0x01010101, 0, 0x01000000]));
      }
    }
  }

  #dhcp(): void {
    const random = this.#random;
    const offered = random.int(8) > 0 ? 0x0a000210 : random.of(ODD_ADDRESSES);
    const { own } = this.#world.stack.link;
    // Before there is an address everything goes to everybody, as it was asked for.
    this.#header(17, 0x0a000202, own.address === 0 || random.once(2) ? -1 : own.address);
    this.bytes.fill(0xff, 0, 6);
    this.#datagram(67, 68, () => {
      this.#u32(0x02010600);
      this.#u32(random.int(16) > 0 ? this.#world.dhcpXid : random.int(0x100000000));
      this.#u32(0);
      this.#u32(0);
      this.#u32(offered);
      this.#u32(0x0a000202);
      this.#u32(0);
      for (const byte of OWN_MAC) this.#u8(byte);
      this.#pad(10);
      // Both fields may hold options.
      const names = this.length;
      this.#pad(192);
      this.#u32(0x63825363);
      this.#dhcpOptions(random.of([300, 300, 300, 60, 12]));
      if (!random.once(4)) return;
      const end = this.length;
      this.length = names + random.of([0, 64]);
      this.#dhcpOptions(40);
      this.length = end;
    });
  }

  #dhcpOptions(room: number): void {
    const random = this.#random;
    const end = Math.min(this.length + room, LONGEST - 4);
    const word = (kind: number, value: number): void => {
      if (this.length + 6 > end) return;
      this.#u8(kind);
      this.#u8(random.once(24) ? random.of([0, 1, 3, 5, 255]) : 4);
      this.#u32(value);
    };
    this.#u8(53);
    this.#u8(1);
    this.#u8(random.of([2, 2, 2, 5, 5, 5, 5, 6, 1, 0, 255]));
    word(54, random.int(8) > 0 ? 0x0a000202 : random.of(ODD_ADDRESSES));
    word(51, random.of([3600, 3600, 600, 60, 59, 0, 0xffffffff]));
    word(1, random.int(4) > 0 ? 0xffffff00 : random.of([0, 0xffff00ff, 0xffffffff, 0xfffffffe, 0x80000000]));
    if (random.once(2)) word(3, random.int(4) > 0 ? 0x0a000202 : random.of(ODD_ADDRESSES));
    if (random.once(4)) word(58, random.of([0, 1, 100, 4000]));
    if (random.once(4)) word(59, random.of([0, 1, 200, 5000]));
    if (random.once(4) && this.length + 3 <= end) {
      this.#u8(52);
      this.#u8(1);
      this.#u8(random.int(5));
    }
    if (random.once(4) && this.length + 2 <= end) {
      this.#u8(random.int(256));
      this.#u8(random.int(random.of([4, 256])));
    }
    this.#u8(255);
  }

  /** Right lengths and checksums, as far as what is there has room for them. */
  #repair(protocol: Protocol): void {
    const { bytes, length } = this;
    if (protocol === "arp" || protocol === "ethernet" || length < PAYLOAD) return;
    const random = this.#random;
    const header = (bytes[IP]! & 0xf) * 4;
    if (protocol !== "ipv4" || random.once(2)) {
      bytes[16] = (length - IP) >> 8;
      bytes[17] = length - IP;
    }
    if (header >= 20 && IP + header <= length) this.#sum(IP, header, 24, 0);
    const start = IP + header;
    const rest = length - start;
    if (protocol === "icmp" && rest >= 4) this.#sum(start, rest, start + 2, 0);
    else if (protocol === "tcp" && rest >= 18) this.#sum(start, rest, start + 16, this.#pseudo(6, rest));
    else if ((protocol === "udp" || protocol === "dhcp") && rest >= 8) {
      if (random.int(4) > 0) {
        bytes[start + 4] = rest >> 8;
        bytes[start + 5] = rest;
      }
      this.#sum(start, rest, start + 6, this.#pseudo(17, rest));
    }
  }
}
