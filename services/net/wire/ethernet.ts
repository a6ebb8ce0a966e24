/**
 * Ethernet II frames without FCS (IEEE 802.3 §3.2.6): where the fields are.
 * After {@link checkEthernet} returned true, every field can be read.
 */
import { putU16 } from "./bytes.ts";

export const ETHERNET_DESTINATION = 0;
export const ETHERNET_SOURCE = 6;
export const ETHERNET_TYPE = 12;
export const ETHERNET_HEADER = 14;

export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;

/** Whether the header is there and the source can be one: the group bit is never set in it. */
export function checkEthernet(bytes: Uint8Array, at: number, length: number): boolean {
  return length >= ETHERNET_HEADER && (bytes[at + ETHERNET_SOURCE]! & 1) === 0;
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
