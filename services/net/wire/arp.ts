/**
 * ARP for IPv4 over Ethernet (RFC 826): where the fields are, counted from the packet's start.
 * After {@link checkArp} returned true, every field can be read.
 */
import { getU16, putI32, putU16 } from "./bytes.ts";
import { putMac } from "./ethernet.ts";

export const ARP_HARDWARE = 0;
export const ARP_PROTOCOL = 2;
export const ARP_HARDWARE_LENGTH = 4;
export const ARP_PROTOCOL_LENGTH = 5;
export const ARP_OPERATION = 6;
export const ARP_SENDER_MAC = 8;
export const ARP_SENDER_IP = 14;
export const ARP_TARGET_MAC = 18;
export const ARP_TARGET_IP = 24;
export const ARP_LENGTH = 28;

export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;

const HARDWARE_ETHERNET = 1;
const PROTOCOL_IPV4 = 0x0800;

/** Whether it is a whole request or reply for IPv4 over Ethernet from a sender that can be one. Padding after it is usual. */
export function checkArp(bytes: Uint8Array, at: number, length: number): boolean {
  if (length < ARP_LENGTH) return false;
  if (getU16(bytes, at + ARP_HARDWARE) !== HARDWARE_ETHERNET) return false;
  if (getU16(bytes, at + ARP_PROTOCOL) !== PROTOCOL_IPV4) return false;
  if (bytes[at + ARP_HARDWARE_LENGTH] !== 6 || bytes[at + ARP_PROTOCOL_LENGTH] !== 4) return false;
  if ((bytes[at + ARP_SENDER_MAC]! & 1) !== 0) return false;
  const operation = getU16(bytes, at + ARP_OPERATION);
  return operation === ARP_REQUEST || operation === ARP_REPLY;
}

export function emitArp(
  bytes: Uint8Array,
  at: number,
  operation: number,
  senderMac: Uint8Array,
  senderIp: number,
  targetMac: Uint8Array,
  targetMacAt: number,
  targetIp: number,
): void {
  putU16(bytes, at + ARP_HARDWARE, HARDWARE_ETHERNET);
  putU16(bytes, at + ARP_PROTOCOL, PROTOCOL_IPV4);
  bytes[at + ARP_HARDWARE_LENGTH] = 6;
  bytes[at + ARP_PROTOCOL_LENGTH] = 4;
  putU16(bytes, at + ARP_OPERATION, operation);
  putMac(bytes, at + ARP_SENDER_MAC, senderMac, 0);
  putI32(bytes, at + ARP_SENDER_IP, senderIp);
  putMac(bytes, at + ARP_TARGET_MAC, targetMac, targetMacAt);
  putI32(bytes, at + ARP_TARGET_IP, targetIp);
}
