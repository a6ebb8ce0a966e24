/** A transport whose other end is the test, and an output that the test reads. */

import type { Acknowledgement } from "../../cohsh/acknowledgement.ts";
import type { ConnectionEvent, Output } from "../../cohsh/output.ts";
import type { Transport, TransportSink } from "../../cohsh/transport.ts";

export class FakeTransport implements Transport {
  readonly name = "mock";
  readonly sent: string[] = [];
  closed = 0;
  #sink: TransportSink | undefined;

  /** What the session or shell listens on. */
  get sink(): TransportSink {
    if (this.#sink === undefined) throw new Error("not open");
    return this.#sink;
  }

  open(sink: TransportSink): Promise<void> {
    this.#sink = sink;
    return Promise.resolve();
  }

  send(line: string): void {
    if (this.closed > 0) throw new Error("not open");
    this.sent.push(line);
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }

  /** Lines of an answer. */
  reply(...lines: string[]): void {
    for (const line of lines) this.sink.reply(line);
  }
}

/** An output that keeps everything as text: acknowledgements and lines as they came, everything else by its kind. */
export class Page implements Output {
  readonly lines: string[] = [];

  command(shown: string): void {
    this.lines.push(`> ${shown}`);
  }

  acknowledgement(_acknowledgement: Acknowledgement, line: string): void {
    this.lines.push(line);
  }

  line(text: string): void {
    this.lines.push(text);
  }

  end(): void {
    this.lines.push("(end)");
  }

  log(text: string): void {
    this.lines.push(`(log) ${text}`);
  }

  note(text: string): void {
    this.lines.push(`# ${text}`);
  }

  event({ event, ...fields }: ConnectionEvent): void {
    this.lines.push(`(${event}) ${JSON.stringify(fields)}`);
  }

  /** What stands there since the last time, events left out. */
  take(): string[] {
    return this.lines
      .splice(0)
      .filter((line) => !/^\((connect|attach|detach|interrupted|resumed|lost|close)\)/.test(line));
  }
}
