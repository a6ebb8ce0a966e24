/**
 * UDP datagrams (RFC 768): where the fields are, counted from the header's start. The length comes out of {@link checkUdp}
 * and not out of a second read, because a device could change it in between.
 */
import type { Bytes } from "../../ports/index.ts";
import { getU16, putU16 } from "./bytes.ts";
import { pseudoHeaderSum } from "./checksum.ts";
import { PROTOCOL_UDP } from "./ipv4.ts";

export const UDP_SOURCE_PORT = 0;
export const UDP_DESTINATION_PORT = 2;
export const UDP_LENGTH = 4;
export const UDP_CHECKSUM = 6;
export const UDP_HEADER = 8;

/** What {@link checkUdp} returns for a datagram that cannot be used. */
export const UDP_MALFORMED = -1;
export const UDP_BAD_CHECKSUM = -2;

/**
 * Whether a whole datagram is there, its checksum right or not used.
 * @returns its length, header included, at most `length`; or a negative reason.
 */
export function checkUdp(
  bytes: Uint8Array,
  at: number,
  length: number,
  source: number,
  destination: number,
  sum: Bytes,
): number {
  if (length < UDP_HEADER) return UDP_MALFORMED;
  const own = getU16(bytes, at + UDP_LENGTH);
  if (own < UDP_HEADER || own > length || getU16(bytes, at + UDP_DESTINATION_PORT) === 0) return UDP_MALFORMED;
  if (getU16(bytes, at + UDP_CHECKSUM) === 0) return own;
  const initial = pseudoHeaderSum(source, destination, PROTOCOL_UDP, own);
  return sum.checksum(bytes, at, own, initial) === 0xffff ? own : UDP_BAD_CHECKSUM;
}

/** A header, when the `length - 8` bytes of data behind it are there. */
export function emitUdp(
  bytes: Uint8Array,
  at: number,
  sourcePort: number,
  destinationPort: number,
  length: number,
  source: number,
  destination: number,
  sum: Bytes,
): void {
  putU16(bytes, at + UDP_SOURCE_PORT, sourcePort);
  putU16(bytes, at + UDP_DESTINATION_PORT, destinationPort);
  putU16(bytes, at + UDP_LENGTH, length);
  putU16(bytes, at + UDP_CHECKSUM, 0);
  const checksum =
    ~sum.checksum(bytes, at, length, pseudoHeaderSum(source, destination, PROTOCOL_UDP, length)) & 0xffff;
  // 0 means that there is none; the other zero of one's complement stands for it.
  putU16(bytes, at + UDP_CHECKSUM, checksum === 0 ? 0xffff : checksum);
}
