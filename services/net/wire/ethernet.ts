/**
 * Ethernet II frames without FCS (IEEE 802.3 §3.2.6): where the fields are.
 * After {@link checkEthernet} returned a type, every field can be read.
 */
import { getU16, putU16 } from "./bytes.ts";

export const ETHERNET_DESTINATION = 0;
export const ETHERNET_SOURCE = 6;
export const ETHERNET_TYPE = 12;
export const ETHERNET_HEADER = 14;

export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;

/** What {@link checkEthernet} returns for a frame that cannot be used. */
export const ETHERNET_MALFORMED = -1;

/**
 * Whether the header is there and the source can be one: the group bit is never set in it.
 * @returns the frame's type (or, below 1536, its length), or {@link ETHERNET_MALFORMED}.
 */
export function checkEthernet(bytes: Uint8Array, at: number, length: number): number {
  if (length < ETHERNET_HEADER || (bytes[at + ETHERNET_SOURCE]! & 1) !== 0) return ETHERNET_MALFORMED;
  return getU16(bytes, at + ETHERNET_TYPE);
}

export function putMac(bytes: Uint8Array, at: number, mac: Uint8Array, start: number): void {
  for (let i = 0; i < 6; i++) bytes[at + i] = mac[start + i]!;
}

export function emitEthernet(
  bytes: Uint8Array,
  at: number,
  destination: Uint8Array,
  destinationAt: number,
  source: Uint8Array,
  type: number,
): void {
  putMac(bytes, at + ETHERNET_DESTINATION, destination, destinationAt);
  putMac(bytes, at + ETHERNET_SOURCE, source, 0);
  putU16(bytes, at + ETHERNET_TYPE, type);
}
