/** What all exporters together are asked and answer. */
export class RemoteCounters {
  requests = 0;
  answers = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Requests that ended without an answer: in time, by whoever asked, for want of a place. */
  timedOut = 0;
  cancelled = 0;
  busy = 0;
  inFlightHighWater = 0;
  /** Requests that had to wait for their turn. */
  waited = 0;
  waitingHighWater = 0;
  /** Reads that may take as long as they like: most that were under way, and those for which there was no place. */
  followingHighWater = 0;
  followingRefused = 0;
  qidsHighWater = 0;
  forgotten = 0;
}
