/**
 * TCP segments (RFC 9293 §3.1): where the fields are, counted from the header's start. After {@link checkTcp} returned a
 * length the fixed fields can be read; after {@link parseTcpOptions} returned true the options are in one object that is
 * used again for every segment.
 */
import type { Bytes } from "../../ports/index.ts";
import { getI32, getU16, putI32, putU16 } from "./bytes.ts";
import { pseudoHeaderSum } from "./checksum.ts";
import { PROTOCOL_TCP } from "./ipv4.ts";

export const TCP_SOURCE_PORT = 0;
export const TCP_DESTINATION_PORT = 2;
/** Both ports as one number, source in the upper half. */
export const TCP_PORTS = 0;
export const TCP_SEQUENCE = 4;
export const TCP_ACKNOWLEDGEMENT = 8;
/** Header's length in words of four bytes, in the upper half. */
export const TCP_OFFSET = 12;
export const TCP_FLAGS = 13;
export const TCP_WINDOW = 14;
export const TCP_CHECKSUM = 16;
export const TCP_URGENT = 18;
/** A header without options. */
export const TCP_HEADER = 20;

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MSS = 2;
const OPTION_WINDOW_SCALE = 3;
const OPTION_SACK_PERMITTED = 4;
const OPTION_SACK = 5;
const OPTION_TIMESTAMPS = 8;

/** NOP, NOP, timestamps, 10: how RFC 7323 appendix A has them laid out, so that they are found at one look. */
const TIMESTAMPS_WORD = 0x0101080a;
/** Timestamps as {@link emitTimestamps} writes them, padding included. */
export const TIMESTAMPS_LENGTH = 12;
/** Most ranges that fit a header. */
export const SACK_MAX = 4;

/** What {@link checkTcp} returns for a segment that cannot be used. */
export const TCP_MALFORMED = -1;
export const TCP_BAD_CHECKSUM = -2;

/** A segment's options. */
export interface TcpOptions {
  /** Maximum segment size, -1 if not given. */
  mss: number;
  /** Shift of the window, at most 14; -1 if not given. */
  windowScale: number;
  sackPermitted: boolean;
  timestamps: boolean;
  timestamp: number;
  echo: number;
  /** Ranges in `sacks`, each a left and a right edge. */
  sackCount: number;
  readonly sacks: Int32Array;
}

export function createTcpOptions(): TcpOptions {
  return {
    mss: -1,
    windowScale: -1,
    sackPermitted: false,
    timestamps: false,
    timestamp: 0,
    echo: 0,
    sackCount: 0,
    sacks: new Int32Array(2 * SACK_MAX),
  };
}

/**
 * Whether a whole segment with a right checksum and possible ports is there.
 * @returns the header's length, options included, or a negative reason.
 */
export function checkTcp(
  bytes: Uint8Array,
  at: number,
  length: number,
  source: number,
  destination: number,
  sum: Bytes,
): number {
  if (length < TCP_HEADER) return TCP_MALFORMED;
  const header = (bytes[at + TCP_OFFSET]! >> 4) << 2;
  if (header < TCP_HEADER || header > length) return TCP_MALFORMED;
  if (sum.checksum(bytes, at, length, pseudoHeaderSum(source, destination, PROTOCOL_TCP, length)) !== 0xffff) {
    return TCP_BAD_CHECKSUM;
  }
  const ports = getI32(bytes, at + TCP_PORTS);
  return ports >>> 16 === 0 || (ports & 0xffff) === 0 ? TCP_MALFORMED : header;
}

/** Read a header's options. @returns false if one has a length that cannot be; nothing of them counts then. */
export function parseTcpOptions(bytes: Uint8Array, at: number, header: number, into: TcpOptions): boolean {
  into.mss = -1;
  into.windowScale = -1;
  into.sackPermitted = false;
  into.timestamps = false;
  into.sackCount = 0;
  let i = at + TCP_HEADER;
  const end = at + header;
  if (end - i === TIMESTAMPS_LENGTH && getI32(bytes, i) === TIMESTAMPS_WORD) {
    into.timestamps = true;
    into.timestamp = getI32(bytes, i + 4);
    into.echo = getI32(bytes, i + 8);
    return true;
  }
  while (i < end) {
    const kind = bytes[i]!;
    if (kind === OPTION_END) return true;
    if (kind === OPTION_NOP) {
      i++;
      continue;
    }
    const length = i + 1 < end ? bytes[i + 1]! : 0;
    if (length < 2 || i + length > end || !parseOption(bytes, i, kind, length, into)) return false;
    i += length;
  }
  return true;
}

function parseOption(bytes: Uint8Array, at: number, kind: number, length: number, into: TcpOptions): boolean {
  switch (kind) {
    case OPTION_MSS:
      if (length !== 4) return false;
      into.mss = getU16(bytes, at + 2);
      return true;
    case OPTION_WINDOW_SCALE:
      if (length !== 3) return false;
      // RFC 7323 §2.3: a larger shift is to be taken as 14.
      into.windowScale = Math.min(14, bytes[at + 2]!);
      return true;
    case OPTION_SACK_PERMITTED:
      into.sackPermitted = true;
      return length === 2;
    case OPTION_TIMESTAMPS:
      if (length !== 10) return false;
      into.timestamps = true;
      into.timestamp = getI32(bytes, at + 2);
      into.echo = getI32(bytes, at + 6);
      return true;
    case OPTION_SACK: {
      const count = (length - 2) >> 3;
      if (length !== 2 + 8 * count || count === 0 || count > SACK_MAX) return false;
      for (let i = 0; i < 2 * count; i++) into.sacks[i] = getI32(bytes, at + 2 + 4 * i);
      into.sackCount = count;
      return true;
    }
    default:
      // RFC 9293 §3.2: options that we do not know are skipped by their length.
      return true;
  }
}

/** Everything but the checksum, which {@link completeTcp} writes when options and data are there. */
export function emitTcpHeader(
  bytes: Uint8Array,
  at: number,
  ports: number,
  sequence: number,
  acknowledgement: number,
  header: number,
  flags: number,
  window: number,
): void {
  putI32(bytes, at + TCP_PORTS, ports);
  putI32(bytes, at + TCP_SEQUENCE, sequence);
  putI32(bytes, at + TCP_ACKNOWLEDGEMENT, acknowledgement);
  bytes[at + TCP_OFFSET] = header << 2;
  bytes[at + TCP_FLAGS] = flags;
  putU16(bytes, at + TCP_WINDOW, window);
  putI32(bytes, at + TCP_CHECKSUM, 0);
}

export function emitTimestamps(bytes: Uint8Array, at: number, timestamp: number, echo: number): void {
  putI32(bytes, at, TIMESTAMPS_WORD);
  putI32(bytes, at + 4, timestamp);
  putI32(bytes, at + 8, echo);
}

/**
 * A SYN's options. @param windowScale none if it is negative. Timestamps go behind it, see {@link emitTimestamps}.
 * @returns their length, a multiple of four.
 */
export function emitSynOptions(
  bytes: Uint8Array,
  at: number,
  mss: number,
  windowScale: number,
  sackPermitted: boolean,
): number {
  putI32(bytes, at, (OPTION_MSS << 24) | (4 << 16) | mss);
  let length = 4;
  if (windowScale >= 0) {
    putI32(bytes, at + length, (OPTION_NOP << 24) | (OPTION_WINDOW_SCALE << 16) | (3 << 8) | windowScale);
    length += 4;
  }
  if (sackPermitted) {
    putI32(bytes, at + length, (OPTION_NOP << 24) | (OPTION_NOP << 16) | (OPTION_SACK_PERMITTED << 8) | 2);
    length += 4;
  }
  return length;
}

/** A SACK option of `count` ranges, aligned. @returns its length, a multiple of four. */
export function emitSack(bytes: Uint8Array, at: number, count: number, edges: Int32Array): number {
  putI32(bytes, at, (OPTION_NOP << 24) | (OPTION_NOP << 16) | (OPTION_SACK << 8) | (2 + 8 * count));
  for (let i = 0; i < 2 * count; i++) putI32(bytes, at + 4 + 4 * i, edges[i]!);
  return 4 + 8 * count;
}

/** The checksum of a segment whose checksum field is 0. */
export function completeTcp(
  bytes: Uint8Array,
  at: number,
  length: number,
  source: number,
  destination: number,
  sum: Bytes,
): void {
  const initial = pseudoHeaderSum(source, destination, PROTOCOL_TCP, length);
  putU16(bytes, at + TCP_CHECKSUM, ~sum.checksum(bytes, at, length, initial));
}
