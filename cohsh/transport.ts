/**
 * What the shell needs of a way to a hive: command lines go out, lines come back, and the end is
 * announced. Each transport passes `test/cohsh/transport.acceptance.ts`; sessions rely on nothing else.
 */

export const TRANSPORTS = ["mock", "sim", "qemu", "serial", "tcp"] as const;
export type TransportName = (typeof TRANSPORTS)[number];

/** Who receives what a transport brings. Called only between `open` and the end. */
export interface TransportSink {
  /** A line, without newline, prompt or echo. It belongs to an answer if one is due, to the boot log if none is. */
  reply(line: string): void;
  /** A line that the machine printed of its own accord for certain, even in the middle of an answer. */
  log(line: string): void;
  /** The hive is gone, with the reason in one sentence. Comes at most once, and never because of `close`. */
  ended(reason: string): void;
  /** The connection is lost, for the reason in one sentence, and is looked for; lines that were sent may have arrived or not. */
  interrupted?(reason: string): void;
  /** It is there again, with nobody logged in and nothing running on it. */
  resumed?(): void;
}

export interface Transport {
  readonly name: TransportName;
  /** Whether a lost connection comes back, so that what was going on is worth being asked for in a way that can go on. */
  readonly resumes?: boolean;
  /**
   * Connect; resolves when the hive takes commands. Rejects with one sentence, and nothing is left running then.
   * @param signal gives up when aborted.
   */
  open(sink: TransportSink, signal: AbortSignal): Promise<void>;
  /** Send one command line (no newline or other control character in it). @throws Error if the transport is not open. */
  send(line: string): void;
  /** Leave, and end everything this transport started, within a deadline. May be called at any time and again. */
  close(): Promise<void>;
}
