/**
 * Says whether a ticket's text was signed with its role's secret. Whatever is wrong with a text that was not, the answer is the
 * same one; what was verified is kept in a bounded cache, because a keyed hash costs milliseconds in the VM.
 */
import type { Bytes, Pool } from "../ports/index.ts";
import type { Role } from "./roles.ts";
import {
  type Claims,
  decodePayload,
  deriveKey,
  equalBytes,
  macOf,
  roleOfPayload,
  splitTicket,
  TICKET_LIMITS,
  type TicketLimits,
  toHex,
} from "./ticket.ts";

/** A ticket that was signed with its role's secret. */
export interface VerifiedTicket {
  /** Its message authentication code in hexadecimal digits: the name of the ticket. */
  readonly mac: string;
  readonly claims: Claims;
}

/** Verified tickets that are kept. */
const CACHED = 64;
/** Memory of one with all that a ticket may say. */
const CACHED_BYTES = 4096;

/** The check of tickets. */
export class TicketVerifier {
  /** Texts that were verified, that the cache knew, that were refused; signed ones whose claims no ticket may have. */
  readonly counters = { verified: 0, cached: 0, refused: 0, unreadable: 0, evicted: 0 };
  readonly #bytes: Bytes;
  readonly #secrets: Readonly<Partial<Record<Role, string>>>;
  readonly #limits: TicketLimits;
  readonly #capacity: number;
  readonly #keys = new Map<Role, Uint8Array>();
  /** By their texts, least recently used first. */
  readonly #cache = new Map<string, VerifiedTicket>();
  #peak = 0;

  constructor(
    bytes: Bytes,
    secrets: Readonly<Partial<Record<Role, string>>>,
    limits = TICKET_LIMITS,
    capacity = CACHED,
  ) {
    this.#bytes = bytes;
    this.#secrets = secrets;
    this.#limits = limits;
    this.#capacity = capacity;
  }

  /** The role's key, derived once; `undefined` if the role has no secret. */
  keyOf(role: Role): Uint8Array | undefined {
    const secret = this.#secrets[role];
    if (secret === undefined) return undefined;
    let key = this.#keys.get(role);
    if (key === undefined) {
      key = deriveKey(this.#bytes, secret);
      this.#keys.set(role, key);
    }
    return key;
  }

  /** The ticket of a text, `undefined` if it is none. */
  verify(text: string): VerifiedTicket | undefined {
    const ticket = this.#verify(text);
    if (ticket === undefined) this.counters.refused++;
    return ticket;
  }

  #verify(text: string): VerifiedTicket | undefined {
    // No other text is of the same ticket: what decodes is the only one of its kind.
    const known = this.#cache.get(text);
    if (known !== undefined) {
      this.#cache.delete(text);
      this.#cache.set(text, known);
      this.counters.cached++;
      return known;
    }
    const parts = splitTicket(text, this.#limits);
    if (parts === undefined) return undefined;
    const role = roleOfPayload(parts.payload);
    const key = role === undefined ? undefined : this.keyOf(role);
    if (key === undefined || !equalBytes(macOf(key, parts.payload), parts.mac)) return undefined;
    const decoded = decodePayload(this.#bytes, parts.payload, this.#limits);
    if (decoded.kind === "refused") {
      this.counters.unreadable++;
      return undefined;
    }
    const ticket = { mac: toHex(parts.mac), claims: decoded.claims };
    this.#keep(text, ticket);
    this.counters.verified++;
    return ticket;
  }

  #keep(text: string, ticket: VerifiedTicket): void {
    if (this.#cache.size >= this.#capacity) {
      for (const oldest of this.#cache.keys()) {
        this.#cache.delete(oldest);
        this.counters.evicted++;
        break;
      }
    }
    this.#cache.set(text, ticket);
    this.#peak = Math.max(this.#peak, this.#cache.size);
  }

  pools(): Pool[] {
    const of = this.#capacity;
    return [["roles.verified", of * CACHED_BYTES, this.#cache.size, of, this.#peak, "evicted", this.counters.evicted]];
  }
}
