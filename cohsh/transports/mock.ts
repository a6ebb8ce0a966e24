/**
 * The way to a hive in this process. Answers come in a later turn of the event loop, as they would from a
 * wire, so nothing that works here depends on an answer being there when `send` returns.
 */

import { MockHive } from "../mock/hive.ts";
import type { Transport, TransportSink } from "../transport.ts";

/** Microseconds since this transport's hive was made. */
function uptimeClock(): { nowUs(): number } {
  const start = performance.now();
  return { nowUs: () => Math.floor((performance.now() - start) * 1000) };
}

export class MockTransport implements Transport {
  readonly name = "mock";
  readonly keeper = "hive";
  #hive: MockHive | undefined;
  #sink: TransportSink | undefined;

  open(sink: TransportSink, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(new Error("the mock hive was given up before it was there"));
    if (this.#sink !== undefined) return Promise.reject(new Error("the mock hive is open already"));
    this.#hive = new MockHive(uptimeClock());
    this.#sink = sink;
    return Promise.resolve();
  }

  send(line: string): void {
    const hive = this.#hive;
    if (hive === undefined) throw new Error("the mock hive is not open");
    setImmediate(() => {
      if (this.#hive !== hive) return;
      for (const reply of hive.answer(line)) this.#sink?.reply(reply);
    });
  }

  close(): Promise<void> {
    this.#hive = undefined;
    return Promise.resolve();
  }
}
