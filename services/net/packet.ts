/**
 * How IPv4 hands packets to the protocols above it, without copying or allocating.
 */

/** A received packet: the same object each time, valid until the handler returns. Offsets count in `bytes`. */
export interface Packet {
  bytes: Uint8Array;
  /** The Ethernet frame, the IPv4 header, and the payload behind its options. */
  frame: number;
  header: number;
  start: number;
  /** Bytes of payload. */
  length: number;
  source: number;
  destination: number;
  /** Whether it went to the whole subnet. */
  broadcast: boolean;
}

/** A protocol's answer to a packet; each packet gets one. */
export const HANDLED = 0;
/** It is malformed: counted, no answer. */
export const REFUSED = 1;
/** It is sound, but nobody is there for it: the sender gets an ICMP port unreachable, at a limited rate. */
export const UNREACHABLE = 2;
export type Verdict = typeof HANDLED | typeof REFUSED | typeof UNREACHABLE;

/** A protocol above IPv4, e.g. TCP. Called in `Interface.poll`; it may send from there. */
export interface ProtocolHandler {
  receive(packet: Packet): Verdict;
}
