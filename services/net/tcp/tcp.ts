/**
 * TCP (RFC 9293) over one interface: fixed pools, no clock and no chance of its own, nothing allocated per segment. It is fed
 * by the interface's `poll`, served by {@link Tcp.service} after the layer above had its turn, and asks by {@link Tcp.nextUs}
 * to be served again. Without a secret from the random port it neither answers nor asks: numbers that can be guessed would
 * let strangers write into connections.
 */
import type { Bytes, Clock, Random } from "../../ports/index.ts";
import { isUnicast } from "../address.ts";
import type { NetCounters } from "../counters.ts";
import type { Interface } from "../interface.ts";
import { HANDLED, type Packet, type ProtocolHandler, REFUSED, type Verdict } from "../packet.ts";
import { getI32, getU16 } from "../wire/bytes.ts";
import { UNREACHABLE_PORT, UNREACHABLE_PROTOCOL, UNREACHABLE_TOO_BIG } from "../wire/icmp.ts";
import { PROTOCOL_TCP } from "../wire/ipv4.ts";
import {
  checkTcp,
  parseTcpOptions,
  TCP_ACKNOWLEDGEMENT,
  TCP_BAD_CHECKSUM,
  TCP_FLAGS,
  TCP_PORTS,
  TCP_SEQUENCE,
  TCP_WINDOW,
} from "../wire/tcp.ts";
import { type ControlBlock, ESTABLISHED, SYN_SENT } from "./control-block.ts";
import { Core } from "./core.ts";
import type { TcpCounters } from "./counters.ts";
import { DeliveryRate } from "./delivery-rate.ts";
import { Emitter, swap } from "./emitter.ts";
import { HalfOpen } from "./half-open.ts";
import { Incoming } from "./incoming.ts";
import { TcpListener } from "./listener.ts";
import { NewReno } from "./new-reno.ts";
import { Opening } from "./opening.ts";
import { Receiver } from "./receiver.ts";
import { Recovery } from "./recovery.ts";
import type { Segment } from "./segment.ts";
import { Sender } from "./sender.ts";
import { before } from "./sequence.ts";
import { type TcpSettings, tcpSettings } from "./settings.ts";
import { TcpSocket } from "./socket.ts";
import { Timers } from "./timers.ts";
import { TimeWait } from "./time-wait.ts";

/** Ports for connections of our own (RFC 6335 §6). */
const EPHEMERAL_FIRST = 49_152;
const EPHEMERAL_COUNT = 16_384;

export interface TcpPorts {
  readonly net: Interface;
  readonly clock: Clock;
  readonly bytes: Bytes;
  readonly random: Random;
}

export class Tcp implements ProtocolHandler {
  readonly settings: TcpSettings;
  readonly counters: TcpCounters;
  readonly #clock: Clock;
  readonly #bytes: Bytes;
  readonly #random: Random;
  readonly #core: Core;
  readonly #emitter: Emitter;
  readonly #recovery: Recovery;
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  readonly #timers: Timers;
  readonly #incoming: Incoming;
  readonly #halfOpen: HalfOpen;
  readonly #timeWait: TimeWait;
  readonly #listeners: (TcpListener | undefined)[];
  readonly #segment: Segment = { sequence: 0, acknowledgement: 0, flags: 0, window: 0, start: 0, length: 0 };
  readonly #neighbours: NetCounters["neighbours"];
  /** Neighbours that were known when connections last waited for one. */
  #learned = 0;
  #ephemeral = 0;

  /** @throws RangeError, one sentence, if a setting is out of range or the interface has a TCP. */
  constructor(ports: TcpPorts, settings: Partial<TcpSettings> = {}) {
    this.settings = tcpSettings(settings);
    this.#clock = ports.clock;
    this.#bytes = ports.bytes;
    this.#random = ports.random;
    this.#neighbours = ports.net.counters.neighbours;
    const core = new Core(ports.bytes, ports.net.output, this.settings, () =>
      this.settings.control === "rate" ? new DeliveryRate() : new NewReno(),
    );
    this.#core = core;
    this.counters = core.counters;
    this.#emitter = new Emitter(core);
    this.#recovery = new Recovery(core);
    this.#sender = new Sender(core, this.#emitter, this.#recovery);
    this.#timeWait = new TimeWait(core);
    this.#halfOpen = new HalfOpen(core, this.#emitter);
    const opening = new Opening(core, this.#emitter);
    this.#receiver = new Receiver(core, this.#emitter, this.#recovery, this.#timeWait, opening);
    this.#timers = new Timers(core, this.#emitter, this.#recovery);
    this.#listeners = Array.from({ length: this.settings.listeners }, () => undefined);
    this.#incoming = new Incoming({
      core,
      random: ports.random,
      emitter: this.#emitter,
      receiver: this.#receiver,
      opening,
      halfOpen: this.#halfOpen,
      timeWait: this.#timeWait,
      listeners: this.#listeners,
    });
    ports.net.attach(PROTOCOL_TCP, this);
  }

  /** Whether there is a secret; without one nobody is answered. */
  get ready(): boolean {
    return this.#core.hash.draw(this.#random);
  }

  /** Connections in use, half-open ones, and those in TIME-WAIT. */
  get sockets(): number {
    return this.#core.inUse;
  }

  get halfOpen(): number {
    return this.#halfOpen.size;
  }

  get timeWait(): number {
    return this.#timeWait.size;
  }

  /** Connections that wait to be accepted, and places for them, of all listeners. */
  get pending(): number {
    return this.#listeners.reduce((sum, listener) => sum + (listener?.pending ?? 0), 0);
  }

  get backlog(): number {
    return this.#listeners.reduce((sum, listener) => sum + (listener?.backlog ?? 0), 0);
  }

  /** Every connection, for listings. Not to be changed. */
  get blocks(): readonly ControlBlock[] {
    return this.#core.blocks;
  }

  /**
   * Wait for connections on a port.
   * @throws RangeError if the port is none or taken, or there are too many listeners.
   */
  listen(port: number, backlog: number): TcpListener {
    if (!Number.isInteger(port) || port < 1 || port > 0xffff) throw new RangeError(`Tcp.listen: ${port} is no port`);
    if (!Number.isInteger(backlog) || backlog < 1 || backlog > this.settings.sockets) {
      throw new RangeError(`Tcp.listen: backlog ${backlog} is not from 1 to ${this.settings.sockets}`);
    }
    if (this.#listeners.some((other) => other?.port === port))
      throw new RangeError(`Tcp.listen: port ${port} is taken`);
    const index = this.#listeners.indexOf(undefined);
    if (index < 0) throw new RangeError(`Tcp.listen: more than ${this.settings.listeners} listeners`);
    const listener = new TcpListener(this.#core, this.#emitter, port, backlog, () => {
      this.#halfOpen.removeFor(index);
      this.#listeners[index] = undefined;
    });
    this.#listeners[index] = listener;
    return listener;
  }

  /** Begin a connection. @returns `undefined` if there is no secret yet, no free socket or no free port; counted. */
  connect(address: number, port: number, localPort = 0): TcpSocket | undefined {
    this.#enter();
    const core = this.#core;
    if (!isUnicast(address) || port < 1 || port > 0xffff)
      throw new RangeError("Tcp.connect: no unicast address and port");
    const ports = this.ready ? this.#localPort(address, port, localPort) : 0;
    if (ports === 0) {
      core.counters.sockets.poolFull++;
      return undefined;
    }
    const iss = core.initialSequence(address, ports);
    const stampOffset = core.hash.high;
    const tcb = this.#incoming.take(address, ports, iss);
    if (tcb === undefined) {
      core.counters.sockets.poolFull++;
      return undefined;
    }
    core.counters.sockets.opened++;
    tcb.state = SYN_SENT;
    tcb.nxt = (iss + 1) | 0;
    tcb.stampOffset = stampOffset;
    tcb.force = true;
    tcb.lifeUs = core.nowUs + this.settings.connectUs;
    core.due(tcb.lifeUs);
    core.wake(tcb);
    return new TcpSocket(core, this.#emitter, tcb);
  }

  /** A packet of the interface's. */
  receive(packet: Packet): Verdict {
    this.#enter();
    const counters = this.counters;
    const { bytes, start, length } = packet;
    counters.segments++;
    if (packet.broadcast) {
      counters.dropped.broadcast++;
      return REFUSED;
    }
    const header = checkTcp(bytes, start, length, packet.source, packet.destination, this.#bytes);
    if (header < 0) {
      if (header === TCP_BAD_CHECKSUM) counters.dropped.checksum++;
      else counters.dropped.malformed++;
      return REFUSED;
    }
    if (!parseTcpOptions(bytes, start, header, this.#core.options)) {
      counters.dropped.options++;
      return REFUSED;
    }
    const segment = this.#segment;
    const ports = getI32(bytes, start + TCP_PORTS);
    segment.sequence = getI32(bytes, start + TCP_SEQUENCE);
    segment.acknowledgement = getI32(bytes, start + TCP_ACKNOWLEDGEMENT);
    segment.flags = bytes[start + TCP_FLAGS]!;
    segment.window = getU16(bytes, start + TCP_WINDOW);
    segment.start = start + header;
    segment.length = length - header;
    const slot = this.#core.table.find(packet.source, ports);
    if (slot >= 0) this.#receiver.receive(this.#core.blocks[slot]!, packet, segment);
    else this.#incoming.receive(packet, ports, segment);
    return HANDLED;
  }

  /**
   * Send what is to be sent, at most `budget` segments, and do what is due.
   * @returns segments sent. If that is `budget` there is more: call again.
   */
  service(budget: number): number {
    this.#enter();
    const core = this.#core;
    this.#timeWait.serve(core.nowUs);
    let sent = this.#halfOpen.serve(core.nowUs);
    this.#timers.serve();
    if (this.#neighbours.learned !== this.#learned) {
      this.#learned = this.#neighbours.learned;
      for (const tcb of core.blocks) if (tcb.blocked > 0) core.wake(tcb);
    }
    // Each that waits now is served once; what it cannot finish waits for the next turn.
    for (let waiting = core.waiting; waiting > 0 && sent < budget; waiting--) {
      sent += this.#sender.serve(core.dequeue(), budget - sent);
    }
    return sent;
  }

  /** Whether {@link service} could do something now. */
  busy(nowUs: number): boolean {
    return this.#core.waiting > 0 || this.nextUs() <= nowUs;
  }

  /** When {@link service} has to be called at the latest, if nothing happens before. */
  nextUs(): number {
    return Math.min(this.#core.nextUs, this.#halfOpen.nextUs, this.#timeWait.nextUs);
  }

  /** The interface has another address: what was made with the old one is over. */
  readdressed(): void {
    this.#enter();
    this.#timeWait.clear();
    for (let i = 0; i < this.#listeners.length; i++) this.#halfOpen.removeFor(i);
    for (const tcb of this.#core.blocks) if (tcb.used) this.#core.end(tcb, "unreachable");
  }

  /** An ICMP error about a segment of ours. Only one about what is on its way counts (RFC 5927 §4.1). */
  undelivered(code: number, bytes: Uint8Array, at: number, destination: number, mtu: number): boolean {
    this.#enter();
    const core = this.#core;
    const icmp = this.counters.icmp;
    const slot = core.table.find(destination, swap(getI32(bytes, at + TCP_PORTS)));
    const tcb = core.blocks[slot];
    const sequence = getI32(bytes, at + TCP_SEQUENCE);
    if (tcb === undefined || before(sequence, tcb.una) || !before(sequence, tcb.nxt)) {
      icmp.ignored++;
      return false;
    }
    if (code === UNREACHABLE_TOO_BIG) {
      if (this.#recovery.shrink(tcb, mtu)) icmp.tooBig++;
      else icmp.ignored++;
    } else if ((code === UNREACHABLE_PROTOCOL || code === UNREACHABLE_PORT) && tcb.state < ESTABLISHED) {
      icmp.hard++;
      core.end(tcb, "refused");
    } else {
      // RFC 9293 §3.9.2.2: a connection that works is not ended by what anybody may say; time shows.
      icmp.soft++;
    }
    return true;
  }

  #enter(): void {
    this.#core.nowUs = this.#clock.nowUs();
  }

  /** Both ports of a new connection of ours as one number (RFC 6056 §3.3.3: a start for each peer), 0 if none is free. */
  #localPort(address: number, port: number, wanted: number): number {
    const core = this.#core;
    if (wanted !== 0) {
      const ports = (port << 16) | wanted;
      return this.#free(address, ports) ? ports : 0;
    }
    core.hash.hash(core.output.address, address, port);
    const start = core.hash.low >>> 0;
    for (let i = 0; i < this.settings.sockets + this.settings.timeWait + 1; i++) {
      const ports = (port << 16) | (EPHEMERAL_FIRST + ((start + this.#ephemeral++) % EPHEMERAL_COUNT));
      if (this.#free(address, ports)) return ports;
    }
    return 0;
  }

  #free(address: number, ports: number): boolean {
    return this.#core.table.find(address, ports) < 0 && this.#timeWait.find(address, ports) < 0;
  }
}
