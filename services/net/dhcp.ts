/**
 * A DHCPv4 client (RFC 2131): asks for an address, gives it to the interface, renews it in time, and takes it away when the
 * lease is over. It believes only answers to its own last question, and only addresses that fit together; whatever servers
 * say or do not say, it asks on with back-off and never more than a few messages a minute.
 */
import type { Random } from "../ports/index.ts";
import { BROADCAST, formatIpv4, isUnicast } from "./address.ts";
import type { Interface } from "./interface.ts";
import type { Packet } from "./packet.ts";
import type { Udp, UdpHandler } from "./udp.ts";
import { getI32 } from "./wire/bytes.ts";
import {
  ACKNOWLEDGE,
  checkDhcp,
  DHCP_CLIENT_PORT,
  DHCP_HARDWARE,
  DHCP_SERVER_PORT,
  DHCP_XID,
  DHCP_YOUR_ADDRESS,
  type DhcpOptions,
  type DhcpRequest,
  DISCOVER,
  emitDhcp,
  OFFER,
  parseDhcpOptions,
  REFUSE,
  REQUEST,
} from "./wire/dhcp.ts";

/** RFC 2131 §4.1: 4 seconds, doubled up to 64, give or take a second. */
const FIRST_WAIT_US = 4_000_000;
const LAST_WAIT_US = 64_000_000;
const JITTER_US = 1_000_000;
/** Requests for one offer until another is looked for. */
const REQUESTS_MAX = 4;
/** §4.4.5: renewals are not asked for more often. */
const RENEW_WAIT_MIN_US = 60_000_000;
/** How soon and how often a renewal that could not be sent is tried again. */
const RETRY_US = 1_000_000;
const UNSENT_MAX = 5;
/** A shorter lease would keep us asking. */
const LEASE_MIN_S = 60;
/** How long chance is waited for. */
const NO_CHANCE_US = 1_000_000;
/** RFC 2131 §3.3: 2^32 - 1 seconds is for ever. */
const FOREVER_S = 0xffffffff;
const CLASS_A = 0xff000000 | 0;
const CLASS_B = 0xffff0000 | 0;
const CLASS_C = 0xffffff00 | 0;

/** RFC 2131 figure 5. */
export type DhcpState = "init" | "selecting" | "requesting" | "bound" | "renewing" | "rebinding";

export interface DhcpLease {
  readonly address: string;
  readonly prefix: number;
  readonly gateway: string | undefined;
  readonly server: string;
  /** In microseconds of the clock, `Infinity` if for ever. */
  readonly renewUs: number;
  readonly rebindUs: number;
  readonly expiresUs: number;
}

export interface DhcpCounters {
  discovers: number;
  requests: number;
  offers: number;
  acknowledged: number;
  refused: number;
  expired: number;
  /** Messages that are none, for somebody else, not an answer to the last question, or offer what cannot be. */
  ignored: number;
}

export interface DhcpOptionsIn {
  readonly net: Interface;
  readonly udp: Udp;
  readonly random: Random;
  /** 6 bytes. */
  readonly mac: Uint8Array;
  /** Told of every lease, and of its loss. */
  changed?(lease: DhcpLease | undefined): void;
  /** Told once that nobody has given an address though it was asked for twice. */
  unanswered?(): void;
}

export class Dhcp implements UdpHandler {
  readonly counters: DhcpCounters = {
    discovers: 0,
    requests: 0,
    offers: 0,
    acknowledged: 0,
    refused: 0,
    expired: 0,
    ignored: 0,
  };
  state: DhcpState = "init";
  lease: DhcpLease | undefined;
  readonly #options: DhcpOptionsIn;
  readonly #said: DhcpOptions = { type: 0, server: 0, mask: 0, router: 0, leaseS: -1, renewS: -1, rebindS: -1 };
  readonly #request: DhcpRequest = { type: 0, xid: 0, seconds: 0, client: 0, requested: 0, server: 0 };
  readonly #chance = new Uint8Array(4);
  #nextUs = 0;
  #waitUs = FIRST_WAIT_US;
  #requests = 0;
  /** Times in a row that any server was looked for. */
  #searches = 0;
  /** Renewals in a row that could not be sent. */
  #unsent = 0;
  #startedUs = 0;
  /** When the last question went out: a lease counts from there (§4.4.1). */
  #askedUs = 0;
  /** Address and server of the offer or the lease. */
  #address = 0;
  #server = 0;
  #nowUs = 0;

  /** @throws RangeError if the client's port is taken. */
  constructor(options: DhcpOptionsIn) {
    this.#options = options;
    options.udp.bind(DHCP_CLIENT_PORT, this);
  }

  /** For reports: the lease, with the seconds until it is renewed and until it ends; no line without one. */
  terms(nowUs: number): string[] {
    const { lease } = this;
    if (lease === undefined) return [];
    const { address, prefix, gateway = "none", server, renewUs, expiresUs } = lease;
    const left = (us: number): number => Math.max(0, Math.ceil((us - nowUs) / 1_000_000));
    return [
      `lease ${address}/${prefix} gateway ${gateway} server ${server}` +
        ` renew_s=${left(renewUs)} expires_s=${left(expiresUs)}`,
    ];
  }

  /** When {@link service} has to be called at the latest. */
  nextUs(): number {
    return this.#nextUs;
  }

  /** Do what is due. */
  service(nowUs: number): void {
    this.#nowUs = nowUs;
    if (nowUs < this.#nextUs) return;
    const lease = this.lease;
    if (lease !== undefined && nowUs >= lease.expiresUs) {
      this.counters.expired++;
      this.#lose();
    } else if (lease !== undefined) {
      this.#prolong(lease);
      return;
    }
    if (!this.#draw()) {
      this.#nextUs = nowUs + NO_CHANCE_US;
      return;
    }
    if (this.state === "requesting" && this.#requests < REQUESTS_MAX) {
      this.#ask(REQUEST, 0, this.#address, this.#server);
    } else {
      if (this.state === "init") this.#startedUs = nowUs;
      if (this.state === "requesting") this.#waitUs = FIRST_WAIT_US;
      this.state = "selecting";
      this.#newQuestion();
      this.#ask(DISCOVER, 0, 0, 0);
      if (++this.#searches === 2) this.#options.unanswered?.();
    }
    this.#nextUs = nowUs + this.#waitUs + this.#jitter();
    this.#waitUs = Math.min(2 * this.#waitUs, LAST_WAIT_US);
  }

  /** The link was down and is up: it may be another network. The lease is kept if its server still grants it. */
  linkUp(): void {
    if (this.lease === undefined) {
      this.#waitUs = FIRST_WAIT_US;
      this.#nextUs = 0;
    } else {
      const { expiresUs, rebindUs } = this.lease;
      this.lease = { ...this.lease, renewUs: 0, rebindUs: Math.min(rebindUs, this.#nowUs), expiresUs };
      this.#nextUs = 0;
    }
  }

  datagram(packet: Packet, sourcePort: number, start: number, length: number): void {
    const { bytes } = packet;
    const said = this.#said;
    if (
      sourcePort !== DHCP_SERVER_PORT ||
      !checkDhcp(bytes, start, length) ||
      getI32(bytes, start + DHCP_XID) !== this.#request.xid ||
      !this.#isOurs(bytes, start + DHCP_HARDWARE) ||
      !parseDhcpOptions(bytes, start, length, said)
    ) {
      this.counters.ignored++;
      return;
    }
    const address = getI32(bytes, start + DHCP_YOUR_ADDRESS);
    if (said.type === OFFER && this.state === "selecting") this.#offered(address);
    else if (said.type === ACKNOWLEDGE && this.#isAsking()) this.#acknowledged(address);
    else if (said.type === REFUSE && this.#isAsking() && this.#fromOurServer()) {
      this.counters.refused++;
      this.#lose();
      // §3.1.5: begin again, but not at once, or a server that always refuses keeps us busy.
      this.#nextUs = this.#nowUs + this.#waitUs;
      this.#waitUs = Math.min(2 * this.#waitUs, LAST_WAIT_US);
    } else this.counters.ignored++;
  }

  #offered(address: number): void {
    const said = this.#said;
    if (!isUnicast(address) || said.server === 0 || !(said.leaseS >= LEASE_MIN_S)) {
      this.counters.ignored++;
      return;
    }
    this.counters.offers++;
    this.#address = address;
    this.#server = said.server;
    this.state = "requesting";
    this.#requests = 0;
    this.#waitUs = FIRST_WAIT_US;
    // Asked for in the next service; the answer's buffer is not ours to send from while the offer is being read.
    this.#nextUs = 0;
  }

  #acknowledged(address: number): void {
    const said = this.#said;
    const { net } = this.#options;
    const leaseS = said.leaseS;
    const mask = said.mask === 0 ? classMask(address) : said.mask;
    const prefix = Math.clz32(~mask);
    const fits = mask === (prefix === 0 ? 0 : -1 << (32 - prefix)) && prefix >= 1 && prefix <= 30;
    if (address !== this.#address || !fits || !(leaseS >= LEASE_MIN_S) || !this.#fromOurServer()) {
      this.counters.ignored++;
      return;
    }
    const text = formatIpv4(address);
    const near = isUnicast(said.router) && said.router !== address && ((said.router ^ address) & mask) === 0;
    const gateway = near ? formatIpv4(said.router) : undefined;
    try {
      net.configure({ address: text, prefix, gateway });
    } catch {
      // The subnet's own address, or its broadcast: a server that means it is of no use.
      this.counters.ignored++;
      return;
    }
    this.counters.acknowledged++;
    this.#searches = 0;
    this.#server = said.server === 0 ? this.#server : said.server;
    this.state = "bound";
    this.lease = this.#terms(text, prefix, gateway, leaseS);
    this.#nextUs = this.lease.renewUs;
    this.#waitUs = FIRST_WAIT_US;
    this.#options.changed?.(this.lease);
  }

  /** §4.4.5: half of the lease, and seven eighths, if the server does not say otherwise or says what cannot be. */
  #terms(address: string, prefix: number, gateway: string | undefined, leaseS: number): DhcpLease {
    const { renewS, rebindS } = this.#said;
    const server = formatIpv4(this.#server);
    if (leaseS === FOREVER_S) {
      return { address, prefix, gateway, server, renewUs: Infinity, rebindUs: Infinity, expiresUs: Infinity };
    }
    const told = renewS > 0 && rebindS > renewS && rebindS < leaseS;
    const at = (seconds: number): number => this.#askedUs + Math.floor(seconds * 1_000_000);
    return {
      address,
      prefix,
      gateway,
      server,
      renewUs: at(told ? renewS : leaseS / 2),
      rebindUs: at(told ? rebindS : (leaseS * 7) / 8),
      expiresUs: at(leaseS),
    };
  }

  /** Ask for more time: first the server that gave the address, later any. */
  #prolong(lease: DhcpLease): void {
    const nowUs = this.#nowUs;
    const rebinding = nowUs >= lease.rebindUs;
    const state = rebinding ? "rebinding" : "renewing";
    if (this.state !== state) {
      if (this.state === "bound") this.#startedUs = nowUs;
      this.state = state;
      if (this.#draw()) this.#newQuestion();
    }
    if (!this.#ask(REQUEST, this.#options.net.own.address, 0, 0, rebinding ? BROADCAST : this.#server)) {
      // Its link address is asked for meanwhile.
      if (++this.#unsent <= UNSENT_MAX) {
        this.#nextUs = nowUs + RETRY_US;
        return;
      }
    }
    this.#unsent = 0;
    // Half of the time that is left, but at least a minute (§4.4.5).
    const untilUs = rebinding ? lease.expiresUs : lease.rebindUs;
    const waitUs = Math.max(RENEW_WAIT_MIN_US, (untilUs - nowUs) / 2);
    this.#nextUs = Math.min(untilUs, nowUs + Math.floor(waitUs));
  }

  #ask(type: number, client: number, requested: number, server: number, destination = BROADCAST): boolean {
    const { udp, mac } = this.#options;
    const request = this.#request;
    request.type = type;
    request.seconds = Math.min(0xffff, Math.floor((this.#nowUs - this.#startedUs) / 1_000_000));
    request.client = client;
    request.requested = requested;
    request.server = server;
    this.#askedUs = this.#nowUs;
    if (type === REQUEST) this.#requests++;
    if (!udp.begin(destination)) return false;
    const length = emitDhcp(udp.tx, udp.data, mac, udp.dataMax + 28, request);
    udp.send(DHCP_CLIENT_PORT, DHCP_SERVER_PORT, length);
    if (type === REQUEST) this.counters.requests++;
    else this.counters.discovers++;
    return true;
  }

  #lose(): void {
    const had = this.lease !== undefined;
    this.lease = undefined;
    this.state = "init";
    this.#options.net.configure(undefined);
    if (had) {
      this.#waitUs = FIRST_WAIT_US;
      this.#options.changed?.(undefined);
    }
  }

  /** Take four bytes of chance. */
  #draw(): boolean {
    const { random } = this.#options;
    return random.ready && random.fill(this.#chance);
  }

  #newQuestion(): void {
    this.#request.xid = getI32(this.#chance, 0);
  }

  /** From a second less to a second more. */
  #jitter(): number {
    return Math.floor((((getI32(this.#chance, 0) >>> 0) / 0x100000000) * 2 - 1) * JITTER_US);
  }

  #isAsking(): boolean {
    return this.state === "requesting" || this.state === "renewing" || this.state === "rebinding";
  }

  /** In rebinding any server may answer; before, the one that was asked. */
  #fromOurServer(): boolean {
    return this.state === "rebinding" || this.#said.server === 0 || this.#said.server === this.#server;
  }

  #isOurs(bytes: Uint8Array, at: number): boolean {
    const { mac } = this.#options;
    for (let i = 0; i < 6; i++) if (bytes[at + i] !== mac[i]) return false;
    return true;
  }
}

/** What an address's first bits say of its subnet, for servers that do not (RFC 1122 §3.2.1.3). */
function classMask(address: number): number {
  const first = address >>> 24;
  return first < 128 ? CLASS_A : first < 192 ? CLASS_B : CLASS_C;
}
