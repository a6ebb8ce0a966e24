/**
 * The way to a hive in the simulator, in this process and in real time: the shell talks over the modelled
 * serial line as it would to QEMU's. When the transport is closed, nothing of the machine runs on.
 */

import { loadHive } from "../../engine/sim/hive.ts";
import type { Machine } from "../../engine/sim/machine.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { type Credentials, formatCredentials } from "../tickets/credentials.ts";
import type { Transport, TransportSink } from "../transport.ts";
import { SerialLines } from "./serial-lines.ts";

export class SimTransport implements Transport {
  readonly name = "sim";
  readonly #credentials: Credentials;
  readonly #outDir: string;
  #machine: Machine | undefined;
  #serial: SerialLines | undefined;
  #ready = false;
  #closing = false;

  /**
   * @param credentials of the hive that it makes
   * @param outDir where its bundle was built
   */
  constructor(credentials: Credentials, outDir = inRepository("out")) {
    this.#credentials = credentials;
    this.#outDir = outDir;
  }

  /** Whether a machine is there that has not halted. */
  get running(): boolean {
    return this.#machine !== undefined && !this.#closing;
  }

  async open(sink: TransportSink, signal: AbortSignal): Promise<void> {
    if (this.#machine !== undefined) throw new Error("the simulator was started already");
    if (signal.aborted) throw new Error("the simulator was given up before it was started");
    const serial = new SerialLines(sink);
    const { machine } = loadHive({
      outDir: this.#outDir,
      manifest: { file: inRepository("rootfs", "manifest.json") },
      credentials: formatCredentials(this.#credentials),
      clock: "real",
      onLog: (text) => serial.feed(Buffer.from(text, "utf8")),
    });
    this.#machine = machine;
    this.#serial = serial;
    machine.serial.onOutput = () => serial.feed(machine.serial.read());
    const prompted = new Promise<undefined>((resolve) => {
      serial.onPrompt = () => resolve(undefined);
    });
    const ended = machine.start().then(
      () => `the simulated machine halted: ${machine.haltReason ?? "it was stopped"}`,
      (error: unknown) => `the simulator failed: ${error instanceof Error ? error.message : String(error)}`,
    );
    const outcome = await Promise.race([
      prompted,
      ended,
      new Promise<string>((resolve) => {
        signal.addEventListener("abort", () => resolve("the hive in the simulator was not up in time"), { once: true });
      }),
    ]);
    serial.onPrompt = undefined;
    if (outcome !== undefined) {
      await this.close();
      throw new Error(outcome);
    }
    this.#ready = true;
    void ended.then((reason) => {
      this.#ready = false;
      serial.end();
      if (!this.#closing) sink.ended(reason);
    });
  }

  send(line: string): void {
    const machine = this.#machine;
    if (!this.#ready || this.#closing || machine === undefined) throw new Error("the simulator is not open");
    const bytes = Buffer.from(`${line}\r`, "utf8");
    if (machine.serial.writable < bytes.length) throw new Error("the simulator's serial line is full");
    this.#serial?.sent(line);
    machine.serial.write(bytes);
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    const machine = this.#machine;
    if (machine === undefined) return;
    machine.serial.onOutput = undefined;
    // How a failed machine ended was announced when it did.
    await machine.stop().catch(() => undefined);
  }
}
