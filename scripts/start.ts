/**
 * `npm start`: a hive with its console on the terminal, on seL4 in QEMU if this machine can, else in the
 * simulator, and it says which and why. Unattended options work the same for both.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { Command, Option } from "commander";
import type { Published } from "../engine/sim/gateway/publish.ts";
import { createHive } from "../engine/sim/hive.ts";
import type { Machine } from "../engine/sim/machine.ts";
import { runHive } from "../engine/sim/start.ts";
import { kernelPrefix } from "./lib/kernel-config.ts";
import { manifestPath } from "./lib/manifest.ts";
import { imageFailure, machineMissing } from "./lib/qemu-available.ts";
import { inRepository } from "./lib/repository.ts";
import { hostAddress, type PortOptions, publishConsole } from "./lib/simulator-port.ts";
import { expectStep, type Step } from "./lib/serial-script.ts";
import { runUnattended, type SerialEnd } from "./lib/unattended.ts";

interface StartOptions extends Omit<PortOptions, "port"> {
  readonly target?: "sim" | "qemu";
  readonly sel4?: string;
  readonly exitAfter?: number;
  readonly console: "serial" | "virtio";
  readonly tcpPort?: string;
}

/** For people, who may have sent the hive's own output elsewhere. */
const say = (text: string): void => console.error(`start: ${text}`);

function startQemu(words: readonly string[]): Promise<number> {
  return new Promise((settle, fail) => {
    const child = spawn(
      inRepository("scripts", "qemu-run.sh"),
      ["--image", inRepository("out", "hive.elf"), "--leash", "3", ...words],
      // The system closes the pipe with this process, however that ends.
      { stdio: ["inherit", "inherit", "inherit", "pipe"] },
    );
    // The terminal's signals reach the script itself; it ends QEMU, and this process with it.
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        if (signal !== "SIGINT") child.kill(signal);
      });
    }
    child.once("error", fail);
    child.once("exit", (status, signal) => settle(signal === null ? (status ?? 1) : 1));
  });
}

async function startSimulator(steps: readonly Step[], options: StartOptions): Promise<number> {
  const { exitAfter, console: kind, net, tcpPort: port, bind } = options;
  const address = hostAddress({ net, port, bind });
  const manifest = readFileSync(manifestPath, "utf8");
  let published: Published | undefined;
  const createMachine = async (onLog: (text: string) => void): Promise<Machine> => {
    const machine = createHive({
      outDir: inRepository("out"),
      manifest: { text: manifest },
      clock: "real",
      onLog,
      ...(net === "none" ? { net } : {}),
      ...(kind === "virtio" ? { console: {} } : {}),
    });
    if (address !== undefined) published = await publishConsole(machine, manifest, address, say);
    return machine;
  };
  try {
    if (steps.length > 0 || exitAfter !== undefined) return await runSteps(createMachine, steps, exitAfter);
    if (process.stdin.isTTY) say("Ctrl-A x ends the simulator");
    return await runHive(createMachine);
  } finally {
    await published?.close();
  }
}

async function runSteps(
  createMachine: (onLog: (text: string) => void) => Promise<Machine>,
  steps: readonly Step[],
  exitAfter: number | undefined,
): Promise<number> {
  const line: SerialEnd = { write: () => undefined, onData: () => undefined, onGone: () => undefined };
  const machine = await createMachine((text) => line.onData(Buffer.from(text, "utf8")));
  const { console: end, serial } = machine;
  line.write = (bytes) => {
    const taken = end.write(bytes);
    if (taken < bytes.length) say(`the console's line is full, ${bytes.length - taken} bytes were lost`);
  };
  serial.onOutput = () => void serial.read();
  end.onOutput = () => line.onData(end.read());
  const ended = runUnattended(line, steps, exitAfter);
  machine.start().then(
    () => line.onGone(`start: the machine halted: ${machine.haltReason ?? "it was stopped"}`),
    (error: unknown) => line.onGone(`start: the simulator failed: ${String(error)}`),
  );
  const status = await ended;
  end.onOutput = undefined;
  line.onGone = () => undefined;
  await machine.stop();
  return status;
}

async function main(): Promise<number> {
  const words: string[] = [];
  const steps: Step[] = [];
  const program = new Command("start")
    .description("Boots a hive with its console on this terminal.")
    .addOption(new Option("--target <target>", "where it runs").choices(["sim", "qemu"]))
    .option("--sel4 <prefix>", "install prefix of the seL4 build (default: $SEL4_PREFIX, then /opt/sel4)")
    .option("--net <kind>", "its network: none, user, or for QEMU tap (default: user)")
    .option("--port, --tcp-port <port>", "the host's port of its TCP console, or none (default: 31337)")
    .option("--bind <address>", "the host's address that it is reached at (default: 127.0.0.1)")
    .addOption(
      new Option("--console <kind>", "which console is on the terminal")
        .choices(["serial", "virtio"])
        .default("serial"),
    )
    .option("--exit-after <seconds>", "end after so many seconds", Number)
    .option("--expect <regex>", "exit 0 as soon as the output matches (repeatable)", (text) => {
      steps.push(expectStep(text));
      words.push("--expect", text);
    })
    .option("--send <text>", "type a line (repeatable; see scripts/qemu-run.sh --help)", (text) => {
      steps.push({ kind: "send", text });
      words.push("--send", text);
    })
    .parse();
  const options = program.opts<StartOptions>();
  const { target, sel4, exitAfter, net, tcpPort, bind } = options;
  if (exitAfter !== undefined && !(exitAfter >= 0)) throw new Error("--exit-after takes a number of seconds");
  if (exitAfter !== undefined) words.push("--exit-after", String(exitAfter));
  if (options.console !== "serial") words.push("--console", options.console);
  for (const [word, value] of Object.entries({ "--net": net, "--tcp-port": tcpPort, "--bind": bind })) {
    if (value !== undefined) words.push(word, value);
  }
  const prefix = kernelPrefix(sel4);
  const missing = target === "sim" ? undefined : (machineMissing(prefix) ?? imageFailure(prefix));
  if (target === "qemu" && missing !== undefined) throw new Error(`${missing}; --target sim needs none of it`);
  if (target === "sim" || missing !== undefined) {
    say(`in the simulator${missing === undefined ? "" : `, because ${missing}`}`);
    return startSimulator(steps, options);
  }
  say(`on seL4 in QEMU, kernel of ${prefix}${target === undefined ? " (--target sim: in the simulator)" : ""}`);
  return startQemu(words);
}

try {
  process.exit(await main());
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exit(2);
}
