/** The console's frames over a real TCP connection, written by hand, as any client of the wire makes them. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

const patienceMs = 20_000;
const HEADER = 4;

/** One connection to the console, as any client of the wire makes it. */
export class ConsoleWire {
  readonly #socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #closed = false;
  #changed: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#changed();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#closed = true;
      this.#changed();
    });
  }

  static async open(port: number): Promise<ConsoleWire> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new ConsoleWire(socket);
  }

  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  send(...lines: string[]): void {
    const frames = lines.map((line) => {
      const text = Buffer.from(line, "utf8");
      const frame = Buffer.alloc(HEADER + text.length);
      frame.writeUInt32LE(frame.length);
      text.copy(frame, HEADER);
      return frame;
    });
    this.raw(Buffer.concat(frames));
  }

  /** The next line; `undefined` if the hive has closed. */
  async line(): Promise<string | undefined> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const size = this.#bytes.length >= HEADER ? this.#bytes.readUInt32LE() : Infinity;
      if (this.#bytes.length >= size) {
        const text = this.#bytes.toString("utf8", HEADER, size);
        this.#bytes = this.#bytes.subarray(size);
        return text;
      }
      if (this.#closed) return undefined;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no line within ${patienceMs} ms`);
      await new Promise<void>((settle) => {
        const timer = setTimeout(settle, left);
        this.#changed = () => {
          clearTimeout(timer);
          settle();
        };
      });
    }
  }

  /** Say a line. @returns the next that comes, its acknowledgement */
  ask(line: string): Promise<string | undefined> {
    this.send(line);
    return this.line();
  }

  async lines(count: number): Promise<(string | undefined)[]> {
    const lines = [];
    for (let i = 0; i < count; i++) lines.push(await this.line());
    return lines;
  }

  /** Lines up to and with `END`. */
  async stream(): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.line();
      if (line === undefined) throw new Error(`the stream was cut after ${lines.join("|")}`);
      lines.push(line);
      if (line === "END" || line.startsWith("ERR ")) return lines;
    }
  }

  /** Take nothing any more. */
  pause(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
  }
}
