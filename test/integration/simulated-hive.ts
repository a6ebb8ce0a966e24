/**
 * The hive of the built bundle in a simulated machine, in this process and in real time, with its console on a free port of the
 * loopback through the gateway. Its network can be unplugged and its network device can break.
 */
import { readFileSync } from "node:fs";
import { DriverFault, type UsedEntry } from "../../engine/sim/devices/virtio/queue.ts";
import { gatewayNetwork } from "../../engine/sim/gateway/network.ts";
import { publish, type Published } from "../../engine/sim/gateway/publish.ts";
import { createHive } from "../../engine/sim/hive.ts";
import type { Machine } from "../../engine/sim/machine.ts";
import { manifestPath } from "../../scripts/lib/manifest.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { Screen } from "../../scripts/lib/screen.ts";
import { readManifest } from "../../services/config/manifest.ts";
import type { FailingHive } from "./listening-hive.ts";

const patienceMs = 60_000;
/** Number of the queue with which frames come to the guest (virtio 1.2 §5.1.2). */
const RECEIVE = 0;

/** How a device breaks: it asks for a reset, or writes what cannot be into the used ring. */
export type Breakage = "asks" | "index" | "id" | "length";

export interface SimulatedHiveOptions {
  /** The manifest's text; without it the repository's. */
  readonly manifest?: string;
}

export class SimulatedHive implements FailingHive {
  readonly machine: Machine;
  /** How the device breaks with the next frame for the guest, and the number of the last. */
  #breakage: Breakage | undefined;
  #used = 0;
  #published: Published | undefined;
  #running: Promise<void> = Promise.resolve();
  readonly #screen = new Screen();

  /** @returns one that is up. Whoever asks ends it. */
  static async start(options: SimulatedHiveOptions = {}): Promise<SimulatedHive> {
    const text = options.manifest ?? readFileSync(manifestPath, "utf8");
    const hive = new SimulatedHive(text);
    try {
      hive.#published = await publish(hive.machine, gatewayNetwork(readManifest(text).network), {
        host: "127.0.0.1",
        port: 0,
      });
      hive.#run();
      await hive.expect(/PONG 1\r?\n/, patienceMs);
      return hive;
    } catch (error) {
      await hive.end().catch(() => undefined);
      throw error;
    }
  }

  private constructor(manifest: string) {
    this.machine = createHive({
      outDir: inRepository("out"),
      manifest: { text: manifest },
      clock: "real",
      net: { hooks: { used: (entry) => this.#give(entry) } },
      onLog: (printed) => this.#screen.print(printed),
    });
    const { console } = this.machine;
    console.onOutput = () => this.#screen.print(Buffer.from(console.read()).toString("utf8"));
  }

  #run(): void {
    this.#running = this.machine.start().then(
      () => this.#screen.end(`it halted: ${this.machine.haltReason ?? "it was stopped"}`),
      (error: unknown) => this.#screen.end(String(error)),
    );
  }

  /** Everything that the console's line and the debug console have printed. */
  get output(): string {
    return this.#screen.text;
  }

  /** Where its console listens, on 127.0.0.1. */
  get port(): number {
    return this.#opened.port;
  }

  get gateway(): Published["gateway"] {
    return this.#opened.gateway;
  }

  get #opened(): Published {
    if (this.#published === undefined) throw new Error("the hive has no port");
    return this.#published;
  }

  /** @throws Error if the line's buffer is full. */
  type(text: string): void {
    const bytes = Buffer.from(text, "utf8");
    if (this.machine.console.write(bytes) < bytes.length) throw new Error("the console's line is full");
  }

  /**
   * Wait for output of the console's line that was not waited for before.
   * @returns what came up to and with it. @throws Error at the time-out or when the machine is gone.
   */
  expect(pattern: RegExp, withinMs: number): Promise<string> {
    return this.#screen.expect(pattern, withinMs);
  }

  /** Pull the network's plug, or put it back. */
  setLink(up: boolean): void {
    this.machine.net?.setLink(up);
  }

  /** Let the network device break; but for `asks`, with the next frame for the guest. It works again once it was reset. */
  breakNetwork(how: Breakage = "asks"): void {
    if (how !== "asks") {
      this.#breakage = how;
      return;
    }
    const { slots } = this.machine;
    slots[slots.length - 1]?.guard(() => {
      throw new DriverFault("a test asks for a reset");
    });
  }

  /** The device gives a buffer back. */
  #give(entry: UsedEntry): void {
    if (entry.queue !== RECEIVE) return;
    // A ring begins anew with its reset; the next entry of a broken one would hide what is wrong with this.
    if (entry.index < this.#used) this.#breakage = undefined;
    this.#used = entry.index;
    if (this.#breakage === "index") entry.index = (entry.index + 0x4000) & 0xffff;
    else if (this.#breakage === "id") entry.id = 0xffff;
    else if (this.#breakage === "length") entry.length = 0x7fffffff;
  }

  /** @throws Error if the machine did not run to now. */
  async end(): Promise<void> {
    const before = this.#screen.gone;
    await this.#published?.close();
    await this.machine.stop();
    await this.#running;
    if (before !== undefined) throw new Error(before);
  }
}
