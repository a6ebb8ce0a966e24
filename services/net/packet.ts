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
  /**
   * Somebody says that a packet of ours did not arrive (RFC 1122 §3.2.2). Anybody can say so: the first 8 bytes of its
   * payload, at `at`, have to show that it was ours.
   * @param code of destination unreachable, or {@link TIME_EXCEEDED}
   * @param mtu what the next hop takes, in bytes, 0 if it was not said
   * @returns whether it was.
   */
  undelivered?(code: number, bytes: Uint8Array, at: number, destination: number, mtu: number): boolean;
  /** Our address is another now, or none. */
  readdressed?(): void;
}

/** No code of destination unreachable. */
export const TIME_EXCEEDED = -1;
