/**
 * What became of every frame. Each frame that comes in has exactly one fate, so `frames` equals the sum of all numbers in
 * `handled` and `dropped`; a test holds the stack to that. `netstats` prints them by these names.
 */

export interface NetCounters {
  frames: number;
  handled: {
    arpRequests: number;
    arpReplies: number;
    echoRequests: number;
    /** ICMP errors about packets that we did send. */
    icmpErrors: number;
    /** Packets that a protocol handler took. */
    delivered: number;
  };
  dropped: {
    ethernetMalformed: number;
    /** For another MAC address, or a multicast group. */
    ethernetDestination: number;
    ethernetType: number;
    arpMalformed: number;
    /** Asks for another address. */
    arpTarget: number;
    /** Replies to nothing that we asked. */
    arpUnsolicited: number;
    /** Somebody claims our own address. */
    arpConflict: number;
    ipv4Malformed: number;
    ipv4Checksum: number;
    ipv4Fragment: number;
    /** From an address that no machine can have, or our own. */
    ipv4Source: number;
    ipv4Destination: number;
    /** A unicast packet in a broadcast frame (RFC 1122 §3.3.6). */
    ipv4LinkBroadcast: number;
    ipv4Protocol: number;
    icmpMalformed: number;
    icmpChecksum: number;
    /** Neither an echo request nor an error about a packet that we sent. */
    icmpType: number;
    icmpBroadcast: number;
    icmpTooBig: number;
    /** Packets that a protocol handler found malformed. */
    refused: number;
    /** Packets that a protocol handler has nobody for. */
    unreachable: number;
    /** Answers for which there was no transmit buffer. */
    txFull: number;
  };
  sent: {
    packets: number;
    arpRequests: number;
    arpReplies: number;
    echoReplies: number;
    icmpErrors: number;
  };
  /** Things we wanted to send and did not. */
  unsent: {
    /** Destination outside the subnet and no gateway, or no address of our own. */
    noRoute: number;
    /** The next hop's MAC address is not known yet. */
    unresolved: number;
    txFull: number;
    /** Over the rate limit. */
    arpRequests: number;
    icmpErrors: number;
  };
  neighbours: {
    learned: number;
    evicted: number;
    /** Not learned from a request, because the table is full of better ones. */
    refused: number;
    /** Not learned from a request, because it contradicts what we asked for and were told. */
    contradicted: number;
  };
}

export function createNetCounters(): NetCounters {
  return {
    frames: 0,
    handled: { arpRequests: 0, arpReplies: 0, echoRequests: 0, icmpErrors: 0, delivered: 0 },
    dropped: {
      ethernetMalformed: 0,
      ethernetDestination: 0,
      ethernetType: 0,
      arpMalformed: 0,
      arpTarget: 0,
      arpUnsolicited: 0,
      arpConflict: 0,
      ipv4Malformed: 0,
      ipv4Checksum: 0,
      ipv4Fragment: 0,
      ipv4Source: 0,
      ipv4Destination: 0,
      ipv4LinkBroadcast: 0,
      ipv4Protocol: 0,
      icmpMalformed: 0,
      icmpChecksum: 0,
      icmpType: 0,
      icmpBroadcast: 0,
      icmpTooBig: 0,
      refused: 0,
      unreachable: 0,
      txFull: 0,
    },
    sent: { packets: 0, arpRequests: 0, arpReplies: 0, echoReplies: 0, icmpErrors: 0 },
    unsent: { noRoute: 0, unresolved: 0, txFull: 0, arpRequests: 0, icmpErrors: 0 },
    neighbours: { learned: 0, evicted: 0, refused: 0, contradicted: 0 },
  };
}
