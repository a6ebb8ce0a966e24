/**
 * IPv4 headers (RFC 791): where the fields are, counted from the header's start.
 * The lengths come out of {@link checkIpv4} and not out of a second read, because a device could change them in between.
 */
import type { Bytes } from "../../ports/index.ts";
import { getU16, putI32, putU16 } from "./bytes.ts";

export const IPV4_VERSION_IHL = 0;
export const IPV4_DSCP = 1;
export const IPV4_TOTAL_LENGTH = 2;
export const IPV4_ID = 4;
export const IPV4_FRAGMENT = 6;
export const IPV4_TTL = 8;
export const IPV4_PROTOCOL = 9;
export const IPV4_CHECKSUM = 10;
export const IPV4_SOURCE = 12;
export const IPV4_DESTINATION = 16;
/** A header without options, which is what we send. */
export const IPV4_HEADER = 20;

export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;

/** More fragments, or an offset. */
const FRAGMENT_MASK = 0x3fff;
const DONT_FRAGMENT = 0x4000;
/** RFC 1700's default. */
const TTL = 64;

/** What {@link checkIpv4} returns for a header that cannot be used. */
export const IPV4_MALFORMED = -1;
export const IPV4_BAD_CHECKSUM = -2;
export const IPV4_FRAGMENTED = -3;

/**
 * Whether a whole packet with a sound header is there, in one piece.
 * @returns `header length << 16 | total length`, or a negative reason. The total length covers the header, is at most
 * `length`, and may be less: short frames are padded.
 */
export function checkIpv4(bytes: Uint8Array, at: number, length: number, sum: Bytes): number {
  if (length < IPV4_HEADER) return IPV4_MALFORMED;
  const first = bytes[at + IPV4_VERSION_IHL]!;
  const header = (first & 0xf) << 2;
  const total = getU16(bytes, at + IPV4_TOTAL_LENGTH);
  if (first >> 4 !== 4 || header < IPV4_HEADER || header > total || total > length) return IPV4_MALFORMED;
  if (sum.checksum(bytes, at, header, 0) !== 0xffff) return IPV4_BAD_CHECKSUM;
  if ((getU16(bytes, at + IPV4_FRAGMENT) & FRAGMENT_MASK) !== 0) return IPV4_FRAGMENTED;
  return (header << 16) | total;
}

/**
 * What the fields that no packet of ours changes add to a header's checksum: everything but total length, protocol and
 * destination.
 */
export function ipv4FixedSum(source: number): number {
  return 0x4500 + DONT_FRAGMENT + (TTL << 8) + (source >>> 16) + (source & 0xffff);
}

/**
 * A header without options and with nothing in the fields that {@link completeIpv4} writes: made once per source address.
 * The packet must not be fragmented on its way and so needs no identification (RFC 6864 §4.1).
 */
export function emitIpv4Template(bytes: Uint8Array, at: number, source: number): void {
  bytes[at + IPV4_VERSION_IHL] = 0x45;
  bytes[at + IPV4_DSCP] = 0;
  putU16(bytes, at + IPV4_TOTAL_LENGTH, 0);
  putU16(bytes, at + IPV4_ID, 0);
  putU16(bytes, at + IPV4_FRAGMENT, DONT_FRAGMENT);
  bytes[at + IPV4_TTL] = TTL;
  bytes[at + IPV4_PROTOCOL] = 0;
  putU16(bytes, at + IPV4_CHECKSUM, 0);
  putI32(bytes, at + IPV4_SOURCE, source);
  putI32(bytes, at + IPV4_DESTINATION, 0);
}

/** The rest of a header, and its checksum without reading it again: `fixedSum` is {@link ipv4FixedSum}'s. */
export function completeIpv4(
  bytes: Uint8Array,
  at: number,
  total: number,
  protocol: number,
  destination: number,
  fixedSum: number,
): void {
  let sum = fixedSum + total + protocol + (destination >>> 16) + (destination & 0xffff);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = ~(sum + (sum >> 16));
  bytes[at + IPV4_TOTAL_LENGTH] = total >> 8;
  bytes[at + IPV4_TOTAL_LENGTH + 1] = total;
  bytes[at + IPV4_PROTOCOL] = protocol;
  bytes[at + IPV4_CHECKSUM] = sum >> 8;
  bytes[at + IPV4_CHECKSUM + 1] = sum;
  bytes[at + IPV4_DESTINATION] = destination >> 24;
  bytes[at + IPV4_DESTINATION + 1] = destination >> 16;
  bytes[at + IPV4_DESTINATION + 2] = destination >> 8;
  bytes[at + IPV4_DESTINATION + 3] = destination;
}
