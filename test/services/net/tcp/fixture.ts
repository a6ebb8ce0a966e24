/**
 * A TCP and a peer that the test plays: segments to and from it are built and read byte by byte, by code that shares nothing
 * with what is under test, and their numbers count from either side's initial sequence number. One constructor for each
 * state of RFC 9293.
 */
import { expect } from "chai";
import type { TcpListener } from "../../../../services/net/tcp/listener.ts";
import type { TcpSettings } from "../../../../services/net/tcp/settings.ts";
import type { TcpSocket } from "../../../../services/net/tcp/socket.ts";
import { Tcp } from "../../../../services/net/tcp/tcp.ts";
import type { Random } from "../../../../services/ports/index.ts";
import {
  arpPacket,
  bytes,
  ethernet,
  internetSum,
  ipv4Frame,
  OWN_IP,
  OWN_MAC,
  PEER_IP,
  PEER_MAC,
  Rig,
  total,
  u16,
} from "../fixture.ts";

export const PEER = 0x0a00024d;
export const PORT = 31337;
export const PEER_PORT = 40_000;
/** The peer's initial sequence number: near the wrap, so that every test crosses it. */
export const IRS = 0x7ffffff0;
export const WINDOW = 8192;

export interface Fields {
  /** Relative to the peer's initial sequence number: 1 is its first byte. */
  seq?: number;
  /** Relative to ours, so that 1 acknowledges our SYN; without it there is no ACK. */
  ack?: number;
  /** Letters of S, F, R, P, U. */
  flags?: string;
  window?: number;
  data?: number[];
  mss?: number;
  scale?: number;
  sackPermitted?: boolean;
  /** Value and echo. */
  stamps?: [number, number];
  /** Ranges, relative to our initial sequence number. */
  sacks?: [number, number][];
  /** Bytes behind all other options; filled up to four with ends of options. */
  options?: number[];
  ports?: [number, number];
  source?: number[];
  corrupt?: boolean;
}

/** What was sent, its numbers relative as in {@link Fields}. */
export interface Sent {
  seq: number;
  ack?: number;
  flags: string;
  window: number;
  length: number;
  mss?: number;
  scale?: number;
  sackPermitted?: boolean;
  stamps?: [number, number];
  /** Relative to the peer's. */
  sacks?: [number, number][];
}

export function u32(value: number): number[] {
  return [(value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

const secret: Random = {
  ready: true,
  fill(into) {
    into.forEach((_, i) => (into[i] = i));
    return true;
  },
};

export class TcpRig extends Rig {
  readonly tcp: Tcp;
  readonly listener: TcpListener;
  socket: TcpSocket | undefined;
  /** Our initial sequence number, as soon as a SYN of ours was seen. */
  iss = 0;
  #taken = 0;
  /** Whether segments carry timestamps, and the peer's clock. */
  stamps = false;
  peerStamp = 1000;
  lastStamp = 0;

  constructor(settings: Partial<TcpSettings> = {}, random: Random = secret) {
    super();
    this.tcp = new Tcp({ net: this.net, clock: this.clock, bytes, random }, settings);
    this.listener = this.tcp.listen(PORT, Math.min(4, this.tcp.settings.sockets));
    // The peer is a neighbour that we know.
    this.net.arp.resolve(PEER, this.clock.us);
    this.feed(ethernet(OWN_MAC, PEER_MAC, 0x0806, arpPacket(2, PEER_MAC, PEER_IP, OWN_MAC, OWN_IP)));
    this.port.sent.length = 0;
  }

  frame(fields: Fields): number[] {
    let flags = fields.ack === undefined ? 0 : 0x10;
    for (const letter of fields.flags ?? "") flags |= { F: 1, S: 2, R: 4, P: 8, U: 32 }[letter] ?? 0;
    const options: number[] = [];
    if (fields.mss !== undefined) options.push(2, 4, ...u16(fields.mss));
    if (fields.scale !== undefined) options.push(3, 3, fields.scale, 1);
    if (fields.sackPermitted === true) options.push(1, 1, 4, 2);
    const stamps = fields.stamps ?? (this.stamps ? [this.peerStamp, this.lastStamp] : undefined);
    if (stamps !== undefined) options.push(1, 1, 8, 10, ...u32(stamps[0]), ...u32(stamps[1]));
    if (fields.sacks !== undefined) {
      options.push(1, 1, 5, 2 + 8 * fields.sacks.length);
      for (const [left, right] of fields.sacks) options.push(...u32(this.iss + left), ...u32(this.iss + right));
    }
    options.push(...(fields.options ?? []));
    while (options.length % 4 !== 0) options.push(0);
    const [source, destination] = fields.ports ?? [PEER_PORT, PORT];
    const segment = [
      ...u16(source),
      ...u16(destination),
      ...u32(IRS + (fields.seq ?? 1)),
      ...u32(fields.ack === undefined ? 0 : this.iss + fields.ack),
      (5 + options.length / 4) << 4,
      flags,
      ...u16(fields.window ?? WINDOW),
      0,
      0,
      // The urgent pointer; without U it means nothing.
      0,
      2,
      ...options,
      ...(fields.data ?? []),
    ];
    const from = fields.source ?? PEER_IP;
    let checksum = ~internetSum([...from, ...OWN_IP, 0, 6, ...u16(segment.length), ...segment]) & 0xffff;
    if (fields.corrupt === true) checksum ^= 0x0100;
    segment.splice(16, 2, ...u16(checksum));
    return ipv4Frame(segment, { protocol: 6, source: from });
  }

  /** The peer sends one segment; what is sent for it, at once and in this turn's service. */
  peer(fields: Fields): Sent[] {
    this.port.incoming.push(this.frame(fields));
    this.net.poll(64);
    this.serve();
    return this.sent();
  }

  serve(): void {
    while (this.tcp.service(64) === 64);
    const { sent } = this.port;
    // The peer answers when it is asked for its address.
    const asked = sent.slice(this.#taken).some((frame) => frame[12] === 8 && frame[13] === 6 && frame[21] === 1);
    if (asked && this.port.incoming.length === 0) {
      this.port.incoming.push(ethernet(OWN_MAC, PEER_MAC, 0x0806, arpPacket(2, PEER_MAC, PEER_IP, OWN_MAC, OWN_IP)));
      this.net.poll(1);
      while (this.tcp.service(64) === 64);
    }
  }

  /** Let time pass, and do what is due on the way. @returns what was sent. */
  wait(us: number): Sent[] {
    const end = this.clock.us + us;
    for (;;) {
      const next = this.tcp.nextUs();
      if (next > end) break;
      if (next > this.clock.us) this.clock.us = next;
      this.serve();
    }
    this.clock.us = end;
    this.serve();
    return this.sent();
  }

  /** Segments sent since the last look. */
  sent(): Sent[] {
    const frames = this.port.sent.slice(this.#taken);
    this.#taken = this.port.sent.length;
    return frames.filter((frame) => frame[23] === 6 && frame[12] === 8 && frame[13] === 0).map((f) => this.#read(f));
  }

  /** Frames of the last look, whole. */
  override feed(...frames: number[][]): number[][] {
    const sent = super.feed(...frames);
    this.#taken = 0;
    return sent;
  }

  #read(frame: number[]): Sent {
    const at = 34;
    const u8 = (i: number): number => frame[i] ?? 0;
    const u16At = (i: number): number => (u8(i) << 8) | u8(i + 1);
    const u32At = (i: number): number => (u16At(i) << 16) | u16At(i + 2);
    const segment = frame.slice(at, 14 + u16At(16));
    const pseudo = [...frame.slice(26, 34), 0, 6, ...u16(segment.length)];
    expect(internetSum([...pseudo, ...segment]), "checksum").to.equal(0xffff);
    const bits = u8(at + 13);
    if ((bits & 2) !== 0) this.iss = u32At(at + 4);
    const header = (u8(at + 12) >> 4) * 4;
    const sent: Sent = {
      seq: (u32At(at + 4) - this.iss) | 0,
      flags: [..."FSRP"].filter((_, i) => (bits & (1 << i)) !== 0).join(""),
      window: u16At(at + 14),
      length: segment.length - header,
    };
    if ((bits & 16) !== 0) sent.ack = (u32At(at + 8) - IRS) | 0;
    for (let i = at + 20; i < at + header;) {
      const kind = u8(i);
      if (kind === 1) {
        i++;
        continue;
      }
      if (kind === 2) sent.mss = u16At(i + 2);
      else if (kind === 3) sent.scale = u8(i + 2);
      else if (kind === 4) sent.sackPermitted = true;
      else if (kind === 8) {
        sent.stamps = [u32At(i + 2), u32At(i + 6)];
        this.lastStamp = u32At(i + 2);
      } else if (kind === 5) {
        sent.sacks = [];
        for (let j = i + 2; j < i + u8(i + 1); j += 8) {
          sent.sacks.push([(u32At(j) - IRS) | 0, (u32At(j + 4) - IRS) | 0]);
        }
      } else throw new Error(`option ${kind}`);
      i += u8(i + 1);
    }
    return sent;
  }

  /** Every segment has one fate. */
  balanced(): void {
    const { segments, taken, dropped } = this.tcp.counters;
    expect(total(taken) + total(dropped), "every segment has one fate").to.equal(segments);
  }

  write(length: number, value = 7): number {
    const taken = this.socket!.write(new Uint8Array(length).fill(value), 0, length);
    this.serve();
    return taken;
  }

  read(): number[] {
    const into = new Uint8Array(65_536);
    const got = this.socket!.read(into, 0, into.length);
    this.serve();
    return [...into.subarray(0, got)];
  }
}

export function socketListen(settings: Partial<TcpSettings> = {}): TcpRig {
  return new TcpRig(settings);
}

/** Our SYN is out. */
export function socketSynSent(settings: Partial<TcpSettings> = {}): TcpRig {
  const rig = new TcpRig(settings);
  rig.socket = rig.tcp.connect(PEER, PEER_PORT, PORT);
  rig.serve();
  expect(rig.sent().map((sent) => sent.flags)).to.deep.equal(["S"]);
  expect(rig.socket?.state).to.equal("syn-sent");
  return rig;
}

/** Both sides' SYNs have crossed. */
export function socketSynReceived(settings: Partial<TcpSettings> = {}): TcpRig {
  const rig = socketSynSent(settings);
  rig.peer({ flags: "S", seq: 0 });
  expect(rig.socket?.state).to.equal("syn-received");
  return rig;
}

/** A peer without options, its handshake accepted. */
export function socketEstablished(settings: Partial<TcpSettings> = {}, syn: Fields = {}): TcpRig {
  const rig = new TcpRig(settings);
  expect(rig.peer({ flags: "S", seq: 0, ...syn }).length).to.equal(1);
  if (syn.stamps !== undefined) rig.stamps = true;
  rig.clock.us += 50_000;
  rig.peer({ ack: 1 });
  rig.socket = rig.listener.accept();
  expect(rig.socket?.state).to.equal("established");
  return rig;
}

/** With every option, as any peer of today. */
export function socketModern(settings: Partial<TcpSettings> = {}): TcpRig {
  return socketEstablished(settings, { mss: 1460, scale: 7, sackPermitted: true, stamps: [1000, 0] });
}

export function socketFinWait1(settings: Partial<TcpSettings> = {}): TcpRig {
  const rig = socketEstablished(settings);
  rig.socket?.shutdown();
  rig.serve();
  expect(rig.sent()).to.deep.include({ seq: 1, ack: 1, flags: "F", window: rig.tcp.settings.receiveBytes, length: 0 });
  expect(rig.socket?.state).to.equal("fin-wait-1");
  return rig;
}

export function socketFinWait2(settings: Partial<TcpSettings> = {}): TcpRig {
  const rig = socketFinWait1(settings);
  rig.peer({ ack: 2 });
  expect(rig.socket?.state).to.equal("fin-wait-2");
  return rig;
}

export function socketClosing(settings: Partial<TcpSettings> = {}): TcpRig {
  const rig = socketFinWait1(settings);
  rig.peer({ ack: 1, flags: "F" });
  expect(rig.socket?.state).to.equal("closing");
  return rig;
}

export function socketTimeWait(settings: Partial<TcpSettings> = {}): TcpRig {
  const rig = socketFinWait2(settings);
  rig.peer({ ack: 2, flags: "F" });
  expect(rig.socket?.state).to.equal("time-wait");
  return rig;
}

export function socketCloseWait(settings: Partial<TcpSettings> = {}): TcpRig {
  const rig = socketEstablished(settings);
  rig.peer({ ack: 1, flags: "F" });
  expect(rig.socket?.state).to.equal("close-wait");
  return rig;
}

export function socketLastAck(settings: Partial<TcpSettings> = {}): TcpRig {
  const rig = socketCloseWait(settings);
  rig.socket?.shutdown();
  rig.serve();
  expect(rig.sent().map((sent) => sent.flags)).to.deep.equal(["F"]);
  expect(rig.socket?.state).to.equal("last-ack");
  return rig;
}

/** In RFC 9293's order. */
export const STATES: [string, (settings?: Partial<TcpSettings>) => TcpRig][] = [
  ["syn-sent", socketSynSent],
  ["syn-received", socketSynReceived],
  ["established", socketEstablished],
  ["fin-wait-1", socketFinWait1],
  ["fin-wait-2", socketFinWait2],
  ["close-wait", socketCloseWait],
  ["closing", socketClosing],
  ["last-ack", socketLastAck],
];
