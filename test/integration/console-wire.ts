/** The console's frames over a real TCP connection, written by hand, as any client of the wire makes them. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { frame } from "../services/console/door/wire.ts";
import { ConsoleEnd } from "./console-ends.ts";

const LENGTH_BYTES = 4;

/** One connection to the console over TCP, as any client of the wire makes it. */
export class ConsoleWire extends ConsoleEnd {
  readonly #socket: Socket;
  /** What came that is no whole frame yet. */
  #bytes: Buffer = Buffer.alloc(0);
  /** All bytes that came. */
  came = 0;
  over = false;
  readonly #localPort: number;
  #changed: () => void = () => undefined;

  private constructor(socket: Socket) {
    super();
    this.#socket = socket;
    this.#localPort = socket.localPort ?? 0;
    socket.setNoDelay(true);
    socket.on("data", (bytes) => {
      this.#feed(bytes);
      this.#changed();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.over = true;
      this.#changed();
    });
  }

  static async open(port: number): Promise<ConsoleWire> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new ConsoleWire(socket);
  }

  /** Over a connection that is there. */
  static over(socket: Socket): ConsoleWire {
    return new ConsoleWire(socket);
  }

  /** One that has said its token. @param way a port of the loopback, or a connection */
  static async authenticated(way: number | Socket, token: string): Promise<ConsoleWire> {
    const wire = typeof way === "number" ? await ConsoleWire.open(way) : ConsoleWire.over(way);
    wire.send(`AUTH ${token}`);
    const answer = await wire.line();
    if (answer !== "OK AUTH") throw new Error(`AUTH: ${answer ?? "closed"}`);
    return wire;
  }

  /** One that is logged in. */
  static async attached(way: number | Socket, token: string, ticket: string, role = "queen"): Promise<ConsoleWire> {
    const wire = await ConsoleWire.authenticated(way, token);
    wire.send(`ATTACH ${role} ${ticket}`);
    const answer = await wire.line();
    if (answer !== `OK ATTACH role=${role}`) throw new Error(`ATTACH: ${answer ?? "closed"}`);
    return wire;
  }

  /** The port of its own end. */
  get localPort(): number {
    return this.#localPort;
  }

  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  override send(...lines: readonly string[]): void {
    this.raw(Buffer.concat(lines.map(frame)));
  }

  /** Take nothing of what the hive says, until {@link resume}. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Say goodbye, and see the hive end it. @throws Error if it says anything else */
  async quit(): Promise<void> {
    const answers = [await this.ask("QUIT"), await this.line()];
    this.close();
    if (answers[0] !== "OK QUIT" || answers[1] !== undefined) throw new Error(`QUIT: ${answers.join(", ")}`);
  }

  close(): void {
    this.#socket.destroy();
  }

  protected override async more(withinMs: number): Promise<void> {
    await new Promise<void>((settle) => {
      const timer = setTimeout(settle, withinMs);
      this.#changed = () => {
        clearTimeout(timer);
        settle();
      };
    });
  }

  #feed(bytes: Buffer): void {
    this.came += bytes.length;
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    for (;;) {
      const size = this.#bytes.length >= LENGTH_BYTES ? this.#bytes.readUInt32LE() : Infinity;
      if (this.#bytes.length < size) return;
      this.take(this.#bytes.toString("utf8", LENGTH_BYTES, size));
      this.#bytes = this.#bytes.subarray(size);
    }
  }
}
