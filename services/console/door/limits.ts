/**
 * The bounds of the console door, with the defaults of docs/INTERFACES.md; the manifest may say otherwise.
 */

export interface DoorLimits {
  /** Authenticated connections at once, and those beside them that are not yet, or are saying goodbye. */
  readonly sessions: number;
  readonly strangers: number;
  /** Longest line in bytes. */
  readonly lineBytes: number;
  /** Bytes of answers that may wait for a client before it is read no more. */
  readonly unsentBytes: number;
  /** From accepting a connection to a whole `AUTH`. */
  readonly authUs: number;
  /** How long the rest of a frame may take. */
  readonly frameUs: number;
  /** How long a client that is not read may take for the half of {@link unsentBytes}. */
  readonly slowUs: number;
  /** How long a client may say nothing. */
  readonly idleUs: number;
  /** How long it may take to get what it was told last, and to go. */
  readonly lingerUs: number;
}

export const DOOR_LIMITS: DoorLimits = {
  sessions: 16,
  strangers: 8,
  lineBytes: 1024,
  unsentBytes: 65_536,
  authUs: 5_000_000,
  frameUs: 10_000_000,
  slowUs: 30_000_000,
  idleUs: 300_000_000,
  lingerUs: 5_000_000,
};
