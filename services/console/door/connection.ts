/**
 * What the door needs of a transport: accepted connections as byte streams that never block and never throw on what the peer
 * does. A `TcpSocket` is one; a test's or a host tool's socket is another. Received bytes are looked at where they lie.
 */

/** One connection. After `close` or `abort` it is empty for good. */
export interface Connection {
  /** IPv4 as a signed 32-bit number. */
  readonly remoteAddress: number;
  readonly remotePort: number;
  /** False once the connection is over: reset, timed out, or closed by both sides. */
  readonly connected: boolean;
  /** Nothing more will come, and all that came was read. */
  readonly ended: boolean;
  /** Bytes that came and were not read; the oldest `run` of them lie in a row at `head` of `memory` until {@link skip}. */
  readonly readable: number;
  readonly memory: Uint8Array;
  readonly head: number;
  readonly run: number;
  /** Take bytes that were looked at. */
  skip(count: number): void;
  /** Bytes that {@link write} would take now. */
  readonly writable: number;
  /** @returns how many were taken; the caller keeps the rest. */
  write(from: Uint8Array, start: number, length: number): number;
  /** Write no more: what was written is delivered, then the peer is told. Reading goes on. */
  shutdown(): void;
  /** Hand it back; what was written is still delivered. */
  close(): void;
  /** End it at once and hand it back. */
  abort(): void;
}

/** Bytes on their way: `run` of them in a row at `start` of `out`. */
export interface Outgoing {
  readonly unsent: number;
  readonly out: Uint8Array;
  readonly start: number;
  readonly run: number;
  sent(count: number): void;
}

/** Hand over what a connection takes. @returns bytes */
export function drain(from: Outgoing, to: Connection): number {
  let done = 0;
  while (from.unsent > 0) {
    const { run } = from;
    const taken = to.write(from.out, from.start, run);
    from.sent(taken);
    done += taken;
    if (taken < run) break;
  }
  return done;
}

/** Where connections come from. */
export interface Listener {
  /** Connections that wait to be accepted. */
  readonly pending: number;
  accept(): Connection | undefined;
}
