/** A transport whose other end is the test. */

import type { Transport, TransportSink } from "../../cohsh/transport.ts";

export class FakeTransport implements Transport {
  readonly name = "mock";
  readonly keeper: "hive" | "shell";
  readonly sent: string[] = [];
  closed = 0;
  #sink: TransportSink | undefined;

  constructor(keeper: "hive" | "shell") {
    this.keeper = keeper;
  }

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
