/**
 * Joins one end of a 9P connection to a socket of Node without allocating for what it reads or copying what it writes.
 * Replies and requests that come while a write is under way go out together with the next one.
 */
import type { Socket } from "node:net";

/** secure9p's client or session. */
export interface NinePEnd {
  readonly unsent: number;
  readonly out: Uint8Array;
  readonly start: number;
  readonly run: number;
  sent(count: number): void;
  receive(from: Uint8Array, start: number, length: number): number | void;
}

/** What a socket calls with the bytes that it read into the buffer. */
export type OnRead = (count: number, buffer: Uint8Array) => boolean;

const READ_BYTES = 65_536;

export class NinePWire {
  readonly socket: Socket;
  readonly #end: NinePEnd;
  #writing = 0;

  /** @param open makes the socket, which must read into that buffer */
  constructor(end: NinePEnd, open: (buffer: Uint8Array, callback: OnRead) => Socket) {
    this.#end = end;
    const buffer = new Uint8Array(READ_BYTES);
    this.socket = open(buffer, (count) => {
      const taken = end.receive(buffer, 0, count) ?? count;
      if (taken < count) this.socket.destroy(new Error("the peer does not take its replies"));
      this.flush();
      return true;
    });
    this.socket.on("error", () => this.socket.destroy());
  }

  /** Send what there is. */
  flush(): void {
    const end = this.#end;
    if (this.#writing > 0 || end.unsent === 0) return;
    this.#writing = end.run;
    this.socket.write(end.out.subarray(end.start, end.start + end.run), this.#written);
  }

  readonly #written = (): void => {
    this.#end.sent(this.#writing);
    this.#writing = 0;
    this.flush();
  };
}
