/**
 * What network tests need of the world: a port that is two queues, a clock that stands still, bulk byte work in plain
 * JavaScript, and frames built by hand, byte by byte, so that they do not come from the code under test.
 */
import { Interface } from "../../../services/net/interface.ts";
import type { Bytes, Clock, FrameCounters, FramePort } from "../../../services/ports/index.ts";
import type { NetCounters } from "../../../services/net/counters.ts";

export const OWN_MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
export const PEER_MAC = [0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee];
export const BROADCAST_MAC = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
export const OWN_IP = [10, 0, 2, 15];
export const GATEWAY_IP = [10, 0, 2, 2];
export const PEER_IP = [10, 0, 2, 77];

export const bytes: Bytes = {
  copy(into, at, from, start, length) {
    if (at < 0 || start < 0 || length < 0 || at + length > into.length || start + length > from.length) {
      throw new RangeError("copy");
    }
    into.set(from.subarray(start, start + length), at);
  },
  checksum(data, start, length, initial) {
    if (start < 0 || length < 0 || start + length > data.length) throw new RangeError("checksum");
    return internetSum([...data.subarray(start, start + length)], initial);
  },
  encode() {
    throw new Error("not for the network");
  },
  decode() {
    throw new Error("not for the network");
  },
  validate() {
    throw new Error("not for the network");
  },
  plain() {
    throw new Error("not for the network");
  },
};

/** RFC 1071, not complemented. */
export function internetSum(data: number[], initial = 0): number {
  let sum = initial;
  for (let i = 0; i < data.length; i += 2) sum += ((data[i] ?? 0) << 8) | (data[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

export class FakeClock implements Clock {
  us = 1_000_000;
  nowUs(): number {
    return this.us;
  }
}

/** Buffers are filled with 0xA5 before each use, so that a byte which nobody wrote shows. */
export class FakePort implements FramePort {
  readonly mac = Uint8Array.from(OWN_MAC);
  readonly mtu: number;
  readonly linkUp = true;
  readonly rx = new Uint8Array(4096);
  rxStart = 0;
  rxLength = 0;
  readonly tx = new Uint8Array(4096);
  txStart = 100;
  readonly counters: { -readonly [K in keyof FrameCounters]: number } = {
    rxFrames: 0,
    rxBytes: 0,
    txFrames: 0,
    txBytes: 0,
    deviceErrors: 0,
    resets: 0,
    txFull: 0,
  };
  /** What came in and waits, and what was sent. */
  readonly incoming: number[][] = [];
  readonly sent: number[][] = [];
  flushes = 0;
  /** Free transmit buffers. */
  buffers = Infinity;
  private held = false;

  constructor(mtu = 1500) {
    this.mtu = mtu;
  }

  receive(): boolean {
    if (this.held) return true;
    const frame = this.incoming.shift();
    if (frame === undefined) return false;
    // At a place that is not even, with other bytes around it.
    this.rx.fill(0x5a);
    this.rxStart = 37;
    this.rx.set(frame, this.rxStart);
    this.rxLength = frame.length;
    this.held = true;
    this.counters.rxFrames++;
    this.counters.rxBytes += frame.length;
    return true;
  }

  release(): void {
    if (!this.held) throw new Error("released twice");
    this.held = false;
  }

  reserve(): boolean {
    if (this.buffers <= 0) {
      this.counters.txFull++;
      return false;
    }
    this.tx.fill(0xa5);
    return true;
  }

  commit(length: number): void {
    if (length < 14 || length > this.mtu + 14) throw new RangeError("commit");
    this.buffers--;
    this.counters.txFrames++;
    this.counters.txBytes += length;
    this.sent.push([...this.tx.subarray(this.txStart, this.txStart + length)]);
    // Nothing may be written outside the frame.
    for (let i = 0; i < this.tx.length; i++) {
      const outside = i < this.txStart || i >= this.txStart + length;
      if (outside && this.tx[i] !== 0xa5) throw new Error(`byte ${i - this.txStart} outside the frame was written`);
    }
  }

  flush(): void {
    this.flushes++;
  }
}

export function u16(value: number): number[] {
  return [(value >> 8) & 0xff, value & 0xff];
}

export function ethernet(destination: number[], source: number[], type: number, payload: number[]): number[] {
  return [...destination, ...source, ...u16(type), ...payload];
}

export function arpPacket(
  operation: number,
  senderMac: number[],
  senderIp: number[],
  targetMac: number[],
  targetIp: number[],
): number[] {
  return [...u16(1), ...u16(0x0800), 6, 4, ...u16(operation), ...senderMac, ...senderIp, ...targetMac, ...targetIp];
}

export interface Ipv4Fields {
  source?: number[];
  destination?: number[];
  protocol?: number;
  options?: number[];
  fragment?: number;
  ttl?: number;
  total?: number;
  checksum?: number;
  id?: number;
}

export function ipv4Packet(payload: number[], fields: Ipv4Fields = {}): number[] {
  const options = fields.options ?? [];
  const header = [
    0x40 | (5 + options.length / 4),
    0,
    ...u16(fields.total ?? 20 + options.length + payload.length),
    ...u16(fields.id ?? 0x1234),
    ...u16(fields.fragment ?? 0),
    fields.ttl ?? 64,
    fields.protocol ?? 1,
    0,
    0,
    ...(fields.source ?? PEER_IP),
    ...(fields.destination ?? OWN_IP),
    ...options,
  ];
  header.splice(10, 2, ...u16(fields.checksum ?? ~internetSum(header) & 0xffff));
  return [...header, ...payload];
}

export function icmpMessage(type: number, code: number, rest: number[]): number[] {
  const sum = ~internetSum([type, code, 0, 0, ...rest]) & 0xffff;
  return [type, code, ...u16(sum), ...rest];
}

/** An IPv4 frame from the peer to us. */
export function ipv4Frame(payload: number[], fields: Ipv4Fields = {}, destination = OWN_MAC): number[] {
  return ethernet(destination, PEER_MAC, 0x0800, ipv4Packet(payload, fields));
}

/** What a reply of ours to `payload` of a protocol looks like, whole. */
export function ownFrame(payload: number[], protocol: number, destination = PEER_IP, mac = PEER_MAC): number[] {
  const packet = ipv4Packet(payload, { source: OWN_IP, destination, protocol, fragment: 0x4000, id: 0 });
  return ethernet(mac, OWN_MAC, 0x0800, packet);
}

export class Rig {
  readonly port: FakePort;
  readonly clock = new FakeClock();
  readonly net: Interface;

  constructor(mtu = 1500) {
    this.port = new FakePort(mtu);
    const ipv4 = { address: "10.0.2.15", prefix: 24, gateway: "10.0.2.2" };
    this.net = new Interface({ port: this.port, clock: this.clock, bytes, ipv4 });
  }

  /** Feed frames, in turns of 64, and return what was sent for them. */
  feed(...frames: number[][]): number[][] {
    this.port.sent.length = 0;
    this.port.incoming.push(...frames);
    while (this.net.poll(64) === 64);
    return [...this.port.sent];
  }

  dropped(): Partial<NetCounters["dropped"]> {
    return Object.fromEntries(Object.entries(this.net.counters.dropped).filter(([, count]) => count > 0));
  }
}

export function total(group: Record<string, number>): number {
  return Object.values(group).reduce((sum, count) => sum + count, 0);
}
