/**
 * One TCP connection to a hive's console, admitted with the operator's token. Lines go both ways in frames until it is gone, which
 * is told once and with the reason; a hive that lies, stalls or sends what is no frame is such a reason, never a wait without end.
 */

import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { parseAcknowledgement } from "../acknowledgement.ts";
import { frame, FrameReader } from "./frames.ts";

/** Another way to an address than a connection from here. */
export interface Via {
  /** As the user wrote it, and without a secret. */
  readonly name: string;
  /** @throws ConnectError with one sentence */
  dial(address: Address, signal: AbortSignal): Promise<Duplex>;
  /** End it, and every stream that goes by it. */
  close(): void;
}

export interface Address {
  readonly host: string;
  readonly port: number;
  /** How it is reached; without, by TCP from here. */
  readonly via?: Via;
}

/** Who hears a connection. Called only after `connectConsole` has resolved. */
export interface ConnectionListener {
  line(text: string): void;
  /** Not because of `close`. */
  gone(reason: string): void;
}

/** Why there is no connection. */
export class ConnectError extends Error {
  override readonly name = "ConnectError";
  /** `final`: another attempt would go the same way; `absent`: nobody listens there; `cut`: it may be better soon. */
  readonly kind: "final" | "absent" | "cut";
  /** How long the hive asked to be left alone. */
  readonly delayMs: number;

  constructor(message: string, kind: "final" | "absent" | "cut", options: { delayMs?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.delayMs = options.delayMs ?? 0;
  }
}

/** What a hive says before it closes a connection, in the middle of whatever else it says. */
const LAST_WORDS: Readonly<Record<string, string>> = {
  "ERR FRAME reason=cut detail=timed-out": "ended the session: nothing was said for too long",
  "ERR FRAME reason=quota detail=buffer-full": "ended the session: what it said was not read",
};
/** What may wait to be sent; a hive that takes none of it is gone. */
const UNSENT_LIMIT = 1 << 20;

export function addressText({ host, port, via }: Address): string {
  const text = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  return via === undefined ? text : `${text} via ${via.name}`;
}

export class ConsoleConnection {
  readonly #socket: Duplex;
  readonly #name: string;
  readonly #reader: FrameReader;
  #line: (text: string) => void = () => undefined;
  #gone: ((reason: string) => void) | undefined;
  #failure: string | undefined;
  #over: string | undefined;
  /** What was sent is no stream of lines. */
  outOfStep = false;
  /** A line that is the last word if nothing follows. */
  #last: string | undefined;

  /** @param socket that is connected */
  constructor(socket: Duplex, address: Address) {
    this.#socket = socket;
    this.#name = `the hive at ${addressText(address)}`;
    this.#reader = new FrameReader((text) => this.#take(text));
    socket.on("data", this.#feed);
    socket.on("error", (error) => {
      this.#failure ??= `the connection to ${this.#name} broke: ${reasonOf(error)}`;
    });
    socket.on("end", () => socket.destroy());
    socket.on("close", () => {
      const cut = this.#reader.partial ? " in the middle of a line" : "";
      const last = this.#last === undefined ? undefined : LAST_WORDS[this.#last];
      this.#end(this.#failure ?? `${this.#name} ${last ?? `closed the connection${cut}`}`);
    });
  }

  /** Hear it from now on; an end that was before is told at once. */
  listen(line: (text: string) => void, gone: (reason: string) => void): void {
    this.#line = line;
    this.#gone = gone;
    if (this.#over !== undefined) this.#tell(this.#over);
  }

  send(line: string): void {
    if (this.#over !== undefined) return;
    this.#socket.write(frame(line));
    if (this.#socket.writableLength > UNSENT_LIMIT) this.drop("takes nothing any more");
  }

  /** Give it up, and say so as what became of the hive. */
  drop(what: string): void {
    this.#failure ??= `${this.#name} ${what}`;
    this.#socket.destroy();
    this.#end(this.#failure);
  }

  /** Leave without a word. */
  close(): void {
    this.#gone = undefined;
    this.#over ??= "closed";
    this.#socket.destroy();
  }

  /** No more lines: from here on the wire carries something else. Called from within a line. */
  release(): { readonly socket: Duplex; readonly rest: Uint8Array } {
    this.#gone = undefined;
    this.#socket.off("data", this.#feed);
    this.#socket.pause();
    return { socket: this.#socket, rest: this.#reader.release() };
  }

  readonly #feed = (chunk: Buffer): void => {
    const why = this.#over === undefined ? this.#reader.feed(chunk) : undefined;
    if (why === undefined) return;
    this.outOfStep = true;
    this.drop(`is none, or is out of step: ${why}`);
  };

  #take(text: string): void {
    const last = this.#last;
    this.#last = undefined;
    if (last !== undefined) this.#line(last);
    if (Object.hasOwn(LAST_WORDS, text)) this.#last = text;
    else this.#line(text);
  }

  #end(reason: string): void {
    if (this.#over !== undefined) return;
    this.#over = reason;
    this.#tell(reason);
  }

  #tell(reason: string): void {
    const gone = this.#gone;
    this.#gone = undefined;
    gone?.(reason);
  }
}

/** Connect and be admitted. @throws ConnectError with one sentence that shows no credential */
export async function connectConsole(address: Address, token: string, signal: AbortSignal): Promise<ConsoleConnection> {
  const where = addressText(address);
  const socket = await dial(address, signal);
  const connection = new ConsoleConnection(socket, address);
  const stalled = (): void =>
    connection.drop("did not answer: it may be starting, be built without a network, or be something else");
  signal.addEventListener("abort", stalled, { once: true });
  try {
    return await new Promise<ConsoleConnection>((resolve, reject) => {
      connection.listen(
        (line) => {
          const acknowledgement = parseAcknowledgement(line);
          if (line === "OK AUTH") return resolve(connection);
          connection.close();
          reject(refusal(where, acknowledgement?.verb === "AUTH" && !acknowledgement.ok ? acknowledgement : undefined));
        },
        (reason) => reject(new ConnectError(reason, connection.outOfStep ? "final" : "cut")),
      );
      connection.send(`AUTH ${token}`);
    });
  } finally {
    signal.removeEventListener("abort", stalled);
  }
}

function refusal(where: string, answer: { readonly detail?: string } | undefined): ConnectError {
  if (answer === undefined) return new ConnectError(`what listens at ${where} is no hive's console`, "final");
  const { detail = "" } = answer;
  const delayMs = /delay_ms=(\d{1,6})\b/.exec(detail)?.[1];
  if (delayMs !== undefined) {
    const sentence = `the hive at ${where} takes no logins from here for ${delayMs} ms: too many were wrong`;
    return new ConnectError(sentence, "cut", { delayMs: Number(delayMs) });
  }
  return new ConnectError(`the hive at ${where} refuses the token: the credentials are another hive's`, "final");
}

/** A connection by the way that the address names. @throws ConnectError with one sentence */
export function dial(address: Address, signal: AbortSignal): Promise<Duplex> {
  return address.via?.dial(address, signal) ?? connectTcp(address, signal);
}

/** A connection from here. @throws ConnectError with one sentence */
export function connectTcp({ host, port }: Address, signal: AbortSignal): Promise<Socket> {
  const address = { host, port };
  const where = addressText(address);
  return new Promise((resolve, reject) => {
    const socket = connect({ ...address, noDelay: true });
    const abort = (): void => fail(new ConnectError(`${where} did not answer in time`, "cut"));
    const fail = (error: ConnectError): void => {
      signal.removeEventListener("abort", abort);
      socket.on("error", () => undefined);
      socket.destroy();
      reject(error);
    };
    socket.once("error", (error) => fail(unreachable(address, error)));
    socket.once("connect", () => {
      signal.removeEventListener("abort", abort);
      socket.removeAllListeners("error");
      resolve(socket);
    });
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}

function unreachable(address: Address, error: Error): ConnectError {
  const where = addressText(address);
  const code = "code" in error ? error.code : undefined;
  switch (code) {
    case "ECONNREFUSED":
      return new ConnectError(`nobody listens at ${where}`, "absent", { cause: error });
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new ConnectError(`there is no host ${address.host}`, "absent", { cause: error });
    case "ENETUNREACH":
    case "EHOSTUNREACH":
      return new ConnectError(`there is no way to ${address.host}`, "absent", { cause: error });
    case "ETIMEDOUT":
    case "ECONNRESET":
      return new ConnectError(`${where} did not answer in time`, "cut", { cause: error });
    default:
      return new ConnectError(`${where} cannot be reached: ${reasonOf(error)}`, "cut", { cause: error });
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
