/**
 * How much of everything TCP has, and how long it waits: all of it is set when it is made, so that memory is known then.
 */

export interface TcpSettings {
  /** Connections at once, those that are saying goodbye included. */
  readonly sockets: number;
  /** Buffer of each, in bytes. The first is the largest window that a peer is offered. */
  readonly receiveBytes: number;
  readonly sendBytes: number;
  /** Segments of each that may be unacknowledged. */
  readonly segments: number;
  /** Handshakes that have begun; beyond, SYNs are answered with cookies. */
  readonly halfOpen: number;
  /** Connections remembered in TIME-WAIT; beyond, the oldest is forgotten. */
  readonly timeWait: number;
  readonly listeners: number;
  readonly control: "newreno" | "rate";
  /** Whether small segments wait for the acknowledgement of earlier ones (RFC 9293 §3.7.4). */
  readonly nagle: boolean;
  /** RFC 9293 §3.8.6.3: below half a second. */
  readonly delayedAckUs: number;
  /** How long a connection attempt, either way, may take. */
  readonly connectUs: number;
  /** How long data may stay unacknowledged, and a window closed without an answer, until the connection is given up. */
  readonly userTimeoutUs: number;
  /** How long a connection that the layer above has closed may take to end. */
  readonly finUs: number;
  /** Twice the segment lifetime that we reckon with. */
  readonly timeWaitUs: number;
  /** Silence after which the peer is asked whether it is there, 0 for never; then how often it is asked, and how many times. */
  readonly keepAliveUs: number;
  readonly keepAliveIntervalUs: number;
  readonly keepAliveProbes: number;
}

const DEFAULTS: Omit<TcpSettings, "segments"> = {
  sockets: 24,
  receiveBytes: 16_384,
  sendBytes: 16_384,
  halfOpen: 64,
  timeWait: 64,
  listeners: 4,
  control: "newreno",
  nagle: false,
  delayedAckUs: 40_000,
  connectUs: 30_000_000,
  userTimeoutUs: 120_000_000,
  finUs: 30_000_000,
  timeWaitUs: 30_000_000,
  keepAliveUs: 60_000_000,
  keepAliveIntervalUs: 15_000_000,
  keepAliveProbes: 4,
};

/** The buffers' most: windows are scaled by at most 14 bits, and distances must stay below 2^31. */
const BUFFER_MAX = 1 << 24;

/** @throws RangeError, one sentence, naming what is out of range. */
export function tcpSettings(given: Partial<TcpSettings> = {}): TcpSettings {
  const sendBytes = given.sendBytes ?? DEFAULTS.sendBytes;
  const settings = { ...DEFAULTS, segments: Math.max(32, Math.ceil(sendBytes / 512)), ...given };
  const check = (name: keyof TcpSettings, low: number, high: number): void => {
    const value = settings[name];
    if (typeof value !== "number" || !(value >= low && value <= high)) {
      throw new RangeError(`tcp.${name}: ${value} is not from ${low} to ${high}`);
    }
  };
  check("sockets", 1, 1024);
  check("receiveBytes", 64, BUFFER_MAX);
  check("sendBytes", 64, BUFFER_MAX);
  check("segments", 4, 65_536);
  check("halfOpen", 1, 1024);
  check("timeWait", 1, 1024);
  check("listeners", 1, 64);
  check("delayedAckUs", 0, 499_999);
  check("connectUs", 1_000_000, Infinity);
  check("userTimeoutUs", 1_000_000, Infinity);
  check("finUs", 1_000_000, Infinity);
  check("timeWaitUs", 0, 240_000_000);
  check("keepAliveUs", 0, Infinity);
  check("keepAliveIntervalUs", 1_000_000, Infinity);
  check("keepAliveProbes", 1, 100);
  return settings;
}
