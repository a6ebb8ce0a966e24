/**
 * The way of `--via`: everybody who wants to go somewhere by a host shares one ssh connection to it, which is made when the first
 * comes, made anew when the next comes after it was lost, and ended with the tunnel. Who stops waiting for it holds up nobody else.
 */

import type { Duplex } from "node:stream";
import { type Address, ConnectError, type Via } from "../transports/tcp-connection.ts";
import { SshConnection, type SshOptions } from "./connection.ts";
import { destinationText, hostText } from "./destination.ts";

interface Making {
  readonly connection: Promise<SshConnection>;
  readonly giveUp: AbortController;
  waiting: number;
}

export class SshTunnel implements Via {
  readonly name: string;
  readonly #options: SshOptions;
  #making: Making | undefined;
  #connection: SshConnection | undefined;
  #closed = false;

  constructor(options: SshOptions) {
    this.#options = options;
    this.name = destinationText(options);
  }

  async dial(address: Address, signal: AbortSignal): Promise<Duplex> {
    const connection = this.#connection?.live === true ? this.#connection : await this.#connect(signal);
    return connection.forward(address, signal);
  }

  close(): void {
    this.#closed = true;
    this.#making?.giveUp.abort();
    this.#connection?.close();
  }

  /** Wait with the others for a connection. @throws ConnectError with one sentence */
  #connect(signal: AbortSignal): Promise<SshConnection> {
    const where = hostText(this.#options);
    if (this.#closed) return Promise.reject(new ConnectError(`ssh: the way by ${where} was closed`, "final"));
    const making = (this.#making ??= this.#make());
    making.waiting++;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        // The last one hears how far it came.
        if (--making.waiting === 0) making.giveUp.abort();
        else reject(new ConnectError(`ssh: ${where} did not answer in time`, "cut"));
      };
      signal.addEventListener("abort", leave, { once: true });
      making.connection.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
      if (signal.aborted) leave();
    });
  }

  #make(): Making {
    const giveUp = new AbortController();
    const connection = SshConnection.open(this.#options, giveUp.signal).then(
      (made) => {
        this.#making = undefined;
        this.#connection = made;
        if (this.#closed) made.close();
        return made;
      },
      (error: unknown) => {
        this.#making = undefined;
        throw error;
      },
    );
    return { connection, giveUp, waiting: 0 };
  }
}
