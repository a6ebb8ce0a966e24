/**
 * What became of every segment. Each one that IPv4 hands over has exactly one fate, so `segments` equals the sum of all
 * numbers in `taken` and `dropped`; a test holds the stack to that. `/proc/net/tcp` prints them by these names.
 */

export interface TcpCounters {
  /** Segments received. */
  segments: number;
  taken: {
    /** For a connection: its acknowledgement and data were processed. */
    connection: number;
    /** SYNs for a listener that were answered, and segments that moved a half-open connection on. */
    handshake: number;
    /** Resets that ended a connection, whole or half-open. */
    reset: number;
    /** For a connection in TIME-WAIT. */
    timeWait: number;
  };
  dropped: {
    malformed: number;
    checksum: number;
    /** Options whose lengths cannot be. */
    options: number;
    /** To the broadcast address. */
    broadcast: number;
    /** For no connection and no listener: answered with a reset, unless it was one. */
    noSocket: number;
    /** SYNs for a listener when there was no secret yet to answer with. */
    noSecret: number;
    /** Handshakes that were complete but had no place: backlog or pool are full. */
    backlogFull: number;
    /** Outside the window: an old duplicate, or a probe. */
    outOfWindow: number;
    /** Timestamp older than one that came before (RFC 7323 §5). */
    paws: number;
    /** Without the timestamp that was agreed on (RFC 7323 §3.2). */
    noTimestamp: number;
    /** Resets and SYNs that only a connection's own peer could have made right (RFC 5961): challenged. */
    challenged: number;
    /** Acknowledges what was never sent, or is too old (RFC 5961 §5). */
    acknowledgement: number;
    /** Neither SYN, RST nor ACK where one must be. */
    flags: number;
  };
  sent: {
    segments: number;
    /** Of those: with data for the first time, and again. */
    data: number;
    resent: number;
    acknowledgements: number;
    resets: number;
    syns: number;
    /** Window probes and keep-alives. */
    probes: number;
    tailProbes: number;
    challenges: number;
    cookies: number;
  };
  unsent: {
    /** Over their rate limits. */
    resets: number;
    challenges: number;
    /** No transmit buffer, or the next hop is not known. Tried again. */
    blocked: number;
    /** Times the table of unacknowledged segments was full. */
    segmentsFull: number;
  };
  /** Bytes in order handed up, and acknowledged by peers. */
  bytes: { received: number; acknowledged: number };
  receive: {
    outOfOrder: number;
    duplicate: number;
    /** Data beyond the window. */
    beyondWindow: number;
    /** Out of order, and the table of gaps was full. */
    rangesFull: number;
    /** For a socket that the layer above has closed. */
    afterClose: number;
  };
  recovery: {
    /** Times losses were found without a time-out, and by one. */
    fast: number;
    timeouts: number;
    /** Ranges that peers reported twice (RFC 2883): we sent again in vain. */
    duplicates: number;
    /** Peers that took back a SACK. */
    reneged: number;
  };
  sockets: {
    opened: number;
    accepted: number;
    closed: number;
    reset: number;
    timedOut: number;
    refused: number;
    aborted: number;
    /** No free socket for `connect`. */
    poolFull: number;
    /** Closed ones whose goodbye was cut short because the pool was needed. */
    reclaimed: number;
    /** Most in use at once, and most that waited to be accepted. */
    highWater: number;
    backlogHighWater: number;
  };
  halfOpen: {
    made: number;
    /** SYNs that found the table full and were answered with a cookie. */
    overflowed: number;
    expired: number;
    /** Most at once. */
    highWater: number;
    cookiesAccepted: number;
    cookiesRefused: number;
  };
  timeWait: { made: number; evicted: number; reused: number; highWater: number };
  icmp: { soft: number; hard: number; tooBig: number; ignored: number };
}

export function createTcpCounters(): TcpCounters {
  return {
    segments: 0,
    taken: { connection: 0, handshake: 0, reset: 0, timeWait: 0 },
    dropped: {
      malformed: 0,
      checksum: 0,
      options: 0,
      broadcast: 0,
      noSocket: 0,
      noSecret: 0,
      backlogFull: 0,
      outOfWindow: 0,
      paws: 0,
      noTimestamp: 0,
      challenged: 0,
      acknowledgement: 0,
      flags: 0,
    },
    sent: {
      segments: 0,
      data: 0,
      resent: 0,
      acknowledgements: 0,
      resets: 0,
      syns: 0,
      probes: 0,
      tailProbes: 0,
      challenges: 0,
      cookies: 0,
    },
    unsent: { resets: 0, challenges: 0, blocked: 0, segmentsFull: 0 },
    bytes: { received: 0, acknowledged: 0 },
    receive: { outOfOrder: 0, duplicate: 0, beyondWindow: 0, rangesFull: 0, afterClose: 0 },
    recovery: { fast: 0, timeouts: 0, duplicates: 0, reneged: 0 },
    sockets: {
      opened: 0,
      accepted: 0,
      closed: 0,
      reset: 0,
      timedOut: 0,
      refused: 0,
      aborted: 0,
      poolFull: 0,
      reclaimed: 0,
      highWater: 0,
      backlogHighWater: 0,
    },
    halfOpen: { made: 0, overflowed: 0, expired: 0, highWater: 0, cookiesAccepted: 0, cookiesRefused: 0 },
    timeWait: { made: 0, evicted: 0, reused: 0, highWater: 0 },
    icmp: { soft: 0, hard: 0, tooBig: 0, ignored: 0 },
  };
}
