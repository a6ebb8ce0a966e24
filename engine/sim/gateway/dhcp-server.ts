/**
 * A DHCP server (RFC 2131) on a network that has room for one: the guest, known by its MAC address, is always given the same
 * address, as QEMU's user network does. It keeps no leases and asks for nothing; what it does not answer it counts.
 */
import { BROADCAST } from "../../../services/net/address.ts";
import type { Packet } from "../../../services/net/packet.ts";
import type { Udp, UdpHandler } from "../../../services/net/udp.ts";
import { getI32, putI32 } from "../../../services/net/wire/bytes.ts";
import {
  ACKNOWLEDGE,
  BOOT_REPLY,
  BOOT_REQUEST,
  BROADCAST_FLAG,
  checkDhcp,
  DHCP_CLIENT_ADDRESS,
  DHCP_CLIENT_PORT,
  DHCP_FLAGS,
  DHCP_HARDWARE,
  DHCP_HARDWARE_TYPE,
  DHCP_LENGTH_MIN,
  DHCP_MAGIC,
  DHCP_OP,
  DHCP_OPTIONS,
  DHCP_RELAY,
  DHCP_SERVER_PORT,
  DHCP_XID,
  DHCP_YOUR_ADDRESS,
  DISCOVER,
  emitWord,
  OFFER,
  OPTION_END,
  OPTION_LEASE,
  OPTION_MASK,
  OPTION_PAD,
  OPTION_REQUESTED,
  OPTION_ROUTER,
  OPTION_SERVER,
  OPTION_TYPE,
  REFUSE,
  REQUEST,
} from "../../../services/net/wire/dhcp.ts";

/** Fields that the client gets back as it sent them: hardware type and length, transaction, flags, relay, hardware address. */
const RETURNED = [
  [DHCP_HARDWARE_TYPE, 2],
  [DHCP_XID, 4],
  [DHCP_FLAGS, 2],
  [DHCP_RELAY, 4],
  [DHCP_HARDWARE, 16],
] as const;
/** A day, as QEMU's user network gives. */
const LEASE_S = 86_400;

export interface DhcpServerOptions {
  readonly udp: Udp;
  /** The guest's MAC address, 6 bytes, and what it is given. */
  readonly mac: Uint8Array;
  readonly address: number;
  readonly mask: number;
  /** This server, which is the gateway, too. */
  readonly server: number;
}

/** Each message has one fate. */
export interface DhcpServerCounters {
  offers: number;
  acknowledged: number;
  refused: number;
  /** No question of the guest's, or one that is for another server or not for any. */
  ignored: number;
  /** Answers that could not be sent. */
  unsent: number;
}

export class DhcpServer implements UdpHandler {
  readonly counters: DhcpServerCounters = { offers: 0, acknowledged: 0, refused: 0, ignored: 0, unsent: 0 };
  readonly #options: DhcpServerOptions;
  /** What the message in hand asks for: its type, the address and the server, 0 for what it does not say. */
  #type = 0;
  #requested = 0;
  #server = 0;

  /** @throws RangeError if the server's port is taken. */
  constructor(options: DhcpServerOptions) {
    this.#options = options;
    options.udp.bind(DHCP_SERVER_PORT, this);
  }

  datagram({ bytes }: Packet, sourcePort: number, start: number, length: number): void {
    const { counters } = this;
    if (
      sourcePort !== DHCP_CLIENT_PORT ||
      !checkDhcp(bytes, start, length, BOOT_REQUEST) ||
      !this.#isGuest(bytes, start + DHCP_HARDWARE) ||
      !this.#parse(bytes, start + DHCP_OPTIONS, start + length)
    ) {
      counters.ignored++;
      return;
    }
    const answer = this.#answer(getI32(bytes, start + DHCP_CLIENT_ADDRESS));
    if (answer === 0) counters.ignored++;
    else if (!this.#send(answer, bytes, start)) counters.unsent++;
    else if (answer === OFFER) counters.offers++;
    else if (answer === ACKNOWLEDGE) counters.acknowledged++;
    else counters.refused++;
  }

  /** RFC 2131 §4.3: the type of the answer, 0 for none. */
  #answer(client: number): number {
    const { address, server } = this.#options;
    if (this.#type === DISCOVER) return OFFER;
    if (this.#type !== REQUEST || (this.#server !== 0 && this.#server !== server)) return 0;
    // §4.3.2: who has an address says so in its own field and asks for no other.
    return (client === 0 ? this.#requested : client) === address ? ACKNOWLEDGE : REFUSE;
  }

  #isGuest(bytes: Uint8Array, at: number): boolean {
    return this.#options.mac.every((byte, i) => bytes[at + i] === byte);
  }

  /** @returns false if there is no message type, or an option runs beyond the message. */
  #parse(bytes: Uint8Array, start: number, end: number): boolean {
    this.#type = this.#requested = this.#server = 0;
    for (let at = start; at < end && bytes[at] !== OPTION_END;) {
      const kind = bytes[at];
      if (kind === OPTION_PAD) {
        at++;
        continue;
      }
      const length = at + 1 < end ? bytes[at + 1]! : end;
      const value = at + 2;
      if (value + length > end) return false;
      if (kind === OPTION_TYPE && length === 1) this.#type = bytes[value]!;
      else if (kind === OPTION_REQUESTED && length === 4) this.#requested = getI32(bytes, value);
      else if (kind === OPTION_SERVER && length === 4) this.#server = getI32(bytes, value);
      at = value + length;
    }
    return this.#type !== 0;
  }

  /** Answer the message at `start` of `bytes` (§4.3.1 table 3). @returns false if it cannot be sent. */
  #send(type: number, bytes: Uint8Array, start: number): boolean {
    const { udp, address, mask, server } = this.#options;
    const client = getI32(bytes, start + DHCP_CLIENT_ADDRESS);
    // §4.1: to where the client is if it has its address, unless it wants everybody to hear.
    const everybody = type !== ACKNOWLEDGE || client === 0 || (bytes[start + DHCP_FLAGS]! & BROADCAST_FLAG) !== 0;
    if (!udp.begin(everybody ? BROADCAST : client)) return false;
    const { tx, data } = udp;
    tx.fill(0, data, data + DHCP_OPTIONS);
    tx[data + DHCP_OP] = BOOT_REPLY;
    for (const [at, fieldLength] of RETURNED) {
      for (let i = at; i < at + fieldLength; i++) tx[data + i] = bytes[start + i]!;
    }
    if (type === ACKNOWLEDGE) putI32(tx, data + DHCP_CLIENT_ADDRESS, client);
    if (type !== REFUSE) putI32(tx, data + DHCP_YOUR_ADDRESS, address);
    putI32(tx, data + DHCP_MAGIC, getI32(bytes, start + DHCP_MAGIC));
    let at = data + DHCP_OPTIONS;
    tx[at++] = OPTION_TYPE;
    tx[at++] = 1;
    tx[at++] = type;
    at = emitWord(tx, at, OPTION_SERVER, server);
    if (type !== REFUSE) {
      at = emitWord(tx, at, OPTION_LEASE, LEASE_S);
      at = emitWord(tx, at, OPTION_MASK, mask);
      at = emitWord(tx, at, OPTION_ROUTER, server);
    }
    tx[at++] = OPTION_END;
    tx.fill(OPTION_PAD, at, data + DHCP_LENGTH_MIN);
    udp.send(DHCP_SERVER_PORT, DHCP_CLIENT_PORT, DHCP_LENGTH_MIN);
    return true;
  }
}
