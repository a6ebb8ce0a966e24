/**
 * What a 9P session may hold, for reports: fids, requests that wait for their providers, replies that wait for the peer.
 */
import type { Pool } from "../ports/index.ts";

/** Memory of a fid that stands as deep as it may, with an open file and half of the longest line, and of a request's place. */
const FID_BYTES = 8192;
const TAG_BYTES = 4096;

export interface SessionBounds {
  readonly msize: number;
  readonly fids: number;
  readonly tags: number;
  readonly unsentBytes: number;
}

/** Of each: in use, most that ever was, times that it was full. */
export type Use = readonly [used: number, peak: number, full: number];
const UNUSED: Use = [0, 0, 0];

/** Parked requests may answer beyond what a peer has to take before it is read on: a frame each. */
export function unsentBound({ msize, tags, unsentBytes }: SessionBounds): number {
  return unsentBytes + tags * msize;
}

export function sessionPools(
  kind: string,
  bounds: SessionBounds,
  fids = UNUSED,
  tags = UNUSED,
  unsent = UNUSED,
): Pool[] {
  const bound = unsentBound(bounds);
  return [
    [`${kind}.fids`, bounds.fids * FID_BYTES, fids[0], bounds.fids, fids[1], "refused", fids[2]],
    [`${kind}.tags`, bounds.tags * TAG_BYTES, tags[0], bounds.tags, tags[1], "refused", tags[2]],
    [`${kind}.unsent`, bound, unsent[0], bound, unsent[1], "held_back", unsent[2]],
  ];
}
