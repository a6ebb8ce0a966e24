/**
 * A channel of an ssh connection as any other stream: it ends, fails and is destroyed once, whatever became of the connection, and
 * is read and written no faster than both sides take it. ssh2's own are never destroyed and forget a write that comes too late.
 */

import { Duplex } from "node:stream";
import type { ClientChannel } from "ssh2";

export class ChannelStream extends Duplex {
  readonly #channel: ClientChannel;

  constructor(channel: ClientChannel) {
    super({ allowHalfOpen: true });
    this.#channel = channel;
    channel.on("data", (bytes: Buffer) => {
      if (!this.push(bytes)) channel.pause();
    });
    channel.on("end", () => this.push(null));
    channel.on("error", (error: Error) => this.destroy(error));
    channel.on("close", () => {
      // What came before is read first.
      if (this.readableEnded || this.destroyed) this.destroy();
      else this.once("end", () => this.destroy());
      this.push(null);
    });
    channel.stderr.resume();
    channel.pause();
  }

  override _read(): void {
    this.#channel.resume();
  }

  override _write(bytes: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#channel.write(bytes, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#channel.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#channel.close();
    this.#channel.resume();
    done(error);
  }
}
