/** A connection through a gateway that no kernel of the host holds bytes for: who does not read it holds the hive back at once. */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/** Bytes that wait at either end. */
const WAITING = 16_384;

/** One end; what is written here is read there, and waits until it is. */
class End extends Duplex {
  #other: End | undefined;
  #read: (() => void) | undefined;

  static pair(): [End, End] {
    const pair: [End, End] = [new End(), new End()];
    pair[0].#other = pair[1];
    pair[1].#other = pair[0];
    return pair;
  }

  private constructor() {
    super({ readableHighWaterMark: WAITING, writableHighWaterMark: WAITING });
  }

  override _read(): void {
    const read = this.#read;
    this.#read = undefined;
    read?.();
  }

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    const other = this.#other!;
    if (other.destroyed || other.push(bytes)) done();
    else other.#read = done;
  }

  override _final(done: () => void): void {
    if (!this.#other!.destroyed) this.#other!.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    done(error);
    // Somebody may be at the other end's turn just now.
    setImmediate(() => this.#other!.destroy());
  }
}

/** Both ends, with what of a socket gateways and clients ask for. */
export function narrowWay(): [Socket, Socket] {
  const [one, other] = End.pair();
  return [asSocket(one), asSocket(other)];
}

function asSocket(end: End): Socket {
  const more = { setNoDelay: () => undefined, resetAndDestroy: () => end.destroy(), localPort: 0 };
  return Object.assign(end, more) as unknown as Socket;
}
