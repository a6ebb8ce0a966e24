/** What the test's worker and its root agree on. */

/** First argument of the spawn. */
export const MODE = {
  echo: 0,
  throws: 1,
  throwsAtOnce: 2,
  throwNull: 3,
  throwLong: 4,
  loops: 5,
  loopsInNative: 6,
  exhausts: 7,
  overflows: 8,
  recovers: 9,
  world: 10,
  badLabel: 11,
  noCall: 12,
  jobs: 13,
  garbage: 14,
  text: 15,
  counts: 16,
} as const;

export const LABEL = {
  /** The greeting, with the second argument; afterwards steps that were done. */
  HELLO: 0x200,
  /** The engine's own: see {@link WorkerBundle}. */
  FAILED: 0x203,
  /** A text of so many bytes in the frame. */
  TEXT: 0x300,
  /** A reply that asks for a step. */
  GO: 0x301,
} as const;
