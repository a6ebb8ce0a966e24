/**
 * A capture file of one TCP connection on port 564 (pcap, "The classic libpcap format"), made of 9P messages alone: each is a
 * segment of its own, in order, with true lengths and checksums, so a dissector has nothing to reassemble or to doubt.
 */
const PORT = 564;
const CLIENT_PORT = 40000;
const ETHERNET = 14;
const IP = 20;
const TCP = 20;

export interface Segment {
  /** Whether the client sends it. */
  readonly request: boolean;
  readonly bytes: Uint8Array;
}

export function pcap(segments: readonly Segment[]): Uint8Array {
  const file = Buffer.alloc(24 + segments.reduce((sum, { bytes }) => sum + 16 + ETHERNET + IP + TCP + bytes.length, 0));
  // Magic of microseconds, version 2.4, no zone, no accuracy, 256 KiB of each packet, Ethernet.
  file.writeUInt32LE(0xa1b2c3d4, 0);
  file.writeUInt16LE(2, 4);
  file.writeUInt16LE(4, 6);
  file.writeUInt32LE(262144, 16);
  file.writeUInt32LE(1, 20);
  const sequence = { client: 1, server: 1 };
  let at = 24;
  segments.forEach(({ request, bytes }, index) => {
    const length = ETHERNET + IP + TCP + bytes.length;
    file.writeUInt32LE(Math.floor(index / 1000), at);
    file.writeUInt32LE((index % 1000) * 1000, at + 4);
    file.writeUInt32LE(length, at + 8);
    file.writeUInt32LE(length, at + 12);
    frame(file.subarray(at + 16, at + 16 + length), { request, bytes }, sequence);
    if (request) sequence.client += bytes.length;
    else sequence.server += bytes.length;
    at += 16 + length;
  });
  return file;
}

function frame(into: Buffer, { request, bytes }: Segment, sequence: { client: number; server: number }): void {
  const [from, to] = request ? [1, 2] : [2, 1];
  into.set([2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 0x08, 0x00]);
  const ip = into.subarray(ETHERNET, ETHERNET + IP);
  ip[0] = 0x45;
  ip.writeUInt16BE(IP + TCP + bytes.length, 2);
  ip[6] = 0x40; // do not fragment
  ip[8] = 64;
  ip[9] = 6;
  ip.set([127, 0, 0, from], 12);
  ip.set([127, 0, 0, to], 16);
  ip.writeUInt16BE(checksum(ip, 0), 10);
  const tcp = into.subarray(ETHERNET + IP);
  tcp.writeUInt16BE(request ? CLIENT_PORT : PORT, 0);
  tcp.writeUInt16BE(request ? PORT : CLIENT_PORT, 2);
  tcp.writeUInt32BE(request ? sequence.client : sequence.server, 4);
  tcp.writeUInt32BE(request ? sequence.server : sequence.client, 8);
  tcp[12] = (TCP / 4) << 4;
  tcp[13] = 0x18; // PSH, ACK
  tcp.writeUInt16BE(65535, 14);
  tcp.set(bytes, TCP);
  // The pseudo header's addresses, protocol and length (RFC 9293, section 3.1).
  const pseudo = 2 * 0x7f00 + 1 + 2 + 6 + tcp.length;
  tcp.writeUInt16BE(checksum(tcp, pseudo), 16);
}

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Buffer, initial: number): number {
  let sum = initial;
  for (let i = 0; i < bytes.length; i++) sum += i % 2 === 0 ? bytes[i]! << 8 : bytes[i]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum ^ 0xffff;
}
