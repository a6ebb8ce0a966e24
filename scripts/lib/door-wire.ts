/**
 * A client of the console over TCP that does next to nothing itself, so that a measurement is one of the hive: frames out as
 * they are given, lines in as they come, and a switch to 9P. A hive that does not answer or closes is an exception.
 */
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { BROKEN, LINE, LineFraming, NEED_MORE } from "../../services/console/door/framing.ts";
import { nodeBytes } from "./node-bytes.ts";

const HEADER = 4;
const LINE_BYTES = 65_532;
const PATIENCE_MS = 30_000;

/** Where a door is. */
export type Place = number | { readonly host: string; readonly port: number };

/** Sees each line, and how many bytes it has in UTF-8. @returns whether it is the last that is waited for */
export type OnLine = (line: string, bytes: number) => boolean;

/** Lines as frames, in one piece. */
export function frames(...lines: readonly string[]): Buffer {
  return Buffer.concat(
    lines.map((line) => {
      const text = Buffer.from(line, "utf8");
      const frame = Buffer.alloc(HEADER + text.length);
      frame.writeUInt32LE(frame.length);
      text.copy(frame, HEADER);
      return frame;
    }),
  );
}

/** The hive said no. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly line: string;

  constructor(line: string) {
    super(`the hive answers ${line}`);
    this.line = line;
  }
}

/** The last line of a stream; a refusal is an exception. */
export function streamEnds(line: string): boolean {
  if (line.startsWith("ERR ")) throw new Refused(line);
  return line === "END";
}

/** An acknowledgement that is no refusal. */
export function acknowledged(line: string): boolean {
  if (!line.startsWith("OK ")) throw new Refused(line);
  return true;
}

export class DoorWire {
  readonly #socket: Duplex;
  readonly #framing = new LineFraming(nodeBytes, LINE_BYTES);
  #onLine: OnLine | undefined;
  #settle: (() => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  #over: Error | undefined;
  #released = false;
  #rest: Uint8Array = new Uint8Array(0);

  /** @param socket that is connected */
  constructor(socket: Duplex) {
    this.#socket = socket;
    socket.on("data", this.#take);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#end(new Error("the hive has closed the connection")));
  }

  /** @param place a port of the loopback, or where else it is @param patienceMs how long the connection may take */
  static async open(place: Place, patienceMs = PATIENCE_MS): Promise<DoorWire> {
    const where = typeof place === "number" ? { host: "127.0.0.1", port: place } : place;
    const socket = connect({ ...where, noDelay: true });
    await new Promise<void>((settle, fail) => {
      const timer = setTimeout(() => fail(new Error("nobody answers")), patienceMs);
      socket.once("error", fail);
      socket.once("connect", () => {
        clearTimeout(timer);
        settle();
      });
    }).catch((error: unknown) => {
      socket.destroy();
      throw error;
    });
    return new DoorWire(socket);
  }

  /** Send, and hear lines up to the one that `until` is waited for. */
  ask(bytes: Uint8Array, until: OnLine, patienceMs = PATIENCE_MS): Promise<void> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    return new Promise((settle, fail) => {
      const timer = setTimeout(() => this.#end(new Error(`no answer within ${patienceMs} ms`)), patienceMs);
      const over = (): void => {
        clearTimeout(timer);
        this.#onLine = undefined;
        this.#fail = undefined;
      };
      this.#onLine = until;
      this.#settle = () => {
        over();
        settle();
      };
      this.#fail = (error) => {
        over();
        fail(error);
      };
      this.#socket.write(bytes);
    });
  }

  /** More, within an `ask` that is under way. */
  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Close from this side and see the other close. */
  async leave(): Promise<void> {
    const closed = new Promise<void>((settle) => this.#socket.once("close", settle));
    if (this.#socket.closed) return;
    this.#socket.end();
    await closed;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Let it carry 9P from here on, of which this end is the client. @returns as {@link release} */
  async switchTo9p(): Promise<ReturnType<DoorWire["release"]>> {
    let released: ReturnType<DoorWire["release"]> | undefined;
    await this.ask(frames("SECURE9P"), (line) => {
      acknowledged(line);
      // At once, for what comes behind that line is none.
      released = this.release();
      return true;
    });
    return released!;
  }

  /** From here on it carries something else. @returns the socket, paused, and what came of that already */
  release(): { readonly socket: Duplex; readonly rest: Uint8Array } {
    this.#released = true;
    this.#socket.off("data", this.#take);
    this.#socket.pause();
    return { socket: this.#socket, rest: this.#rest };
  }

  readonly #take = (chunk: Buffer): void => {
    const framing = this.#framing;
    let at = 0;
    while (at < chunk.length && !this.#released && this.#over === undefined) {
      const state = framing.take(chunk, at, chunk.length - at);
      at += framing.taken;
      if (state === NEED_MORE) continue;
      if (state !== LINE) return this.#end(new Error(state === BROKEN ? "a false length" : "an overlong frame"));
      const { bytes, at: start, size } = framing;
      this.#rest = chunk.subarray(at);
      if (this.#line(nodeBytes.decode(bytes, start, size), size)) this.#settle?.();
    }
  };

  /** @returns whether it is the last */
  #line(text: string, bytes: number): boolean {
    try {
      return this.#onLine?.(text, bytes) ?? false;
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
  }

  #end(why: Error): void {
    this.#over ??= why;
    this.#socket.destroy();
    this.#fail?.(this.#over);
  }
}
