/**
 * The network stack as one thing for whoever composes a hive: an interface with UDP, TCP and, without an address of its own, a
 * DHCP client. It is served in two stages of the pump and holds one timer for all that is due later, so it costs nothing
 * while nothing happens.
 */
import type { Bytes, Clock, FramePort, Pool, Random } from "../ports/index.ts";
import { HeldTimer } from "../pump/held-timer.ts";
import type { TimerPort } from "../pump/timers.ts";
import { formatIpv4, type Ipv4Config } from "./address.ts";
import { Dhcp, type DhcpLease } from "./dhcp.ts";
import { Interface } from "./interface.ts";
import { tcpPools } from "./tcp/report.ts";
import type { TcpSettings } from "./tcp/settings.ts";
import { Tcp } from "./tcp/tcp.ts";
import { Udp } from "./udp.ts";

export interface NetStackOptions {
  readonly port: FramePort;
  readonly clock: Clock;
  readonly bytes: Bytes;
  readonly random: Random;
  readonly timers: TimerPort;
  /** The address; without it DHCP gets one. */
  readonly ipv4?: Ipv4Config | undefined;
  /** Whether somebody without an address may ask for one, see {@link Interface}. */
  readonly givesAddresses?: boolean;
  readonly tcp?: Partial<TcpSettings>;
  /** Told in one sentence of every address that came or went. */
  addressed(text: string): void;
}

const nothing = (): void => undefined;

export class NetStack {
  readonly link: Interface;
  readonly udp: Udp;
  readonly tcp: Tcp;
  readonly dhcp: Dhcp | undefined;
  readonly #port: FramePort;
  readonly #clock: Clock;
  readonly #timer: HeldTimer;
  #more = true;

  /** @throws Error, one sentence, if the address does not fit together or no timer is left. */
  constructor(options: NetStackOptions) {
    const { port, clock, bytes, random, timers, ipv4, givesAddresses } = options;
    // Firing is enough: the turn that it makes serves what is due.
    const timer = HeldTimer.take(timers, nothing);
    if (timer === undefined) throw new Error("NetStack: no timer is left");
    this.#timer = timer;
    this.#port = port;
    this.#clock = clock;
    this.link = new Interface({ port, clock, bytes, ipv4, givesAddresses });
    this.udp = new Udp(this.link, bytes);
    this.tcp = new Tcp({ net: this.link, clock, bytes, random }, options.tcp);
    if (ipv4 !== undefined) return;
    const changed = (lease: DhcpLease | undefined): void => options.addressed(describeLease(lease));
    const unanswered = (): void => options.addressed("no DHCP server has given an address yet; asking on");
    this.dhcp = new Dhcp({ net: this.link, udp: this.udp, random, mac: port.mac, changed, unanswered });
  }

  /** The device has something, or may have. */
  raise(): void {
    this.#more = true;
  }

  /** Whether {@link receive} could go on. */
  get receiving(): boolean {
    return this.#more;
  }

  /** Take frames. @returns how many. */
  receive(budget: number): number {
    if (!this.#more) return 0;
    const taken = this.link.poll(budget);
    // No interrupt tells of frames that wait already.
    this.#more = taken === budget;
    return taken;
  }

  /** Send what is to be sent and do what is due. @returns segments sent. */
  send(budget: number, nowUs: number): number {
    const { dhcp, tcp } = this;
    if (dhcp !== undefined && dhcp.nextUs() <= nowUs) dhcp.service(nowUs);
    const sent = tcp.busy(nowUs) ? tcp.service(budget) : 0;
    this.#port.flush();
    this.#timer.set(Math.min(tcp.nextUs(), dhcp?.nextUs() ?? Infinity));
    return sent;
  }

  /** Whether {@link send} could go on. */
  sending(nowUs: number): boolean {
    return this.tcp.busy(nowUs);
  }

  /** The link is up again: it may be another network. */
  linkUp(): void {
    this.dhcp?.linkUp();
  }

  /** For reports: state and lease of the DHCP client, no line without one. */
  leaseLines(): string[] {
    const { dhcp } = this;
    return dhcp === undefined ? [] : [`dhcp state ${dhcp.state}`, ...dhcp.terms(this.#clock.nowUs())];
  }

  pools(): Pool[] {
    return [...this.link.arp.neighbours.pools(), ...tcpPools(this.tcp)];
  }

  /** Address and network in one line. */
  get address(): string {
    const { own } = this.link;
    if (own.address === 0) return `none (DHCP ${this.dhcp?.state ?? "off"})`;
    const prefix = 32 - Math.log2((~own.mask >>> 0) + 1);
    return `${formatIpv4(own.address)}/${prefix} gateway ${own.gateway === 0 ? "none" : formatIpv4(own.gateway)}`;
  }
}

function describeLease(lease: DhcpLease | undefined): string {
  if (lease === undefined) return "the address was lost";
  const { address, prefix, gateway, server } = lease;
  return `${address}/${prefix} gateway ${gateway ?? "none"}, leased by ${server}`;
}
