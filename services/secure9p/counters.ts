/**
 * What a session counts. At any time `requests` = `replies` + `dropped` + those in flight, which a test holds it to.
 */
export interface SessionCounters {
  /** Frames that came, the refused ones too. */
  requests: number;
  replies: number;
  /** Requests that get no reply: flushed, superseded by Tversion, cut off by the session's end, or without a tag. */
  dropped: number;
  /** Of the replies, Rlerror. */
  errors: number;
  /** Successful requests that a budget counts: all but Tversion, Tattach, Tflush and Tclunk. */
  ops: number;
  /** Requests that a Tflush ended. */
  flushed: number;
  /** Frames that did not decode, came as replies, or had a false length. */
  malformed: number;
  /** Times a provider threw, did not answer, or answered out of kind. */
  providerErrors: number;
  /** Answers to requests that were over. */
  late: number;
  /** Times `receive` took less than it was given because replies wait. */
  heldBack: number;
}

export function createSessionCounters(): SessionCounters {
  return {
    requests: 0,
    replies: 0,
    dropped: 0,
    errors: 0,
    ops: 0,
    flushed: 0,
    malformed: 0,
    providerErrors: 0,
    late: 0,
    heldBack: 0,
  };
}
