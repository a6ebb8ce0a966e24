/**
 * A network stack under fuzz with something to talk to: an echo over TCP and UDP, for whoever finds it. It keeps what a peer needs to
 * know of it to get further than noise would, and the books that have to balance.
 */
import { NetStack } from "../../../services/net/stack.ts";
import type { TcpListener } from "../../../services/net/tcp/listener.ts";
import type { TcpSocket } from "../../../services/net/tcp/socket.ts";
import { Timers } from "../../../services/pump/timers.ts";
import type { Random as Chance } from "../../../services/ports/index.ts";
import type { Random } from "../random.ts";
import { must } from "../target.ts";
import { netBytes } from "./bytes.ts";
import type { Maker } from "./maker.ts";
import { FuzzPort } from "./port.ts";
import { checkSent } from "./sent.ts";

export const OWN_IP = 0x0a00020f;
export const TCP_PORT = 31337;
export const UDP_PORT = 7;
export const PEER_PORTS = { first: 40_000, count: 8 } as const;

const SETTINGS = { sockets: 6, halfOpen: 4, timeWait: 4, receiveBytes: 4096, sendBytes: 4096 };

/** What the hive has said last to a peer's port: what it expects next, and what it has sent up to. */
export interface Said {
  sequence: number;
  acknowledgement: number;
}

export class World {
  readonly port: FuzzPort;
  readonly clock = { us: 1_000_000, nowUs: (): number => this.clock.us };
  readonly timers = new Timers(8);
  readonly stack: NetStack;
  readonly said: Said[] = Array.from({ length: PEER_PORTS.count }, () => ({ sequence: 0, acknowledgement: 0 }));
  /** The last packet's header and first bytes, for errors about it. */
  readonly quote = new Uint8Array(28);
  dhcpXid = 0;
  readonly #listener: TcpListener;
  readonly #sockets: TcpSocket[] = [];
  readonly #scratch = new Uint8Array(4096);
  #fed = 0;

  constructor(dhcp: boolean) {
    this.port = new FuzzPort((bytes, at, length) => this.#sent(bytes, at, length));
    let drawn = 0;
    const random: Chance = { ready: true, fill: (into) => (into.fill(++drawn), true) };
    const { port, clock, timers } = this;
    const ipv4 = dhcp ? undefined : { address: "10.0.2.15", prefix: 24, gateway: "10.0.2.2" };
    const addressed = (): void => undefined;
    this.stack = new NetStack({ port, clock, bytes: netBytes, random, timers, ipv4, addressed, tcp: SETTINGS });
    this.#listener = this.stack.tcp.listen(TCP_PORT, 4);
    const { udp } = this.stack;
    udp.bind(UDP_PORT, {
      datagram: ({ bytes, source }, sourcePort, start, length) => {
        if (sourcePort === 0 || !udp.begin(source)) return;
        netBytes.copy(udp.tx, udp.data, bytes, start, length);
        udp.send(UDP_PORT, sourcePort, length);
      },
    });
  }

  /** A frame comes in, and what it leads to is done. @param skew where in memory it lies */
  take({ frame, whole }: Maker, skew: number): void {
    const { port, stack, clock } = this;
    port.deliver(frame, whole, skew);
    this.#fed++;
    const { sent } = stack.link.counters;
    const before = port.counters.txFrames - sent.arpRequests;
    stack.raise();
    must(stack.receive(16) === 1, () => "the frame was not taken");
    // Beside the answer who gets it may be asked for anew.
    const answers = port.counters.txFrames - sent.arpRequests - before;
    must(answers <= 1, () => `a frame was answered ${answers} times`);
    stack.send(32, clock.us);
  }

  /** The layer above does something, and time passes. */
  live(random: Random): void {
    for (let socket = this.#listener.accept(); socket !== undefined; socket = this.#listener.accept()) {
      this.#sockets.push(socket);
    }
    const scratch = this.#scratch;
    for (let i = this.#sockets.length - 1; i >= 0; i--) {
      const socket = this.#sockets[i]!;
      const { readable, writable } = socket;
      must(readable >= 0 && readable <= SETTINGS.receiveBytes, () => `${readable} bytes are readable`);
      must(writable >= 0 && writable <= SETTINGS.sendBytes, () => `${writable} bytes are writable`);
      if (random.int(3) > 0) socket.write(scratch, 0, socket.read(scratch, 0, Math.min(writable, scratch.length)));
      const end = random.int(24);
      if (end === 0) socket.shutdown();
      else if (end === 1 || socket.ended) this.#drop(i);
      else if (end === 2) socket.abort();
    }
    this.port.buffers = random.once(8) ? random.int(4) : Infinity;
    this.pass(random.of([0, 10, 1000, 40_000, 1_000_000, 5_000_000]));
    if (this.stack.dhcp === undefined || random.int(4) > 0) return;
    if (random.once(4)) this.stack.linkUp();
    this.pass(random.of([10_000_000, 100_000_000, 4_000_000_000]));
  }

  /** Time passes, and what is due is done. */
  pass(us: number): void {
    const until = this.clock.us + us;
    const { stack, timers, clock } = this;
    for (let turns = 0; timers.nextUs() <= until; turns++) {
      must(turns < 10_000, () => "the stack never rests");
      clock.us = Math.max(clock.us, timers.nextUs());
      timers.fire(clock.us, 16);
      stack.send(32, clock.us);
    }
    clock.us = until;
    stack.send(32, until);
  }

  /** @throws Error unless everything that came has exactly one fate. */
  balance(): void {
    const { link, tcp, udp } = this.stack;
    const sum = (group: object): number => Object.values(group as Record<string, number>).reduce((a, b) => a + b, 0);
    const { frames, handled, dropped } = link.counters;
    must(
      frames === this.#fed && sum(handled) + sum(dropped) === frames,
      () => `${this.#fed} frames came: ${this.books()}`,
    );
    const { segments, taken } = tcp.counters;
    must(sum(taken) + sum(tcp.counters.dropped) === segments, () => `segments: ${this.books()}`);
    const { datagrams, delivered, malformed, checksum, noPort } = udp.counters;
    must(delivered + malformed + checksum + noPort === datagrams, () => `datagrams: ${this.books()}`);
    must(tcp.sockets <= SETTINGS.sockets && tcp.halfOpen <= SETTINGS.halfOpen, () => "a table is over its bound");
    must(tcp.timeWait <= SETTINGS.timeWait && link.arp.neighbours.size() <= 32, () => "a table is over its bound");
  }

  /** Everybody goes. @throws Error if something is left of them */
  end(): void {
    this.port.buffers = Infinity;
    for (let socket = this.#listener.accept(); socket !== undefined; socket = this.#listener.accept()) socket.abort();
    while (this.#sockets.length > 0) this.#drop(this.#sockets.length - 1);
    this.pass(600_000_000);
    const { tcp } = this.stack;
    const left = [tcp.sockets, tcp.halfOpen, tcp.timeWait];
    must(
      left.every((count) => count === 0),
      () => `sockets, half-open and in TIME-WAIT are left: ${left.join(", ")}`,
    );
    must(tcp.nextUs() === Infinity, () => "TCP waits for something though there is nothing");
    this.balance();
  }

  /** All counters. */
  books(): string {
    const { link, tcp, udp, dhcp } = this.stack;
    return JSON.stringify([link.counters, tcp.counters, udp.counters, dhcp?.counters, this.port.counters]);
  }

  #drop(index: number): void {
    this.#sockets[index]!.close();
    this.#sockets.splice(index, 1);
  }

  #sent(bytes: Uint8Array, at: number, length: number): void {
    checkSent(bytes, at, length, this.stack.link.own.address);
    if (bytes[at + 12] !== 0x08 || bytes[at + 13] !== 0) return;
    this.quote.set(bytes.subarray(at + 14, at + 42));
    const view = new DataView(bytes.buffer, at, length);
    if (bytes[at + 23] === 17 && length >= 50 && view.getUint16(36) === 67) this.dhcpXid = view.getInt32(46);
    if (bytes[at + 23] !== 6) return;
    const said = this.said[view.getUint16(36) - PEER_PORTS.first];
    if (said === undefined || view.getUint16(34) !== TCP_PORT) return;
    const flags = bytes[at + 47]!;
    const data = length - 34 - (bytes[at + 46]! >> 4) * 4;
    said.sequence = (view.getInt32(38) + data + (flags & 1) + ((flags >> 1) & 1)) | 0;
    if ((flags & 0x10) !== 0) said.acknowledgement = view.getInt32(42);
  }
}
