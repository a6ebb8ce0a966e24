/**
 * What the door counts. Frames of authenticated clients are acknowledged or dropped: once all connections are over, `frames` is
 * `ok` + `err` + `dropped`.
 */

/** How connections end. */
export const ENDS = [
  /** The client said `QUIT`, or closed its side, or is gone. */
  "quit",
  "left",
  "reset",
  /** Before `AUTH`: no frame in time, no line, a wrong token, no place; and before `ATTACH`, too: pushed out by newer ones. */
  "late",
  "malformed",
  "denied",
  "busy",
  "crowded",
  /** After it: a false length, half a frame, silence, answers not taken, too many wrong tickets, its login revoked. */
  "length",
  "half",
  "idle",
  "slow",
  "limited",
  "revoked",
  /** An exporter that broke the protocol or did not answer. */
  "dropped",
  /** The door was closed, or what served it threw. */
  "closed",
  "failed",
] as const;
export type End = (typeof ENDS)[number];

export class DoorCounters {
  accepted = 0;
  authenticated = 0;
  upgraded = 0;
  /** Lines of authenticated clients, and what became of them. */
  frames = 0;
  ok = 0;
  err = 0;
  dropped = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Times a client was read no more because its answers waited. */
  heldBack = 0;
  connectionsHighWater = 0;
  sessionsHighWater = 0;
  strangersHighWater = 0;
  unsentHighWater = 0;
  readonly ends: Record<End, number> = Object.fromEntries(ENDS.map((end) => [end, 0])) as Record<End, number>;
}
