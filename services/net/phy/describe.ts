/**
 * A frame as one line of text for people: what it is, from whom, to whom, and the numbers that tell one from the next. It
 * takes any bytes whatever, says where they stop making sense, and checks no checksum.
 */
import { formatIpv4, formatMac } from "../address.ts";
import {
  ARP_LENGTH,
  ARP_OPERATION,
  ARP_REPLY,
  ARP_REQUEST,
  ARP_SENDER_IP,
  ARP_SENDER_MAC,
  ARP_TARGET_IP,
} from "../wire/arp.ts";
import { getI32, getU16 } from "../wire/bytes.ts";
import {
  ETHERNET_DESTINATION,
  ETHERNET_HEADER,
  ETHERNET_SOURCE,
  ETHERNET_TYPE,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
} from "../wire/ethernet.ts";
import { ICMP_CODE, ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST, ICMP_HEADER, ICMP_REST, ICMP_TYPE } from "../wire/icmp.ts";
import {
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_HEADER,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IPV4_TOTAL_LENGTH,
  PROTOCOL_ICMP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from "../wire/ipv4.ts";

/** RFC 9293 §3.1, RFC 768. */
const TCP_HEADER = 20;
const UDP_HEADER = 8;
const TCP_FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"] as const;

/** @param length what there is from `at` on */
export function describeFrame(bytes: Uint8Array, at: number, length: number): string {
  if (length < ETHERNET_HEADER) return `${length} bytes, no Ethernet header`;
  const type = getU16(bytes, at + ETHERNET_TYPE);
  const ends = `${formatMac(bytes, at + ETHERNET_SOURCE)} > ${formatMac(bytes, at + ETHERNET_DESTINATION)}`;
  const payload = at + ETHERNET_HEADER;
  const rest = length - ETHERNET_HEADER;
  if (type === ETHERTYPE_IPV4) return `${length} bytes ${describeIpv4(bytes, payload, rest)}`;
  if (type === ETHERTYPE_ARP) return `${length} bytes ${ends} ${describeArp(bytes, payload, rest)}`;
  return `${length} bytes ${ends} type 0x${type.toString(16).padStart(4, "0")}`;
}

function describeArp(bytes: Uint8Array, at: number, length: number): string {
  if (length < ARP_LENGTH) return "ARP, cut";
  const operation = getU16(bytes, at + ARP_OPERATION);
  const sender = formatIpv4(getI32(bytes, at + ARP_SENDER_IP));
  const target = formatIpv4(getI32(bytes, at + ARP_TARGET_IP));
  if (operation === ARP_REQUEST) return `ARP who has ${target}, tell ${sender}`;
  if (operation === ARP_REPLY) return `ARP ${sender} is at ${formatMac(bytes, at + ARP_SENDER_MAC)}`;
  return `ARP operation ${operation}`;
}

function describeIpv4(bytes: Uint8Array, at: number, length: number): string {
  if (length < IPV4_HEADER) return "IPv4, cut";
  const header = (bytes[at]! & 15) * 4;
  const total = getU16(bytes, at + IPV4_TOTAL_LENGTH);
  const source = formatIpv4(getI32(bytes, at + IPV4_SOURCE));
  const destination = formatIpv4(getI32(bytes, at + IPV4_DESTINATION));
  const ends = `${source} > ${destination}`;
  if (bytes[at]! >> 4 !== 4 || header < IPV4_HEADER || total < header || total > length)
    return `IPv4 ${ends}, malformed`;
  // More fragments, or an offset: what follows is no header of a protocol.
  if ((getU16(bytes, at + IPV4_FRAGMENT) & 0x3fff) !== 0) return `IPv4 ${ends} fragment`;
  const protocol = bytes[at + IPV4_PROTOCOL]!;
  const payload = at + header;
  const rest = total - header;
  if (protocol === PROTOCOL_ICMP) return `IPv4 ${ends} ${describeIcmp(bytes, payload, rest)}`;
  if (protocol === PROTOCOL_TCP) return describeTcp(bytes, payload, rest, source, destination);
  if (protocol === PROTOCOL_UDP && rest >= UDP_HEADER) {
    const ports = `${source}:${getU16(bytes, payload)} > ${destination}:${getU16(bytes, payload + 2)}`;
    return `UDP ${ports} len=${rest - UDP_HEADER}`;
  }
  return `IPv4 ${ends} protocol ${protocol} len=${rest}`;
}

function describeIcmp(bytes: Uint8Array, at: number, length: number): string {
  if (length < ICMP_HEADER) return "ICMP, cut";
  const type = bytes[at + ICMP_TYPE]!;
  if (type !== ICMP_ECHO_REQUEST && type !== ICMP_ECHO_REPLY) return `ICMP type ${type} code ${bytes[at + ICMP_CODE]!}`;
  const what = type === ICMP_ECHO_REQUEST ? "request" : "reply";
  return `ICMP echo ${what} id=${getU16(bytes, at + ICMP_REST)} seq=${getU16(bytes, at + ICMP_REST + 2)}`;
}

function describeTcp(bytes: Uint8Array, at: number, length: number, source: string, destination: string): string {
  if (length < TCP_HEADER) return `TCP ${source} > ${destination}, cut`;
  const ports = `${source}:${getU16(bytes, at)} > ${destination}:${getU16(bytes, at + 2)}`;
  const header = (bytes[at + 12]! >> 4) * 4;
  if (header < TCP_HEADER || header > length) return `TCP ${ports}, malformed`;
  const flags = TCP_FLAGS.filter((_, bit) => (bytes[at + 13]! & (1 << bit)) !== 0).join(" ");
  const sequence = getI32(bytes, at + 4) >>> 0;
  const acknowledged = getI32(bytes, at + 8) >>> 0;
  return `TCP ${ports} [${flags}] seq=${sequence} ack=${acknowledged} win=${getU16(bytes, at + 14)} len=${length - header}`;
}
