/**
 * One connection of a program on the host, carried on to the guest: two byte streams, each as fast as its reader takes it, with
 * at most the buffers of both sides in between. The end of one stream is the end of the other, and so is a reset.
 */
import type { Socket } from "node:net";
import type { TcpSocket } from "../../../services/net/tcp/socket.ts";

/** How a connection ended: both sides closed, one of them broke it off, or the guest did not take it. */
export type End = "closed" | "host" | "guest" | "refused";

export class GatewayConnection {
  readonly #host: Socket;
  readonly #guest: TcpSocket;
  /** Whether the handshake with the guest was ever over. */
  #met = false;
  #hostEnded = false;
  #hostGone = false;
  #guestEnded = false;

  /** @param wake called when the host's side has something to move, room for it, or its end */
  constructor(host: Socket, guest: TcpSocket, wake: () => void) {
    this.#host = host;
    this.#guest = guest;
    host.setNoDelay(true);
    host.on("readable", wake);
    host.on("drain", wake);
    host.on("end", () => {
      this.#hostEnded = true;
      wake();
    });
    // What went wrong does not matter, that it is over comes with "close".
    host.on("error", () => undefined);
    host.on("close", () => {
      this.#hostGone = true;
      wake();
    });
  }

  /** Whether the guest's side has ended, by itself or by time, and {@link serve} has not seen it. */
  get overdue(): boolean {
    const guest = this.#guest;
    return guest.ended && (!this.#guestEnded || guest.error !== undefined);
  }

  /** Move what can be moved now. @returns how it ended, once it has. */
  serve(): End | undefined {
    const host = this.#host;
    const guest = this.#guest;
    if (guest.connected) this.#met = true;
    if (this.#hostGone) {
      const closed = this.#guestEnded && this.#hostEnded && guest.error === undefined;
      if (closed) guest.close();
      else guest.abort();
      return closed ? "closed" : "host";
    }
    this.#toHost();
    this.#toGuest();
    if (!guest.ended) return undefined;
    if (guest.error !== undefined) {
      host.resetAndDestroy();
      guest.close();
      return this.#met ? "guest" : "refused";
    }
    if (!this.#guestEnded) host.end();
    this.#guestEnded = true;
    return undefined;
  }

  /** End it at once, both ways. */
  abort(): void {
    this.#guest.abort();
    this.#host.resetAndDestroy();
  }

  #toHost(): void {
    const host = this.#host;
    const guest = this.#guest;
    while (guest.run > 0 && !host.writableNeedDrain) {
      const { memory, head, run } = guest;
      // The memory is the guest's to fill again as soon as it is skipped.
      host.write(Buffer.from(memory.subarray(head, head + run)));
      guest.skip(run);
    }
  }

  #toGuest(): void {
    const host = this.#host;
    const guest = this.#guest;
    const size = Math.min(guest.writable, host.readableLength);
    const bytes = size === 0 ? null : (host.read(size) as Buffer | null);
    if (bytes !== null) guest.write(bytes, 0, bytes.length);
    // A read of nothing lets Node take more from the host, and tell of the stream's end.
    if (guest.writable > 0) host.read(0);
    if (this.#hostEnded) guest.shutdown();
  }
}
