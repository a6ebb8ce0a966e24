/**
 * A port on which connections are waited for. A handshake that is not finished takes no place here, so strangers cannot fill
 * it; finished ones wait up to `backlog`, and beyond it the peer is left to try again.
 */
import type { ControlBlock } from "./control-block.ts";
import type { Core } from "./core.ts";
import type { Emitter } from "./emitter.ts";
import { TcpSocket } from "./socket.ts";

export class TcpListener {
  readonly port: number;
  readonly backlog: number;
  readonly #core: Core;
  readonly #emitter: Emitter;
  readonly #shut: (listener: TcpListener) => void;
  /** Slots of finished handshakes, oldest first. */
  readonly #waiting: Int16Array;
  #head = 0;
  #count = 0;

  constructor(core: Core, emitter: Emitter, port: number, backlog: number, shut: (listener: TcpListener) => void) {
    this.#core = core;
    this.#emitter = emitter;
    this.port = port;
    this.backlog = backlog;
    this.#shut = shut;
    this.#waiting = new Int16Array(backlog);
  }

  /** Connections that wait to be accepted. */
  get pending(): number {
    return this.#count;
  }

  /** For TCP: a handshake was finished. The caller has looked at {@link backlog}. */
  add(tcb: ControlBlock): void {
    this.#waiting[(this.#head + this.#count++) % this.backlog] = tcb.slot;
    const { sockets } = this.#core.counters;
    if (this.#count > sockets.backlogHighWater) sockets.backlogHighWater = this.#count;
  }

  /** The connection that has waited longest. One that ended meanwhile is handed out, too, with what it brought. */
  accept(): TcpSocket | undefined {
    if (this.#count === 0) return undefined;
    const tcb = this.#core.blocks[this.#waiting[this.#head]!]!;
    this.#head = (this.#head + 1) % this.backlog;
    this.#count--;
    this.#core.counters.sockets.accepted++;
    return new TcpSocket(this.#core, this.#emitter, tcb);
  }

  /** Listen no more. Whoever waits is turned away. */
  close(): void {
    for (let socket = this.accept(); socket !== undefined; socket = this.accept()) socket.abort();
    this.#shut(this);
  }
}
