/**
 * What a congestion control is to the rest of TCP: it is told what was delivered and what was lost, and says how many bytes
 * may be on their way and how fast they may leave. How losses are found is not its business, nor is what is sent again.
 */

/** What an acknowledgement brought: the same object each time, valid during the call. */
export interface Sample {
  nowUs: number;
  /** Bytes that left the network by this acknowledgement, in order or not. */
  deliveredBytes: number;
  /** Bytes given up for lost by it. */
  lostBytes: number;
  /** Round-trip time in microseconds, -1 if this gave none. */
  rttUs: number;
  /** Least round-trip time known, `Infinity` before the first. */
  minRttUs: number;
  /** Bytes on their way before and after. */
  priorFlight: number;
  flight: number;
  /** Delivery rate in bytes per second, 0 if this gave none; see `recovery.ts`. */
  rate: number;
  /** Whether the layer above had nothing more to send then, so that the rate may be less than the path's. */
  limited: boolean;
  /** Bytes delivered in all, and when the newest segment that this acknowledges was sent. */
  delivered: number;
  priorDelivered: number;
  /** Whether losses are being repaired: `fast` by acknowledgements, or there is a gap that may be one; `timeout` after one. */
  recovering: "no" | "fast" | "timeout";
}

export function createSample(): Sample {
  return {
    nowUs: 0,
    deliveredBytes: 0,
    lostBytes: 0,
    rttUs: -1,
    minRttUs: Infinity,
    priorFlight: 0,
    flight: 0,
    rate: 0,
    limited: false,
    delivered: 0,
    priorDelivered: 0,
    recovering: "no",
  };
}

export interface CongestionControl {
  /** Bytes that may be on their way. */
  readonly window: number;
  /** Bytes per second at which they may leave, `Infinity` if all at once. */
  readonly pacingRate: number;
  /** Where slow start ends, `Infinity` if that is not known or there is none. */
  readonly threshold: number;
  /** A new connection. @param mss bytes of a full segment */
  start(mss: number, nowUs: number): void;
  /** Something was delivered or given up. */
  acknowledged(sample: Sample): void;
  /** The first loss of a round was found, with `flight` bytes on their way. */
  lost(flight: number, nowUs: number): void;
  /** Everything that was on its way when a loss was found has been repaired. */
  recovered(nowUs: number): void;
  /** The retransmission timer ran out for the first time in a row. */
  timedOut(flight: number, nowUs: number): void;
  /** Sending begins again after `idleUs` of silence. */
  resumed(idleUs: number, rtoUs: number): void;
}

/** RFC 6928: 10 segments, but no more than 14,600 bytes unless two segments are. */
export function initialWindow(mss: number): number {
  return Math.min(10 * mss, Math.max(2 * mss, 14_600));
}
