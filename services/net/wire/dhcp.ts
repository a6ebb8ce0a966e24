/**
 * DHCP messages (RFC 2131 §2, options of RFC 2132): where the fields are, counted from the message's start. After
 * {@link checkDhcp} the fixed fields can be read; {@link parseDhcpOptions} reads those options that a client needs into one
 * object, and takes none whose length is not what it has to be.
 */
import { getI32, putI32 } from "./bytes.ts";

export const DHCP_OP = 0;
export const DHCP_HARDWARE_TYPE = 1;
export const DHCP_HARDWARE_LENGTH = 2;
export const DHCP_XID = 4;
export const DHCP_SECONDS = 8;
export const DHCP_FLAGS = 10;
export const DHCP_CLIENT_ADDRESS = 12;
export const DHCP_YOUR_ADDRESS = 16;
export const DHCP_RELAY = 24;
export const DHCP_HARDWARE = 28;
const DHCP_SERVER_NAME = 44;
const DHCP_FILE = 108;
export const DHCP_MAGIC = 236;
export const DHCP_OPTIONS = 240;
/** What BOOTP relays expect at least (RFC 1542 §2.1). */
export const DHCP_LENGTH_MIN = 300;

export const DHCP_CLIENT_PORT = 68;
export const DHCP_SERVER_PORT = 67;

export const DISCOVER = 1;
export const OFFER = 2;
export const REQUEST = 3;
export const ACKNOWLEDGE = 5;
export const REFUSE = 6;

export const BOOT_REQUEST = 1;
export const BOOT_REPLY = 2;
const ETHERNET = 1;
const MAGIC = 0x63825363;
/** Answers go to everybody: who asks has no address to send them to. */
export const BROADCAST_FLAG = 0x80;

export const OPTION_PAD = 0;
export const OPTION_MASK = 1;
export const OPTION_ROUTER = 3;
export const OPTION_REQUESTED = 50;
export const OPTION_LEASE = 51;
const OPTION_OVERLOAD = 52;
export const OPTION_TYPE = 53;
export const OPTION_SERVER = 54;
const OPTION_PARAMETERS = 55;
const OPTION_SIZE = 57;
const OPTION_RENEW = 58;
const OPTION_REBIND = 59;
const OPTION_CLIENT = 61;
export const OPTION_END = 255;

/** What a server says. Times in seconds, -1 for what was not said; addresses 0. */
export interface DhcpOptions {
  type: number;
  server: number;
  mask: number;
  /** The first one. */
  router: number;
  leaseS: number;
  renewS: number;
  rebindS: number;
}

/** What a client says. */
export interface DhcpRequest {
  type: number;
  xid: number;
  seconds: number;
  /** Our address, if we have one; then answers may be sent to it. */
  client: number;
  /** Address and server that are asked for, 0 for none. */
  requested: number;
  server: number;
}

/** Whether it is an answer of a DHCP server to a client on Ethernet; with {@link BOOT_REQUEST} a client's question. */
export function checkDhcp(bytes: Uint8Array, at: number, length: number, op = BOOT_REPLY): boolean {
  return (
    length >= DHCP_OPTIONS &&
    bytes[at + DHCP_OP] === op &&
    bytes[at + DHCP_HARDWARE_TYPE] === ETHERNET &&
    bytes[at + DHCP_HARDWARE_LENGTH] === 6 &&
    getI32(bytes, at + DHCP_MAGIC) === MAGIC
  );
}

/** @returns false if there is no message type, or an option runs beyond its field. */
export function parseDhcpOptions(bytes: Uint8Array, at: number, length: number, into: DhcpOptions): boolean {
  into.type = 0;
  into.server = 0;
  into.mask = 0;
  into.router = 0;
  into.leaseS = -1;
  into.renewS = -1;
  into.rebindS = -1;
  const overload = parseField(bytes, at + DHCP_OPTIONS, at + length, into);
  if (overload < 0) return false;
  if ((overload & 1) !== 0 && parseField(bytes, at + DHCP_FILE, at + DHCP_MAGIC, into) < 0) return false;
  if ((overload & 2) !== 0 && parseField(bytes, at + DHCP_SERVER_NAME, at + DHCP_FILE, into) < 0) return false;
  return into.type !== 0;
}

/** @returns which other fields hold options as well (RFC 2132 §9.3), or -1. */
function parseField(bytes: Uint8Array, start: number, end: number, into: DhcpOptions): number {
  let overload = 0;
  for (let at = start; at < end;) {
    const kind = bytes[at]!;
    if (kind === OPTION_END) break;
    if (kind === OPTION_PAD) {
      at++;
      continue;
    }
    const length = at + 1 < end ? bytes[at + 1]! : end;
    const value = at + 2;
    if (value + length > end) return -1;
    if (kind === OPTION_TYPE && length === 1) into.type = bytes[value]!;
    else if (kind === OPTION_OVERLOAD && length === 1) overload = bytes[value]!;
    else if (kind === OPTION_ROUTER && length >= 4) into.router = getI32(bytes, value);
    else if (length === 4) takeWord(kind, getI32(bytes, value), into);
    at = value + length;
  }
  return overload;
}

function takeWord(kind: number, value: number, into: DhcpOptions): void {
  if (kind === OPTION_SERVER) into.server = value;
  else if (kind === OPTION_MASK) into.mask = value;
  else if (kind === OPTION_LEASE) into.leaseS = value >>> 0;
  else if (kind === OPTION_RENEW) into.renewS = value >>> 0;
  else if (kind === OPTION_REBIND) into.rebindS = value >>> 0;
}

/** A client's message. @param mac 6 bytes. @returns its length. */
export function emitDhcp(
  bytes: Uint8Array,
  at: number,
  mac: Uint8Array,
  maxLength: number,
  request: DhcpRequest,
): number {
  bytes.fill(0, at, at + DHCP_OPTIONS);
  bytes[at + DHCP_OP] = BOOT_REQUEST;
  bytes[at + DHCP_HARDWARE_TYPE] = ETHERNET;
  bytes[at + DHCP_HARDWARE_LENGTH] = 6;
  putI32(bytes, at + DHCP_XID, request.xid);
  bytes[at + DHCP_SECONDS] = request.seconds >> 8;
  bytes[at + DHCP_SECONDS + 1] = request.seconds;
  if (request.client === 0) bytes[at + DHCP_FLAGS] = BROADCAST_FLAG;
  putI32(bytes, at + DHCP_CLIENT_ADDRESS, request.client);
  for (let i = 0; i < 6; i++) bytes[at + DHCP_HARDWARE + i] = mac[i]!;
  putI32(bytes, at + DHCP_MAGIC, MAGIC);
  let end = at + DHCP_OPTIONS;
  bytes[end++] = OPTION_TYPE;
  bytes[end++] = 1;
  bytes[end++] = request.type;
  bytes[end++] = OPTION_CLIENT;
  bytes[end++] = 7;
  bytes[end++] = ETHERNET;
  for (let i = 0; i < 6; i++) bytes[end++] = mac[i]!;
  if (request.requested !== 0) end = emitWord(bytes, end, OPTION_REQUESTED, request.requested);
  if (request.server !== 0) end = emitWord(bytes, end, OPTION_SERVER, request.server);
  bytes[end++] = OPTION_SIZE;
  bytes[end++] = 2;
  bytes[end++] = maxLength >> 8;
  bytes[end++] = maxLength;
  bytes[end++] = OPTION_PARAMETERS;
  bytes[end++] = 5;
  bytes[end++] = OPTION_MASK;
  bytes[end++] = OPTION_ROUTER;
  bytes[end++] = OPTION_LEASE;
  bytes[end++] = OPTION_RENEW;
  bytes[end++] = OPTION_REBIND;
  bytes[end++] = OPTION_END;
  while (end < at + DHCP_LENGTH_MIN) bytes[end++] = OPTION_PAD;
  return end - at;
}

/** An option of four bytes. @returns where the next begins. */
export function emitWord(bytes: Uint8Array, at: number, kind: number, value: number): number {
  bytes[at] = kind;
  bytes[at + 1] = 4;
  putI32(bytes, at + 2, value);
  return at + 6;
}
