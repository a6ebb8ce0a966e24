/** What the namespace refuses and loses, for all sessions together; `/proc/9p` shows it. */
export interface NineDoorCounters {
  /** Requests that the policy denied, and how many of those were not logged because there were too many. */
  denied: number;
  deniedUnlogged: number;
  /** Times a reader was told that a ring has overtaken it. */
  stale: number;
  /** Requests on files of a worker that is gone. */
  closed: number;
  /** Reads that could not wait because all places to wait were taken, and most that ever waited on one file. */
  waitersRefused: number;
  waitersHighWater: number;
  /** Lines longer than their file takes, and lines that their handler refused. */
  linesTooLong: number;
  linesRefused: number;
  /** Commands without a newline that were forgotten when their file was closed. */
  halfLines: number;
  /** Computed files larger than their bound. */
  textsTooLong: number;
  /** Binds and mounts refused. */
  mountsRefused: number;
  /** Workers refused because there are as many as there may be. */
  workersRefused: number;
  /** Lines for a worker that its mailbox had no room for. */
  jobsRefused: number;
  /** Attaches refused. */
  attachesRefused: number;
}

export function createNineDoorCounters(): NineDoorCounters {
  return {
    denied: 0,
    deniedUnlogged: 0,
    stale: 0,
    closed: 0,
    waitersRefused: 0,
    waitersHighWater: 0,
    linesTooLong: 0,
    linesRefused: 0,
    halfLines: 0,
    textsTooLong: 0,
    mountsRefused: 0,
    workersRefused: 0,
    jobsRefused: 0,
    attachesRefused: 0,
  };
}
