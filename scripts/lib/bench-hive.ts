/**
 * One hive to measure, on seL4 in QEMU or in the simulator, or a bundle on Node, behind one face: what it printed and
 * when, what its host process used of a processor, and its end.
 */
import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { join } from "node:path";
import { gatewayNetwork } from "../../engine/sim/gateway/network.ts";
import { publish, type Published } from "../../engine/sim/gateway/publish.ts";
import { createHive } from "../../engine/sim/hive.ts";
import { Machine } from "../../engine/sim/machine.ts";
import { makeRootfs } from "../../engine/sim/rootfs.ts";
import { readManifest } from "../../services/config/manifest.ts";
import { manifestPath } from "./manifest.ts";
import { inRepository } from "./repository.ts";
import { Screen } from "./screen.ts";

export interface BenchHive {
  type(text: string): void;
  /**
   * Wait for output that was not waited for before.
   * @returns the text up to and with it, and the milliseconds since the start at which it had come.
   */
  expect(pattern: RegExp, patienceMs: number): Promise<{ text: string; ms: number }>;
  /** Processor seconds that the host process has used so far. */
  cpuSeconds(): number;
  end(): Promise<void>;
}

/** What all kinds share: output with the time at which each piece came. */
class TimedScreen {
  readonly #screen = new Screen();
  readonly #pieces: { end: number; ms: number }[] = [];
  readonly #start = performance.now();

  print(text: string): void {
    this.#pieces.push({ end: this.#screen.text.length + text.length, ms: performance.now() - this.#start });
    this.#screen.print(text);
  }

  end(why: string): void {
    this.#screen.end(why);
  }

  async expect(pattern: RegExp, patienceMs: number): Promise<{ text: string; ms: number }> {
    const text = await this.#screen.expect(pattern, patienceMs);
    const piece = this.#pieces.find(({ end }) => end >= this.#screen.looked);
    return { text: text.replaceAll("\r", ""), ms: piece?.ms ?? NaN };
  }
}

/** Clock ticks a second in /proc/PID/stat (proc(5), sysconf(_SC_CLK_TCK)). */
function clockTicks(): number {
  return Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
}

/** A hive that is a process of its own. */
class ProcessBenchHive implements BenchHive {
  readonly #screen = new TimedScreen();
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #exited: Promise<void>;

  constructor(command: string, args: readonly string[]) {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    const kill = (): void => void child.kill("SIGKILL");
    process.once("exit", kill);
    child.stdin.on("error", () => undefined);
    child.stdout.on("data", (bytes: Buffer) => this.#screen.print(bytes.toString("utf8")));
    child.stderr.resume();
    this.#exited = new Promise((settle) => {
      child.once("close", () => {
        process.off("exit", kill);
        this.#screen.end(`${command} is gone`);
        settle();
      });
      child.once("error", (error) => this.#screen.end(error.message));
    });
  }

  type(text: string): void {
    this.#child.stdin.write(text);
  }

  expect(pattern: RegExp, patienceMs: number): Promise<{ text: string; ms: number }> {
    return this.#screen.expect(pattern, patienceMs);
  }

  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#child.pid ?? 0}/stat`, "latin1");
    // Fields after the command's closing parenthesis; utime and stime are fields 14 and 15 (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / clockTicks();
  }

  async end(): Promise<void> {
    this.type("\x01x");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 3000);
    await this.#exited;
    clearTimeout(timer);
  }
}

export interface QemuBenchOptions {
  readonly net: "none" | "user";
  /** The port of the loopback at which its console over TCP is. */
  readonly port?: number;
  /** Let the guest's clock count its instructions, one a nanosecond, whatever else this machine does. */
  readonly counted?: boolean;
}

/** A hive in QEMU, without the script around it, so that the time is QEMU's own. */
export class QemuBenchHive extends ProcessBenchHive {
  constructor(image: string, { net, port, counted }: QemuBenchOptions) {
    const [command = "", ...args] = execFileSync(
      inRepository("scripts", "qemu-run.sh"),
      ["--image", image, "--net", net, "--port", String(port ?? "none"), "--print-command"],
      { encoding: "utf8" },
    )
      .trimEnd()
      .split("\n");
    // Without a network nobody waits for what is outside, so there is no use in waiting for the time to pass.
    const sleep = net === "none" ? "off" : "on";
    super(command, counted === true ? [...args, "-icount", `shift=0,sleep=${sleep}`] : args);
  }
}

/** A hive in QEMU on a tap device that is made for it, which the script around QEMU takes away again. */
export class TapBenchHive extends ProcessBenchHive {
  constructor(image: string) {
    super(inRepository("scripts", "qemu-run.sh"), ["--image", image, "--net", "tap"]);
  }
}

/** A bundle on Node, which has no machine: what the language itself costs. */
export class NodeBenchHive extends ProcessBenchHive {
  constructor(bundle: string) {
    super(process.execPath, [
      "--expose-gc",
      "--import",
      "tsx",
      inRepository("scripts", "lib", "bench-node.ts"),
      bundle,
    ]);
  }
}

/** A hive in the simulator, in this process and in real time. */
export class SimBenchHive implements BenchHive {
  readonly #screen = new TimedScreen();
  readonly #machine: Machine;
  #published: Published | undefined;

  /** @param outDir folder of what was built */
  static ofHive(outDir: string): SimBenchHive {
    return new SimBenchHive((onLog) => createHive({ outDir, manifest: { file: manifestPath }, clock: "real", onLog }));
  }

  /** A bundle that asks for no boot files. @param vm folder of `main.js` and `main.lines` */
  static ofBundle(vm: string): SimBenchHive {
    const source = readFileSync(join(vm, "main.js"), "utf8");
    const rootfs = makeRootfs({ "main.lines": readFileSync(join(vm, "main.lines")) });
    return new SimBenchHive((onLog) => new Machine({ source, rootfs, clock: "real", onLog }));
  }

  private constructor(make: (onLog: (text: string) => void) => Machine) {
    const machine = make((text) => this.#screen.print(text));
    this.#machine = machine;
    machine.serial.onOutput = () => this.#screen.print(Buffer.from(machine.serial.read()).toString("utf8"));
    machine.start().then(
      () => this.#screen.end("the machine has ended"),
      (error: unknown) => this.#screen.end(String(error)),
    );
  }

  type(text: string): void {
    this.#machine.serial.write(Buffer.from(text, "utf8"));
  }

  expect(pattern: RegExp, patienceMs: number): Promise<{ text: string; ms: number }> {
    return this.#screen.expect(pattern, patienceMs);
  }

  cpuSeconds(): number {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }

  /** Let its console be reached. @returns the port of the loopback */
  async listen(): Promise<number> {
    const { network } = readManifest(readFileSync(manifestPath, "utf8"));
    this.#published = await publish(this.#machine, gatewayNetwork(network), { host: "127.0.0.1", port: 0 });
    return this.#published.port;
  }

  async end(): Promise<void> {
    await this.#published?.close();
    await this.#machine.stop();
  }
}
