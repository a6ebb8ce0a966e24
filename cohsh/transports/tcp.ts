/**
 * The way to a hive that runs already, over TCP: admitted with the operator's token, kept alive while nothing is said, and connected
 * again with growing waits when it is lost. Nothing is ever sent twice from here; what is to be said anew is the session's to know.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Found } from "../tickets/keyring.ts";
import type { Transport, TransportSink } from "../transport.ts";
import { firstWord } from "../verbs.ts";
import { BackOff, type BackOffRules } from "./back-off.ts";
import { type Address, addressText, ConnectError, connectConsole, type ConsoleConnection } from "./tcp-connection.ts";
import { Heartbeat } from "./heartbeat.ts";
import { within } from "./within.ts";

/** In milliseconds. */
export interface TcpPatience {
  /** Silence until the hive is asked whether it is there; below the 300 s after which it closes a quiet session. */
  readonly silence: number;
  /** How long the answer to that may take. */
  readonly heartbeat: number;
  /** How long one attempt to connect may take. */
  readonly attempt: number;
  readonly backOff: BackOffRules;
  /** How long a lost hive is looked for. */
  readonly lost: number;
  /** How long the hive may take to end the login. */
  readonly goodbye: number;
}

export const TCP_PATIENCE: TcpPatience = {
  silence: 20_000,
  heartbeat: 10_000,
  attempt: 5000,
  backOff: { first: 200, most: 10_000 },
  lost: 120_000,
  goodbye: 500,
};

export interface TcpOptions extends Address {
  /** The operator's token, asked for at each connection. */
  readonly token: () => Found;
  readonly patience?: Partial<TcpPatience>;
}

/** What helps when there is no network to the hive. */
const FALLBACKS = "without a network there are --serial PATH, --transport qemu, sim and mock";

export class TcpTransport implements Transport {
  readonly name = "tcp";
  readonly resumes = true;
  readonly #options: TcpOptions;
  readonly #patience: TcpPatience;
  readonly #end = new AbortController();
  #sink: TransportSink | undefined;
  #connection: ConsoleConnection | undefined;
  #heartbeat: Heartbeat | undefined;
  #leaving = false;
  #left = false;
  #quitted: (() => void) | undefined;

  constructor(options: TcpOptions) {
    this.#options = options;
    this.#patience = { ...TCP_PATIENCE, ...options.patience };
  }

  /** Whether a connection is there. */
  get connected(): boolean {
    return this.#connection !== undefined;
  }

  async open(sink: TransportSink, signal: AbortSignal): Promise<void> {
    const where = addressText(this.#options);
    if (this.#sink !== undefined) throw new Error(`${where} was opened already`);
    this.#sink = sink;
    if (signal.aborted) throw new Error(`${where} was given up before it was open`);
    const backOff = new BackOff(this.#patience.backOff);
    const both = AbortSignal.any([signal, this.#end.signal]);
    try {
      this.#begin(await this.#attempts(both, backOff, false));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(
        this.#end.signal.aborted
          ? `${where} was closed before a hive answered`
          : error instanceof ConnectError && error.kind !== "final"
            ? `${why}; ${FALLBACKS}`
            : why,
        { cause: error },
      );
    }
  }

  send(line: string): void {
    const connection = this.#connection;
    if (connection === undefined || this.#leaving) {
      throw new Error(`the connection to ${addressText(this.#options)} is not open`);
    }
    if (firstWord(line) === "quit") this.#leaving = true;
    this.#heartbeat?.stir();
    connection.send(line);
  }

  async close(): Promise<void> {
    try {
      await this.#goodbye();
    } finally {
      this.#options.via?.close();
    }
  }

  async #goodbye(): Promise<void> {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    const connection = this.#connection;
    if (connection !== undefined && !this.#leaving) {
      this.#leaving = true;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#patience.goodbye);
        this.#quitted = () => {
          clearTimeout(timer);
          resolve();
        };
        connection.send("quit");
      });
    }
    this.#release();
  }

  #begin(connection: ConsoleConnection): void {
    if (this.#end.signal.aborted) {
      connection.close();
      throw new Error("closed");
    }
    this.#connection = connection;
    const heartbeat = new Heartbeat({
      silence: this.#patience.silence,
      patience: this.#patience.heartbeat,
      send: (line) => connection.send(line),
      dead: () => connection.drop("does not answer any more"),
      line: (text) => {
        if (!this.#end.signal.aborted) this.#sink?.reply(text);
      },
    });
    this.#heartbeat = heartbeat;
    connection.listen(
      (text) => {
        if (this.#leaving && /^OK QUIT\b/.test(text)) {
          this.#left = true;
          this.#quitted?.();
        }
        heartbeat.heard(text);
      },
      (reason) => {
        this.#release();
        this.#quitted?.();
        // Who has said goodbye is not missed.
        if (!this.#leaving) void this.#again(reason);
        else if (!this.#left && !this.#end.signal.aborted) this.#sink?.ended(reason);
      },
    );
  }

  /** Look for a hive that was lost. */
  async #again(reason: string): Promise<void> {
    const sink = this.#sink;
    sink?.interrupted?.(reason);
    const { lost, backOff: rules } = this.#patience;
    const backOff = new BackOff(rules);
    try {
      const again = async (signal: AbortSignal): Promise<ConsoleConnection> => {
        await sleep(backOff.next(), undefined, { signal: this.#end.signal });
        return this.#attempts(signal, backOff, true);
      };
      this.#begin(await within(lost, [this.#end.signal], again));
    } catch (error) {
      if (this.#end.signal.aborted) return;
      const why = error instanceof Error ? error.message : String(error);
      sink?.ended(why === reason ? reason : `${reason}; ${why}`);
      return;
    }
    sink?.resumed?.();
  }

  /** @param patient whether nobody listening is no reason to give up @throws ConnectError the last one */
  async #attempts(signal: AbortSignal, backOff: BackOff, patient: boolean): Promise<ConsoleConnection> {
    let last: unknown;
    for (;;) {
      const token = this.#options.token();
      if ("missing" in token) throw new ConnectError(token.missing, "final");
      try {
        return await within(this.#patience.attempt, [signal], (attempt) =>
          connectConsole(this.#options, token.credential, attempt),
        );
      } catch (error) {
        // An attempt that was broken off says less than the one before it.
        if (!(error instanceof ConnectError) || signal.aborted) throw last ?? error;
        last = error;
        if (error.kind === "final" || (error.kind === "absent" && !patient)) throw error;
        try {
          await sleep(backOff.next(error.delayMs), undefined, { signal });
        } catch {
          throw error;
        }
      }
    }
  }

  #release(): void {
    this.#heartbeat?.stop();
    this.#heartbeat = undefined;
    this.#connection?.close();
    this.#connection = undefined;
  }
}
