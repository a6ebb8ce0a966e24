/**
 * `npm start`: a hive with its console on the terminal, on seL4 in QEMU if this machine can, else in the
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
  readonly console: "serial" | "virtio";
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

async function startSimulator(
  steps: readonly Step[],
  { exitAfter, console: kind }: Pick<StartOptions, "exitAfter" | "console">,
): Promise<number> {
  const createMachine = (onLog: (text: string) => void): Machine =>
    createHive({
      outDir: inRepository("out"),
      manifest: { file: manifestPath },
      clock: "real",
      onLog,
      ...(kind === "virtio" ? { console: {} } : {}),
    });
  if (steps.length === 0 && exitAfter === undefined) {
    if (process.stdin.isTTY) console.error("start: Ctrl-A x ends the simulator");
    return runHive(createMachine);
  }
  const line: SerialEnd = { write: () => undefined, onData: () => undefined, onGone: () => undefined };
  const machine = createMachine((text) => line.onData(Buffer.from(text, "utf8")));
  const { console: end, serial } = machine;
  line.write = (bytes) => {
    const taken = end.write(bytes);
    if (taken < bytes.length)
      console.error(`start: the console's line is full, ${bytes.length - taken} bytes were lost`);
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
  const forwarded = (port: string): void => void words.push("--tcp-port", port);
  const program = new Command("start")
    .description("Boots a hive with its console on this terminal.")
    .addOption(new Option("--target <target>", "where it runs").choices(["sim", "qemu"]))
    .option("--sel4 <prefix>", "install prefix of the seL4 build (default: $SEL4_PREFIX, then /opt/sel4)")
    .option("--net <kind>", "QEMU's network: none, user or tap", (kind) => void words.push("--net", kind))
    .option("--tcp-port <port>", "the port that --net user forwards, or none", forwarded)
    .option("--port <port>", "the same as --tcp-port", forwarded)
    .option("--bind <address>", "the host's address that it is forwarded from (default: 127.0.0.1)", (address) => {
      words.push("--bind", address);
    })
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
  const { target, sel4, exitAfter } = options;
  if (exitAfter !== undefined && !(exitAfter >= 0)) throw new Error("--exit-after takes a number of seconds");
  if (exitAfter !== undefined) words.push("--exit-after", String(exitAfter));
  if (options.console !== "serial") words.push("--console", options.console);
  const prefix = kernelPrefix(sel4);
  const missing = target === "sim" ? undefined : (machineMissing(prefix) ?? imageFailure(prefix));
  if (target === "qemu" && missing !== undefined) throw new Error(`${missing}; --target sim needs none of it`);
  if (target === "sim" || missing !== undefined) {
    console.error(`start: in the simulator${missing === undefined ? "" : `, because ${missing}`}`);
    return startSimulator(steps, options);
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
