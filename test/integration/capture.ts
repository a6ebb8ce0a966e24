/** Reads what QEMU's `filter-dump` wrote (`--pcap`): TCP segments of the hive's wire, with the machine's own time. */
import { readFileSync } from "node:fs";

/** The classic capture format: a header, then each packet behind its time and length. */
const MAGIC = 0xa1b2c3d4;
const FILE_HEADER = 24;
const PACKET_HEADER = 16;
const ETHERNET_HEADER = 14;
const IPV4 = 0x0800;
const TCP = 6;

export const FIN = 1;
export const SYN = 2;
export const RST = 4;

export interface Segment {
  /** Since the machine was started. */
  readonly atMs: number;
  /** Ports. */
  readonly from: number;
  readonly to: number;
  readonly flags: number;
  readonly payload: Buffer;
}

/** @throws Error if it is no such file */
export function segmentsOf(path: string): Segment[] {
  const file = readFileSync(path);
  if (file.readUInt32LE(0) !== MAGIC) throw new Error(`${path} is no capture`);
  const segments: Segment[] = [];
  let startUs: number | undefined;
  for (let at = FILE_HEADER; at + PACKET_HEADER <= file.length;) {
    const us = file.readUInt32LE(at) * 1e6 + file.readUInt32LE(at + 4);
    startUs ??= us;
    const length = file.readUInt32LE(at + 8);
    const segment = segmentOf(file.subarray(at + PACKET_HEADER, at + PACKET_HEADER + length), (us - startUs) / 1000);
    if (segment !== undefined) segments.push(segment);
    at += PACKET_HEADER + length;
  }
  return segments;
}

function segmentOf(bytes: Buffer, atMs: number): Segment | undefined {
  const ip = bytes.subarray(ETHERNET_HEADER);
  if (bytes.readUInt16BE(12) !== IPV4 || ip[9] !== TCP) return undefined;
  const headerBytes = (ip.readUInt8(0) & 15) * 4;
  const tcp = ip.subarray(headerBytes, ip.readUInt16BE(2));
  return {
    atMs,
    from: tcp.readUInt16BE(0),
    to: tcp.readUInt16BE(2),
    flags: tcp.readUInt8(13),
    payload: tcp.subarray((tcp.readUInt8(12) >> 4) * 4),
  };
}
