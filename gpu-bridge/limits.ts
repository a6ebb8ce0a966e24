/** How much there may be at once of everything that a hive can ask of a bridge. */

export interface BridgeLimits {
  /** Streams that the leases of one GPU may have together. */
  readonly streams: number;
  /** Jobs that one GPU runs at once, whosever they are. */
  readonly running: number;
  /** Jobs that wait, of one lease and of one GPU. */
  readonly leaseWaiting: number;
  readonly waiting: number;
  /** Ids of jobs that are over and still known, of one lease. */
  readonly known: number;
  /** Bytes of blobs, inputs put together and results: of one lease, and of all of all GPUs. */
  readonly leaseMemoryBytes: number;
  readonly memoryBytes: number;
}

export const LIMITS: BridgeLimits = {
  streams: 16,
  running: 4,
  leaseWaiting: 16,
  waiting: 64,
  known: 256,
  leaseMemoryBytes: 256 * 1024 * 1024,
  memoryBytes: 1024 * 1024 * 1024,
};

/** A job's line, its newline not counted. */
export const JOB_LINE_BYTES = 6 * 1024;
/** A line of `ctl`; what a console's line can carry. */
export const CTL_LINE_BYTES = 1024;
/** The largest result that its status line carries. */
export const INLINE_BYTES = 2 * 1024;
/** Of `status`: a result of that size in base64, and what stands around it. */
export const STATUS_LINE_BYTES = 4096;
/** Blobs of a lease. */
export const SLOTS = 8;
export const TIMEOUT_MOST_MS = 600_000;
/** As a hive's own: a worker's id, and the number by which it is ranked. */
export const WORKER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/;
export const PRIORITY_MOST = 255;
