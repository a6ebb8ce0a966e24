/**
 * ICMP messages (RFC 792): where the fields are, counted from the message's start.
 */
import type { Bytes } from "../../ports/index.ts";
import { getU16, putI32 } from "./bytes.ts";

export const ICMP_TYPE = 0;
export const ICMP_CODE = 1;
export const ICMP_CHECKSUM = 2;
/** Identifier and sequence number of an echo, unused in an error. */
export const ICMP_REST = 4;
export const ICMP_HEADER = 8;

export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
export const ICMP_ECHO_REQUEST = 8;
export const ICMP_TIME_EXCEEDED = 11;

/** Codes of {@link ICMP_UNREACHABLE}. */
export const UNREACHABLE_PROTOCOL = 2;
export const UNREACHABLE_PORT = 3;
/** It had to be fragmented and must not be. */
export const UNREACHABLE_TOO_BIG = 4;

/** What {@link checkIcmp} returns for a message that cannot be used. */
export const ICMP_MALFORMED = -1;
export const ICMP_BAD_CHECKSUM = -2;

/**
 * Whether a whole message is there.
 * @returns the sum of everything behind the checksum (RFC 1071, not complemented), or a negative reason. With it an echo's
 * reply has its checksum without another look at the data, see {@link emitIcmpHeader}.
 */
export function checkIcmp(bytes: Uint8Array, at: number, length: number, sum: Bytes): number {
  if (length < ICMP_HEADER) return ICMP_MALFORMED;
  const rest = sum.checksum(bytes, at + ICMP_REST, length - ICMP_REST, 0);
  let whole = rest + getU16(bytes, at + ICMP_TYPE) + getU16(bytes, at + ICMP_CHECKSUM);
  whole = (whole & 0xffff) + (whole >> 16);
  if ((whole & 0xffff) + (whole >> 16) !== 0xffff) return ICMP_BAD_CHECKSUM;
  return rest;
}

/** Type, code and, from the sum of everything behind it, the checksum. */
export function emitIcmpHeader(bytes: Uint8Array, at: number, type: number, code: number, rest: number): void {
  bytes[at + ICMP_TYPE] = type;
  bytes[at + ICMP_CODE] = code;
  let sum = rest + ((type << 8) | code);
  sum = ~((sum & 0xffff) + (sum >> 16));
  bytes[at + ICMP_CHECKSUM] = sum >> 8;
  bytes[at + ICMP_CHECKSUM + 1] = sum;
}

/** The unused word of an error message. */
export function clearIcmpRest(bytes: Uint8Array, at: number): void {
  putI32(bytes, at + ICMP_REST, 0);
}
