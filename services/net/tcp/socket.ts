/**
 * One end of a connection, for the layer above: bytes in, bytes out, polled in its own stage of the turn. Calls never block,
 * never throw on what the peer does, and copy once. After {@link TcpSocket.close} or {@link TcpSocket.abort} the socket is
 * empty for good, whatever becomes of its memory; each one that is opened or accepted has to be closed, however it ended.
 */
import {
  CLOSE_WAIT,
  CLOSED,
  type ControlBlock,
  ESTABLISHED,
  FIN_WAIT_1,
  LAST_ACK,
  STATE_NAMES,
  SYN_RECEIVED,
  TIME_WAIT,
  type TcpError,
  type TcpState,
} from "./control-block.ts";
import type { Core } from "./core.ts";
import type { Emitter } from "./emitter.ts";
import { distance } from "./sequence.ts";

const EMPTY = new Uint8Array(0);

export class TcpSocket {
  readonly remoteAddress: number;
  readonly remotePort: number;
  readonly localPort: number;
  readonly #core: Core;
  readonly #emitter: Emitter;
  #tcb: ControlBlock | undefined;
  #error: TcpError | undefined;

  constructor(core: Core, emitter: Emitter, tcb: ControlBlock) {
    this.#core = core;
    this.#emitter = emitter;
    this.#tcb = tcb;
    this.remoteAddress = tcb.remoteAddress;
    this.remotePort = tcb.ports >>> 16;
    this.localPort = tcb.ports & 0xffff;
  }

  get state(): TcpState {
    return STATE_NAMES[this.#tcb?.state ?? CLOSED]!;
  }

  /** Why the connection ended, if not by both sides' wish. */
  get error(): TcpError | undefined {
    return this.#tcb === undefined ? this.#error : this.#tcb.error;
  }

  /** Whether the handshake is over and the connection is not. */
  get connected(): boolean {
    const state = this.#tcb?.state ?? CLOSED;
    return state >= ESTABLISHED && state !== TIME_WAIT;
  }

  /** Bytes that can be read now. */
  get readable(): number {
    return this.#tcb?.receive.length ?? 0;
  }

  /** Whether nothing more will come: the peer said so or the connection ended, and all that came was read. */
  get ended(): boolean {
    const tcb = this.#tcb;
    if (tcb === undefined) return true;
    if (tcb.receive.length > 0) return false;
    return tcb.state === CLOSED || tcb.state === TIME_WAIT || (tcb.finSeen && distance(tcb.peerFin, tcb.rcvNxt) > 0);
  }

  /** Bytes that `write` would take now. */
  get writable(): number {
    const tcb = this.#tcb;
    if (tcb === undefined || !open(tcb)) return 0;
    return tcb.send.capacity - tcb.send.length;
  }

  /** Bytes written that the peer has not acknowledged. */
  get unacknowledged(): number {
    return this.#tcb?.send.length ?? 0;
  }

  /** Move up to `max` received bytes into `into` from `at`. @returns how many. */
  read(into: Uint8Array, at: number, max: number): number {
    const tcb = this.#tcb;
    if (tcb === undefined) return 0;
    const taken = tcb.receive.read(into, at, max);
    if (taken > 0) this.#opened(tcb);
    return taken;
  }

  /** Received bytes in place: the oldest {@link run} bytes are at {@link head}. Valid until the next turn or {@link skip}. */
  get memory(): Uint8Array {
    return this.#tcb?.receive.memory ?? EMPTY;
  }

  get head(): number {
    return this.#tcb?.receive.head ?? 0;
  }

  get run(): number {
    return this.#tcb?.receive.run ?? 0;
  }

  /** Take bytes that were looked at in place. @throws RangeError if there are not so many. */
  skip(count: number): void {
    const tcb = this.#tcb;
    if (count < 0 || count > this.readable) throw new RangeError(`TcpSocket.skip: ${count} of ${this.readable} bytes`);
    if (tcb === undefined || count === 0) return;
    tcb.receive.skip(count);
    this.#opened(tcb);
  }

  /** Queue up to `length` bytes. They leave in the next `Tcp.service`. @returns how many were taken; the caller keeps the rest. */
  write(from: Uint8Array, start: number, length: number): number {
    const tcb = this.#tcb;
    if (tcb === undefined || !open(tcb)) return 0;
    if (tcb.send.length === 0) tcb.progressUs = this.#core.nowUs;
    const taken = tcb.send.write(from, start, length);
    if (taken > 0 && tcb.state >= ESTABLISHED) this.#core.wake(tcb);
    return taken;
  }

  /** Whether small segments wait for the acknowledgement of earlier ones. */
  set nagle(on: boolean) {
    if (this.#tcb !== undefined) this.#tcb.nagle = on;
  }

  /** Write no more: what was written is delivered, then the peer is told. Reading goes on. */
  shutdown(): void {
    const tcb = this.#tcb;
    if (tcb === undefined || tcb.finQueued || tcb.state === CLOSED) return;
    tcb.finQueued = true;
    if (tcb.state === ESTABLISHED) tcb.state = FIN_WAIT_1;
    else if (tcb.state === CLOSE_WAIT) tcb.state = LAST_ACK;
    this.#core.wake(tcb);
  }

  /**
   * Hand the socket back. What was written is still delivered, for a bounded time; if something was received that nobody
   * has read, the peer is told that it is lost (RFC 9293 §3.6.1, RFC 2525 §2.17).
   */
  close(): void {
    const tcb = this.#tcb;
    if (tcb === undefined) return;
    const core = this.#core;
    if (tcb.state === CLOSED || tcb.state === TIME_WAIT) {
      this.#release(tcb);
      return;
    }
    if (tcb.state < ESTABLISHED || tcb.receive.length > 0) {
      this.abort();
      return;
    }
    this.shutdown();
    tcb.lifeUs = core.nowUs + core.settings.finUs;
    core.due(tcb.lifeUs);
    this.#release(tcb);
  }

  /** End the connection at once and hand the socket back. */
  abort(): void {
    const tcb = this.#tcb;
    if (tcb === undefined) return;
    if (tcb.state >= SYN_RECEIVED && tcb.state !== TIME_WAIT) this.#emitter.reset(tcb);
    this.#core.end(tcb, "aborted");
    this.#release(tcb);
  }

  #release(tcb: ControlBlock): void {
    this.#error = tcb.error;
    this.#tcb = undefined;
    tcb.held = false;
    this.#core.settle(tcb);
  }

  /** There is more room: the peer is told when that is worth a segment. */
  #opened(tcb: ControlBlock): void {
    if (tcb.ackDue || tcb.state < ESTABLISHED || tcb.finSeen) return;
    const offered = distance(tcb.rcvNxt, tcb.advertised);
    const gain = tcb.receive.free - offered;
    // Two segments, or one for a peer that waits for it; less comes along with acknowledgements.
    const mss = this.#emitter.ownMss;
    if (gain < Math.min(tcb.receive.capacity >> 1, offered < mss ? mss : 2 * mss)) return;
    tcb.ackDue = true;
    this.#core.wake(tcb);
  }
}

/** Whether bytes may still be written. */
function open(tcb: ControlBlock): boolean {
  return !tcb.finQueued && tcb.state !== CLOSED && tcb.state !== TIME_WAIT;
}
