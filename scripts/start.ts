/**
 * `npm start`: a hive with its serial console on the terminal, on seL4 in QEMU if this machine can, else in the
 * simulator, and it says which and why. Unattended options work the same for both.
 */
import { spawn } from "node:child_process";
import { Command, Option } from "commander";
import { createHive } from "../engine/sim/hive.ts";
import type { Machine } from "../engine/sim/machine.ts";
import { runHive } from "../engine/sim/start.ts";
import { kernelPrefix } from "./lib/kernel-config.ts";
import { manifestPath } from "./lib/manifest.ts";
import { imageFailure, machineMissing } from "./lib/qemu-available.ts";
import { inRepository } from "./lib/repository.ts";
import { expectStep, type Step } from "./lib/serial-script.ts";
import { runUnattended, type SerialEnd } from "./lib/unattended.ts";

interface StartOptions {
  readonly target?: "sim" | "qemu";
  readonly sel4?: string;
  readonly exitAfter?: number;
}

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

function createMachine(onLog: (text: string) => void): Machine {
  return createHive({ outDir: inRepository("out"), manifest: { file: manifestPath }, clock: "real", onLog });
}

async function startSimulator(steps: readonly Step[], exitAfter: number | undefined): Promise<number> {
  if (steps.length === 0 && exitAfter === undefined) {
    if (process.stdin.isTTY) console.error("start: Ctrl-A x ends the simulator");
    return runHive(createMachine);
  }
  const line: SerialEnd = { write: () => undefined, onData: () => undefined, onGone: () => undefined };
  const machine = createMachine((text) => line.onData(Buffer.from(text, "utf8")));
  line.write = (bytes) => {
    const taken = machine.serial.write(bytes);
    if (taken < bytes.length) console.error(`start: the serial line is full, ${bytes.length - taken} bytes were lost`);
  };
  machine.serial.onOutput = () => line.onData(machine.serial.read());
  const ended = runUnattended(line, steps, exitAfter);
  machine.start().then(
    () => line.onGone(`start: the machine halted: ${machine.haltReason ?? "it was stopped"}`),
    (error: unknown) => line.onGone(`start: the simulator failed: ${String(error)}`),
  );
  const status = await ended;
  machine.serial.onOutput = undefined;
  line.onGone = () => undefined;
  await machine.stop();
  return status;
}

async function main(): Promise<number> {
  const words: string[] = [];
  const steps: Step[] = [];
  const program = new Command("start")
    .description("Boots a hive with its serial console on this terminal.")
    .addOption(new Option("--target <target>", "where it runs").choices(["sim", "qemu"]))
    .option("--sel4 <prefix>", "install prefix of the seL4 build (default: $SEL4_PREFIX, then /opt/sel4)")
    .option("--net <kind>", "QEMU's network: none, user or tap", (kind) => void words.push("--net", kind))
    .option("--port <port>", "the port forwarded by --net user, or none", (port) => void words.push("--port", port))
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
  const { target, sel4, exitAfter } = program.opts<StartOptions>();
  if (exitAfter !== undefined && !(exitAfter >= 0)) throw new Error("--exit-after takes a number of seconds");
  if (exitAfter !== undefined) words.push("--exit-after", String(exitAfter));
  const prefix = kernelPrefix(sel4);
  const missing = target === "sim" ? undefined : (machineMissing(prefix) ?? imageFailure(prefix));
  if (target === "qemu" && missing !== undefined) throw new Error(`${missing}; --target sim needs none of it`);
  if (target === "sim" || missing !== undefined) {
    console.error(`start: in the simulator${missing === undefined ? "" : `, because ${missing}`}`);
    return startSimulator(steps, exitAfter);
  }
  console.error(
    `start: on seL4 in QEMU, kernel of ${prefix}${target === undefined ? " (--target sim: in the simulator)" : ""}`,
  );
  return startQemu(words);
}

try {
  process.exit(await main());
} catch (error) {
  console.error(`start: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(2);
}
