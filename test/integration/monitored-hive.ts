/**
 * A hive on seL4 in QEMU whose machine is in the test's hands: a console on a free port of the loopback, the terminal's line, QEMU's
 * monitor to pull the network's plug, and its gdb stub to make the network device lie.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { GdbSession } from "../../scripts/lib/gdb-remote.ts";
import { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { QmpSession } from "../../scripts/lib/qmp.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import type { FailingHive } from "./listening-hive.ts";
import { LyingNetwork, RECEIVE } from "./lying-network.ts";
import { hiveImage } from "./qemu-image.ts";
import type { Breakage } from "./simulated-hive.ts";

export const patienceMs = 60_000;
/** How often a lie is told, and how it is waited for being seen. */
const TRIES = 8;
const LOOKS = 20;
const LOOK_MS = 15;
/** The machine's time goes by what it executes, a nanosecond for each instruction, so that what it measures is its own doing and
 * not that of whoever shares the host. */
export const OWN_TIME = ["-icount", "shift=0"] as const;

/** The same, and where it has nothing to execute its time jumps to when something is due. */
export const JUMPING_TIME = ["-icount", "shift=0,sleep=off"] as const;

export class MonitoredHive implements FailingHive {
  readonly port: number;
  readonly line: HiveProcess;
  readonly #folder: string;
  readonly #kill: () => void;
  #monitor: QmpSession | undefined;

  private constructor(words: readonly string[], machine: readonly string[], port: number) {
    this.port = port;
    this.#folder = mkdtempSync(join(tmpdir(), "monitored-"));
    const [qemu = "", ...args] = execFileSync(
      inRepository("scripts", "qemu-run.sh"),
      ["--image", hiveImage, "--net", "user", "--tcp-port", String(port), ...words, "--print-command"],
      { encoding: "utf8" },
    )
      .trimEnd()
      .split("\n");
    const socket = (name: string): string[] => [
      "-chardev",
      `socket,id=${name},path=${this.#path(name)},server=on,wait=off`,
    ];
    const more = [
      ...machine,
      ...socket("qmp"),
      "-mon",
      "chardev=qmp,mode=control",
      ...socket("gdb"),
      "-gdb",
      "chardev:gdb",
    ];
    this.line = new HiveProcess([...args, ...more], [], qemu);
    const { pid } = this.line;
    // Nothing stands between QEMU and this process that would end it.
    this.#kill = () => this.line.status ?? (pid > 0 && process.kill(pid, "SIGKILL"));
    process.once("exit", this.#kill);
  }

  /**
   * @param words more options of `scripts/qemu-run.sh`
   * @param machine more options of QEMU
   * @returns one that is up. Whoever asks ends it.
   */
  static async start(words: readonly string[] = [], machine: readonly string[] = []): Promise<MonitoredHive> {
    const hive = new MonitoredHive(words, machine, await freePort());
    try {
      hive.#monitor = await QmpSession.open(hive.#path("qmp"), hive.line.pid, patienceMs);
      await hive.line.expect(/PONG 1\r?\n/, patienceMs);
      return hive;
    } catch (error) {
      await hive.end().catch(() => undefined);
      throw error;
    }
  }

  /** What the terminal's line has printed. */
  get output(): string {
    return this.line.output;
  }

  type(text: string | Uint8Array): void {
    this.line.type(text);
  }

  expect(pattern: RegExp, withinMs: number): Promise<string> {
    return this.line.expect(pattern, withinMs);
  }

  get monitor(): QmpSession {
    if (this.#monitor === undefined) throw new Error("the hive has no monitor");
    return this.#monitor;
  }

  /** Pull the network's plug, or put it back. */
  async setLink(up: boolean): Promise<void> {
    await this.monitor.execute("set_link", { name: "net0", up });
  }

  /** Do something to the memory of the network device's queues while the machine stands still. */
  async lie(change: (network: LyingNetwork) => Promise<void>): Promise<void> {
    const memory = await GdbSession.open(this.#path("gdb"), this.line.pid, patienceMs);
    try {
      await change(await LyingNetwork.of(this.monitor, memory));
    } finally {
      await memory.close();
    }
  }

  /** Let the network device break its protocol; a lie that the device has overwritten before it was looked at is told again. */
  async breakNetwork(how: Breakage = "asks"): Promise<void> {
    // It asks when it wants the next buffer, so for the next frame.
    if (how === "asks") return this.lie((network) => network.spoilNext(RECEIVE));
    const from = this.output.length;
    for (let tries = 0; tries < TRIES; tries++) {
      await this.lie(async (network) => {
        if (how === "index") await network.moveUsed(RECEIVE, 0x4000);
        else if (how === "id") await network.use(RECEIVE, { id: 0xffff, length: 64 });
        else await network.use(RECEIVE, { id: 3, length: 0x7fff_ffff });
        await network.interrupt();
      });
      for (let looks = 0; looks < LOOKS; looks++) {
        if (/net: \S+ was reset: /.test(this.output.slice(from))) return;
        await sleep(LOOK_MS);
      }
    }
    throw new Error("the driver saw nothing");
  }

  /** @throws Error if QEMU did not end as it should */
  async end(): Promise<void> {
    this.#monitor?.close();
    const status = await this.line.end();
    process.off("exit", this.#kill);
    rmSync(this.#folder, { recursive: true });
    if (status !== 0) throw new Error(`QEMU ended with status ${status}: ${this.line.messages}`);
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}
