/**
 * What TCP reads of a segment, once, before anybody decides about it.
 */

/** A segment's fields: the same object each time. */
export interface Segment {
  sequence: number;
  acknowledgement: number;
  flags: number;
  /** Not scaled. */
  window: number;
  /** Its data, in the packet's bytes. */
  start: number;
  length: number;
}
