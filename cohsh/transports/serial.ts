/**
 * The way to a hive that runs already, over a serial line: a terminal line, a pty or a unix socket. What somebody left on the line,
 * half a command, a stream or a login, is ended before the first command and again at the end, so nobody inherits it.
 */

import type { Transport, TransportSink } from "../transport.ts";
import { SerialLines } from "./serial-lines.ts";
import { openPort, type SerialPort } from "./serial-port.ts";

/** In milliseconds. */
export interface SerialPatience {
  /** How long a silent line is left before it is spoken to again. */
  readonly again: number;
  /** How long the hive may take to end the login. */
  readonly goodbye: number;
}

const PATIENCE: SerialPatience = { again: 1000, goodbye: 500 };
/** Drops what is typed, and asks for a prompt. */
const WAKE = "\x03\r";
/** Ends a stream and the login. A line without either refuses the first and answers the second. */
const FAREWELL = ["stop", "quit"] as const;

export class SerialTransport implements Transport {
  readonly name = "serial";
  readonly #path: string;
  readonly #patience: SerialPatience;
  #port: SerialPort | undefined;
  #serial: SerialLines | undefined;
  #opened = false;
  #ready = false;
  #closing = false;
  #speaking: NodeJS.Timeout | undefined;
  /** The line `OK QUIT` has come. */
  #quitted: (() => void) | undefined;

  constructor(path: string, patience = PATIENCE) {
    this.#path = path;
    this.#patience = patience;
  }

  /** Whether the line is open. */
  get connected(): boolean {
    return this.#port !== undefined;
  }

  async open(sink: TransportSink, signal: AbortSignal): Promise<void> {
    if (this.#opened) throw new Error(`${this.#path} was opened already`);
    this.#opened = true;
    if (signal.aborted) throw new Error(`${this.#path} was given up before it was open`);
    const port = await openPort(this.#path, signal);
    this.#port = port;
    const serial = new SerialLines({
      reply: (line) => {
        if (/^OK QUIT\b/.test(line)) this.#quitted?.();
        if (this.#ready) sink.reply(line);
      },
      log: (line) => {
        if (this.#ready) sink.log(line);
      },
      ended: () => undefined,
    });
    this.#serial = serial;
    port.onData = (bytes) => serial.feed(bytes);
    const gone = new Promise<string>((resolve) => (port.onGone = resolve));
    const outcome = await Promise.race([
      this.#settle(port, serial),
      gone,
      new Promise<string>((resolve) => {
        const reason = `no hive answers at ${this.#path}: it may be off, or another program may be on the line`;
        signal.addEventListener("abort", () => resolve(reason), { once: true });
      }),
    ]);
    clearInterval(this.#speaking);
    serial.onPrompt = undefined;
    this.#quitted = undefined;
    if (outcome !== undefined || this.#closing) {
      this.#release();
      throw new Error(outcome ?? `${this.#path} was closed before a hive answered`);
    }
    this.#ready = true;
    void gone.then((reason) => {
      this.#ready = false;
      this.#port = undefined;
      serial.end();
      if (!this.#closing) sink.ended(reason);
    });
  }

  send(line: string): void {
    if (!this.#ready || this.#closing) throw new Error(`the serial line ${this.#path} is not open`);
    this.#serial?.sent(line);
    this.#port?.write(`${line}\r`);
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    const port = this.#port;
    if (port === undefined || !this.#ready) {
      this.#release();
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#patience.goodbye);
      this.#quitted = () => {
        clearTimeout(timer);
        resolve();
      };
      port.write(`\x03${FAREWELL.map((line) => `${line}\r`).join("")}`);
    });
    this.#ready = false;
    this.#release();
  }

  /** Speak to the line until a hive has ended what was left there and shows its prompt. */
  #settle(port: SerialPort, serial: SerialLines): Promise<undefined> {
    return new Promise((resolve) => {
      let woken = false;
      let asked = false;
      let quitted = false;
      const ask = (): void => {
        asked = true;
        for (const line of FAREWELL) {
          serial.sent(line);
          port.write(`${line}\r`);
        }
      };
      const speak = (): void => {
        // A stream that goes on may hold the prompt back, so the farewell does not wait for it for ever.
        if (woken && !asked) ask();
        else {
          woken = true;
          asked = false;
          port.write(WAKE);
        }
      };
      this.#quitted = () => (quitted = true);
      serial.onPrompt = () => {
        if (quitted) resolve(undefined);
        else if (!asked) ask();
      };
      this.#speaking = setInterval(speak, this.#patience.again);
      speak();
    });
  }

  #release(): void {
    this.#port?.close();
    this.#port = undefined;
  }
}
