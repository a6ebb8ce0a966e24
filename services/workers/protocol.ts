/**
 * What a worker's component and the root say to each other: a label, a word, and up to 16 KiB in the frame that they share. A
 * worker only ever calls, and the root answers; requests and replies of 9P cross as bytes of a stream.
 */

/** Labels of calls and replies. The engine's side has them in `engine/native/components/worker/protocol.h`. */
export const WORKER = {
  /** Call, word = {@link PROTOCOL_VERSION}. */
  HELLO: 0x200,
  /**
   * Reply to HELLO: the frame holds the worker's ticket as UTF-8, of a GPU worker then a newline and the name of its GPU;
   * word = the bytes of all that.
   */
  START: 0x201,
  /** Call, word = bytes of requests in the frame, 0 to wait only. Reply, word = bytes of replies: when there are some. */
  FRAMES: 0x202,
  /** Call of the engine for an exception that nothing caught: word = bytes of its text in the frame. Never answered. */
  FAILED: 0x203,
  /** Call, word = status, 0 for all well. Never answered: the worker has finished. */
  EXIT: 0x204,
} as const;

export type WorkerLabel = (typeof WORKER)[keyof typeof WORKER];

export const PROTOCOL_VERSION = 1;
/** Bytes of the frame. */
export const FRAME_BYTES = 16384;
/** Most bytes of a FAILED text. */
export const FAILED_BYTES = 2048;

/** The component's first argument. */
export const KIND = { HEARTBEAT: 1, GPU: 2 } as const;
/** Its fourth: what a heartbeat looks like. */
export const FORM = { LINE: 0, JSON: 1 } as const;

/** Arguments of a component: kind, heartbeats to emit (0: no end), milliseconds between two, form. Each is a u32. */
export type WorkerArgs = readonly [kind: number, beats: number, intervalMs: number, form: number];
