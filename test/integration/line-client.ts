/** A client of a hive's console over TCP, on the shell's own connection: it says lines and waits for each that comes back. */
import { connectConsole, type ConsoleConnection } from "../../cohsh/transports/tcp-connection.ts";

const PATIENCE_MS = 20_000;

export class LineClient {
  readonly #connection: ConsoleConnection;
  readonly #lines: string[] = [];
  #over = false;
  #changed: () => void = () => undefined;

  /** Connect and be admitted. @throws ConnectError if the token is refused */
  static async open(port: number, token: string): Promise<LineClient> {
    const address = { host: "127.0.0.1", port };
    return new LineClient(await connectConsole(address, token, AbortSignal.timeout(PATIENCE_MS)));
  }

  private constructor(connection: ConsoleConnection) {
    this.#connection = connection;
    connection.listen(
      (line) => {
        this.#lines.push(line);
        this.#changed();
      },
      () => {
        this.#over = true;
        this.#changed();
      },
    );
  }

  /** The next line; `undefined` if the hive has closed. */
  async line(): Promise<string | undefined> {
    const deadline = performance.now() + PATIENCE_MS;
    while (this.#lines.length === 0 && !this.#over) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no line within ${PATIENCE_MS} ms`);
      await new Promise<void>((settle) => {
        const timer = setTimeout(settle, left);
        this.#changed = () => {
          clearTimeout(timer);
          settle();
        };
      });
    }
    return this.#lines.shift();
  }

  /** Say a line. @returns its acknowledgement, `undefined` if the hive has closed */
  ask(line: string): Promise<string | undefined> {
    this.#connection.send(line);
    return this.line();
  }

  /** Say a line that is answered with a stream. @returns that without its `END` @throws Error if it is refused or cut */
  async stream(line: string): Promise<string[]> {
    const acknowledgement = await this.ask(line);
    if (acknowledgement?.startsWith("OK ") !== true) throw new Error(`${line}: ${acknowledgement ?? "closed"}`);
    const lines: string[] = [];
    for (let next = await this.line(); next !== "END"; next = await this.line()) {
      if (next === undefined) throw new Error(`${line}: the stream was cut`);
      lines.push(next);
    }
    return lines;
  }

  close(): void {
    this.#connection.close();
  }
}
