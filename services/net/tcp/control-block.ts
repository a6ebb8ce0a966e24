/**
 * The state of one connection (RFC 9293 §3.3.1): fields only, made once with its buffers and used again for the next
 * connection. Who may change them: receiver, recovery, sender and timers, each called with the block; nobody keeps one
 * across a turn but the pool and the socket that owns it.
 */
import type { Bytes } from "../../ports/index.ts";
import type { CongestionControl } from "./congestion.ts";
import { ReceiveBuffer } from "./receive-buffer.ts";
import { RoundTrip } from "./rtt.ts";
import { Segments } from "./segments.ts";
import { SendBuffer } from "./send-buffer.ts";
import type { TcpSettings } from "./settings.ts";

/** RFC 9293 §3.3.2. From ESTABLISHED on both sides know each other's sequence numbers. */
export const CLOSED = 0;
export const SYN_SENT = 1;
export const SYN_RECEIVED = 2;
export const ESTABLISHED = 3;
export const FIN_WAIT_1 = 4;
export const FIN_WAIT_2 = 5;
export const CLOSE_WAIT = 6;
export const CLOSING = 7;
export const LAST_ACK = 8;
export const TIME_WAIT = 9;

export const STATE_NAMES = [
  "closed",
  "syn-sent",
  "syn-received",
  "established",
  "fin-wait-1",
  "fin-wait-2",
  "close-wait",
  "closing",
  "last-ack",
  "time-wait",
] as const;
export type TcpState = (typeof STATE_NAMES)[number];

/** Why a connection ended other than by both sides' FIN. */
export type TcpError = "reset" | "refused" | "timed-out" | "unreachable" | "aborted";

/** How losses are dealt with. */
export const OPEN = 0;
/** Found by acknowledgements; until all that was on its way then is repaired. */
export const FAST = 1;
/** Found by the retransmission timer. */
export const TIMEOUT = 2;

export class ControlBlock {
  readonly slot: number;
  readonly receive: ReceiveBuffer;
  readonly send: SendBuffer;
  readonly segments: Segments;
  readonly rtt = new RoundTrip();
  readonly control: CongestionControl;

  state = CLOSED;
  error: TcpError | undefined;
  /** Whether it is in use, and whether the layer above still holds it. */
  used = false;
  held = false;
  remoteAddress = 0;
  /** Remote port in the upper half, ours in the lower: as a received segment has them. */
  ports = 0;
  openedUs = 0;

  /** Sending: oldest unacknowledged, next to send, and where the send buffer begins. */
  una = 0;
  nxt = 0;
  bufferSeq = 0;
  iss = 0;
  /** Right edge of the peer's window, when it last moved, and the largest that it ever was. */
  edge = 0;
  windowSeq = 0;
  windowAck = 0;
  maxWindow = 0;
  sendScale = 0;
  /** Bytes of a full segment, without options, as both sides and the path allow. */
  mss = 0;
  nagle = false;
  /** The layer above will write no more; our FIN is on its way; it was acknowledged. */
  finQueued = false;
  finSent = false;
  finAcked = false;

  /** Receiving: next expected, and where the peer began. */
  rcvNxt = 0;
  irs = 0;
  /** Right edge that we last advertised. */
  advertised = 0;
  receiveScale = 0;
  /** Sequence number of the peer's FIN, if it has come. */
  finSeen = false;
  peerFin = 0;
  /** Bytes and segments that came since the last acknowledgement went out; whether one is due this turn. */
  unacked = 0;
  ackDue = false;
  lastAck = 0;
  /** What the peer sent twice (RFC 2883), until it was reported. */
  twice = false;
  twiceLeft = 0;
  twiceRight = 0;

  /** Options that both sides agreed on. */
  scaled = false;
  sackPermitted = false;
  timestamps = false;
  /** Peer's timestamp that we echo, and when it was taken over; what our clock is off by. */
  recent = 0;
  recentUs = 0;
  stampOffset = 0;

  /** Loss recovery. */
  phase = OPEN;
  recoverySeq = 0;
  backoff = 0;
  dupAcks = 0;
  /** Bytes that duplicate acknowledgements say have left the network, for peers without SACK. */
  dupBytes = 0;
  /** The next retransmission goes out whatever the window says. */
  force = false;
  rackSentUs = 0;
  rackEnd = 0;
  rackRttUs = 0;
  reordering = false;
  /** Highest sequence number reported delivered. */
  forward = 0;
  /** A tail loss probe is out; all was sent again up to its end; whether it was in vain is not known. */
  probing = false;
  probeEnd = 0;
  probeDoubt = false;

  /** Delivery rate. */
  delivered = 0;
  deliveredUs = 0;
  firstSentUs = 0;
  /** 0, or: samples are limited by the layer above until so much is delivered. */
  limitedUntil = 0;

  /** Deadlines, `Infinity` if there is none. */
  rtoUs = Infinity;
  tailUs = Infinity;
  reorderUs = Infinity;
  ackUs = Infinity;
  persistUs = Infinity;
  paceWaitUs = Infinity;
  keepUs = Infinity;
  lifeUs = Infinity;
  /** When the pacer lets the next segment go. */
  paceUs = 0;
  /** When the peer last made progress or showed that it lives; when we last sent data. */
  progressUs = 0;
  heardUs = 0;
  sentUs = 0;
  /** Probes and retransmissions since then, and answers in a row that the window is still shut. */
  unheard = 0;
  shutAnswers = 0;
  challengeUs = -Infinity;
  /** Times in a row that there was no buffer or no way to send. */
  blocked = 0;
  /** Whether it waits to be served by the sender. */
  queued = false;
  /** Bytes this connection received in order and had acknowledged, and segments that it sent again, for listings. */
  bytesIn = 0;
  bytesOut = 0;
  resent = 0;

  constructor(slot: number, bytes: Bytes, settings: TcpSettings, control: CongestionControl) {
    this.slot = slot;
    this.receive = new ReceiveBuffer(bytes, settings.receiveBytes);
    this.send = new SendBuffer(bytes, settings.sendBytes);
    this.segments = new Segments(settings.segments);
    this.control = control;
  }

  /** Begin anew with our initial sequence number. */
  reset(iss: number, nowUs: number): void {
    this.state = CLOSED;
    this.error = undefined;
    this.openedUs = nowUs;
    this.iss = iss;
    this.una = iss;
    this.nxt = iss;
    this.bufferSeq = (iss + 1) | 0;
    this.edge = iss;
    this.windowSeq = 0;
    this.windowAck = 0;
    this.maxWindow = 0;
    this.sendScale = 0;
    this.finQueued = false;
    this.finSent = false;
    this.finAcked = false;
    this.rcvNxt = 0;
    this.irs = 0;
    this.advertised = 0;
    this.receiveScale = 0;
    this.finSeen = false;
    this.unacked = 0;
    this.ackDue = false;
    this.lastAck = 0;
    this.twice = false;
    this.scaled = false;
    this.sackPermitted = false;
    this.timestamps = false;
    this.recent = 0;
    this.recentUs = nowUs;
    this.phase = OPEN;
    this.recoverySeq = iss;
    this.backoff = 0;
    this.dupAcks = 0;
    this.dupBytes = 0;
    this.force = false;
    this.rackSentUs = 0;
    this.rackEnd = iss;
    this.rackRttUs = 0;
    this.reordering = false;
    this.forward = iss;
    this.probing = false;
    this.probeDoubt = false;
    this.delivered = 0;
    this.deliveredUs = nowUs;
    this.firstSentUs = nowUs;
    this.limitedUntil = 0;
    this.paceUs = 0;
    this.progressUs = nowUs;
    this.heardUs = nowUs;
    this.sentUs = nowUs;
    this.unheard = 0;
    this.shutAnswers = 0;
    this.challengeUs = -Infinity;
    this.blocked = 0;
    this.bytesIn = 0;
    this.bytesOut = 0;
    this.resent = 0;
    this.receive.clear();
    this.send.clear();
    this.segments.clear((iss + 1) | 0);
    this.rtt.clear();
    this.stopTimers();
  }

  stopTimers(): void {
    this.rtoUs = Infinity;
    this.tailUs = Infinity;
    this.reorderUs = Infinity;
    this.ackUs = Infinity;
    this.persistUs = Infinity;
    this.paceWaitUs = Infinity;
    this.keepUs = Infinity;
    this.lifeUs = Infinity;
  }

  /** Bytes on their way: sent, and neither delivered nor given up. */
  flight(): number {
    const segments = this.segments;
    const out = (this.nxt - this.una) | 0;
    return Math.max(0, out - segments.sackedBytes - segments.lostBytes - this.dupBytes);
  }

  /** Bytes that were written and not sent yet. */
  unsent(): number {
    const sent = (this.nxt - this.bufferSeq) | 0;
    return this.send.length - (this.finSent ? sent - 1 : sent);
  }
}
