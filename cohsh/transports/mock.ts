/**
 * The way to a hive in this process. Answers come in a later turn of the event loop, as they would from a
 * wire, so nothing that works here depends on an answer being there when `send` returns.
 */

import { readFileSync } from "node:fs";
import { manifestPath } from "../../scripts/lib/manifest.ts";
import { packageVersion, revision } from "../../scripts/lib/repository.ts";
import { loadCtlSchemas } from "../../scripts/lib/schemas.ts";
import { readManifest } from "../../services/config/manifest.ts";
import { MockHive } from "../mock/hive.ts";
import type { Credentials } from "../tickets/credentials.ts";
import type { Transport, TransportSink } from "../transport.ts";

export class MockTransport implements Transport {
  readonly name = "mock";
  readonly #credentials: Credentials;
  #hive: MockHive | undefined;
  #opened = false;

  /** @param credentials of the hive that it makes */
  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  async open(sink: TransportSink, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw new Error("the mock hive was given up before it was there");
    if (this.#opened) throw new Error("the mock hive is open already");
    this.#opened = true;
    const schemas = await loadCtlSchemas();
    this.#hive = new MockHive({
      credentials: this.#credentials,
      schemas,
      manifest: readManifest(readFileSync(manifestPath, "utf8")),
      build: { version: packageVersion(), revision: revision(), imageHash: "none", quickjs: "none" },
      reply: (line) => sink.reply(line),
      log: (line) => sink.log(line),
    });
  }

  send(line: string): void {
    if (this.#hive === undefined) throw new Error("the mock hive is not open");
    this.#hive.send(line);
  }

  close(): Promise<void> {
    this.#hive?.close();
    this.#hive = undefined;
    return Promise.resolve();
  }
}
