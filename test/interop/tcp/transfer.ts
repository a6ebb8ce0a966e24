/** Bytes both ways over a socket of ours, at the pace that the socket allows; what came is hashed as it comes. */
import { createHash } from "node:crypto";
import type { TcpSocket } from "../../../services/net/tcp/socket.ts";
import { pattern } from "./pattern.ts";

const READ_BYTES = 65_536;

export class Transfer {
  readonly socket: TcpSocket;
  /** Whether it takes what comes. */
  reading = true;
  received = 0;
  /** Of all that came, once the peer has finished. */
  sha256: string | undefined;
  readonly #hash = createHash("sha256");
  readonly #into = new Uint8Array(READ_BYTES);
  #out: Uint8Array = new Uint8Array(0);
  #written = 0;
  #ending = false;

  constructor(socket: TcpSocket) {
    this.socket = socket;
  }

  /** Send `bytes` of the pattern of `seed`, after what is to be sent already. */
  send(seed: number, bytes: number): void {
    this.#out = Buffer.concat([this.#out.subarray(this.#written), pattern(seed, bytes)]);
    this.#written = 0;
  }

  /** Finish when all is sent. */
  end(): void {
    this.#ending = true;
  }

  /** Whether all that was to be sent is the socket's. */
  get sent(): boolean {
    return this.#written === this.#out.length;
  }

  /** One turn. @returns whether something was done. */
  readonly serve = (): boolean => {
    const { socket } = this;
    const written = socket.write(this.#out, this.#written, this.#out.length - this.#written);
    this.#written += written;
    let worked = written > 0;
    if (this.sent && this.#ending) {
      socket.shutdown();
      this.#ending = false;
      worked = true;
    }
    if (!this.reading) return worked;
    for (let taken = socket.read(this.#into, 0, READ_BYTES); taken > 0;) {
      this.#hash.update(this.#into.subarray(0, taken));
      this.received += taken;
      worked = true;
      taken = socket.read(this.#into, 0, READ_BYTES);
    }
    if (socket.ended && this.sha256 === undefined) this.sha256 = this.#hash.digest("hex");
    return worked;
  };
}
