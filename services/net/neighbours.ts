/**
 * The table of neighbours' MAC addresses: bounded, aged, and hard to poison. An address that we asked for and were told
 * is not displaced or contradicted by one that somebody offered, and the gateway's entry is never displaced at all.
 */
import type { Pool } from "../ports/index.ts";
import { formatIpv4, formatMac } from "./address.ts";
import type { NetCounters } from "./counters.ts";
import { putMac } from "./wire/ethernet.ts";

export const NEIGHBOURS_MAX = 32;
/** After this time an entry is asked for again while it is still used, and after this it is not used any more. */
export const FRESH_US = 60_000_000;
export const EXPIRES_US = 120_000_000;

export const NOT_FOUND = -1;

/** What is known of an entry, least worth keeping first. */
const FREE = 0;
/** Asked for, never told. */
const PENDING = 1;
/** Learned from a request of the neighbour for our address. */
const OFFERED = 2;
/** Told because we asked. */
const CONFIRMED = 3;
const STATE_NAMES = ["free", "pending", "offered", "confirmed"] as const;
/** What an entry's fields take. */
const ENTRY_BYTES = 28;

export class Neighbours {
  /** 6 bytes for each entry. */
  readonly macs = new Uint8Array(6 * NEIGHBOURS_MAX);
  private readonly addresses = new Int32Array(NEIGHBOURS_MAX);
  private readonly states = new Uint8Array(NEIGHBOURS_MAX);
  /** Whether a request is out that a reply may answer. */
  private readonly asked = new Uint8Array(NEIGHBOURS_MAX);
  private readonly askedUs = new Float64Array(NEIGHBOURS_MAX);
  /** When the MAC address was last learned; for a pending entry, when it was made. */
  private readonly learnedUs = new Float64Array(NEIGHBOURS_MAX);
  private gateway: number;
  private readonly counters: NetCounters["neighbours"];
  private last = 0;
  private used = 0;
  private peak = 0;

  constructor(gateway: number, counters: NetCounters["neighbours"]) {
    this.gateway = gateway;
    this.counters = counters;
  }

  /** Forget all: they belong to another link or subnet. */
  clear(gateway: number): void {
    this.states.fill(FREE);
    this.used = 0;
    this.gateway = gateway;
  }

  /** Entries in use. */
  size(): number {
    return this.used;
  }

  /** For reports: one line for each entry. */
  lines(nowUs: number): string[] {
    const lines: string[] = [];
    this.states.forEach((state, slot) => {
      if (state === FREE) return;
      const mac = state === PENDING ? "-" : formatMac(this.macs, 6 * slot);
      const ageS = Math.floor((nowUs - this.learnedUs[slot]!) / 1_000_000);
      lines.push(`neighbour ${formatIpv4(this.addresses[slot]!)} ${mac} ${STATE_NAMES[state]!} age_s=${ageS}`);
    });
    return lines;
  }

  pools(): Pool[] {
    const { used, peak, counters } = this;
    return [["net.neighbours", NEIGHBOURS_MAX * ENTRY_BYTES, used, NEIGHBOURS_MAX, peak, "evicted", counters.evicted]];
  }

  find(address: number): number {
    // Most packets go where the last one went.
    if (this.addresses[this.last] === address && this.states[this.last] !== FREE) return this.last;
    for (let slot = 0; slot < NEIGHBOURS_MAX; slot++) {
      if (this.addresses[slot] === address && this.states[slot] !== FREE) {
        this.last = slot;
        return slot;
      }
    }
    return NOT_FOUND;
  }

  /** Whether the entry's MAC address may be used. */
  usable(slot: number, nowUs: number): boolean {
    return this.states[slot]! >= OFFERED && nowUs - this.learnedUs[slot]! < EXPIRES_US;
  }

  /** Whether it is time to ask for it: not known or not fresh, and not asked within `intervalUs`. */
  wanting(slot: number, nowUs: number, intervalUs: number): boolean {
    if (this.states[slot]! >= OFFERED && nowUs - this.learnedUs[slot]! < FRESH_US) return false;
    return this.asked[slot] === 0 || nowUs - this.askedUs[slot]! >= intervalUs;
  }

  /** A new entry for an address that we need. */
  want(address: number, nowUs: number): number {
    let slot = this.oldest(FREE);
    if (slot === NOT_FOUND) slot = this.oldest(PENDING);
    if (slot === NOT_FOUND) slot = this.oldest(OFFERED);
    if (slot === NOT_FOUND) slot = this.oldest(CONFIRMED);
    this.fill(slot, address, PENDING, nowUs);
    return slot;
  }

  noteAsked(slot: number, nowUs: number): void {
    this.asked[slot] = 1;
    this.askedUs[slot] = nowUs;
  }

  /** A reply came. @returns false if nobody asked. */
  confirm(address: number, mac: Uint8Array, macAt: number, nowUs: number): boolean {
    const slot = this.find(address);
    if (slot === NOT_FOUND || this.asked[slot] === 0) return false;
    this.asked[slot] = 0;
    this.learn(slot, CONFIRMED, mac, macAt, nowUs);
    return true;
  }

  /** A neighbour asked for us and said who it is (RFC 826, "Packet Reception"). */
  offer(address: number, mac: Uint8Array, macAt: number, nowUs: number): void {
    let slot = this.find(address);
    if (slot === NOT_FOUND) {
      slot = this.oldest(FREE);
      if (slot === NOT_FOUND) slot = this.oldest(OFFERED);
      if (slot === NOT_FOUND) {
        this.counters.refused++;
        return;
      }
      this.fill(slot, address, OFFERED, nowUs);
    } else if (this.states[slot] === CONFIRMED && this.usable(slot, nowUs)) {
      // An offer neither changes nor prolongs what we asked for; when that is no longer fresh, we ask again.
      if (!this.same(slot, mac, macAt)) this.counters.contradicted++;
      return;
    }
    this.learn(slot, OFFERED, mac, macAt, nowUs);
  }

  private learn(slot: number, state: number, mac: Uint8Array, macAt: number, nowUs: number): void {
    this.states[slot] = state;
    this.learnedUs[slot] = nowUs;
    putMac(this.macs, 6 * slot, mac, macAt);
    this.counters.learned++;
  }

  private same(slot: number, mac: Uint8Array, macAt: number): boolean {
    for (let i = 0; i < 6; i++) if (this.macs[6 * slot + i] !== mac[macAt + i]) return false;
    return true;
  }

  private fill(slot: number, address: number, state: number, nowUs: number): void {
    if (this.states[slot] !== FREE) this.counters.evicted++;
    else if (++this.used > this.peak) this.peak = this.used;
    this.addresses[slot] = address;
    this.states[slot] = state;
    this.asked[slot] = 0;
    this.learnedUs[slot] = nowUs;
  }

  private oldest(state: number): number {
    let found = NOT_FOUND;
    for (let slot = 0; slot < NEIGHBOURS_MAX; slot++) {
      if (this.states[slot] !== state) continue;
      if (state !== FREE && this.addresses[slot] === this.gateway) continue;
      if (found === NOT_FOUND || this.learnedUs[slot]! < this.learnedUs[found]!) found = slot;
    }
    return found;
  }
}
