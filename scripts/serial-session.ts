/**
 * The half of `scripts/qemu-run.sh` without a terminal: joins QEMU's serial socket, lets expectations and typed lines
 * run, or standard input until its end, and ends QEMU through its monitor. Its exit status is the run's.
 */
import { runPiped } from "./lib/piped.ts";
import { connectUnix, quitQemu } from "./lib/qmp.ts";
import { expectStep, type Step } from "./lib/serial-script.ts";
import { runUnattended, type SerialEnd } from "./lib/unattended.ts";

const connectPatienceMs = 10_000;
const quitPatienceMs = 5_000;

interface SessionOptions {
  serial: string;
  monitor: string;
  pid: number;
  deadlineSeconds: number | undefined;
  untilInputEnds: boolean;
  readonly steps: Step[];
}

function parseOptions(words: readonly string[]): SessionOptions {
  const options: SessionOptions = {
    serial: "",
    monitor: "",
    pid: 0,
    deadlineSeconds: undefined,
    untilInputEnds: false,
    steps: [],
  };
  for (let index = 0; index < words.length; index += 2) {
    const value = words[index + 1];
    if (value === undefined) throw new Error(`${String(words[index])} needs a value`);
    switch (words[index]) {
      case "--serial":
        options.serial = value;
        break;
      case "--monitor":
        options.monitor = value;
        break;
      case "--pid":
        options.pid = Number(value);
        break;
      case "--deadline":
        options.deadlineSeconds = Number(value);
        break;
      case "--until":
        if (value !== "input-end") throw new Error(`--until ${value}: only input-end is there`);
        options.untilInputEnds = true;
        break;
      case "--expect":
        options.steps.push(expectStep(value));
        break;
      case "--send":
        options.steps.push({ kind: "send", text: value });
        break;
      default:
        throw new Error(`unknown option ${String(words[index])}`);
    }
  }
  return options;
}

async function run(options: SessionOptions): Promise<number> {
  const socket = await connectUnix(options.serial, options.pid, connectPatienceMs);
  try {
    if (options.untilInputEnds) {
      const status = await runPiped(socket, process.stdin, process.stdout);
      process.stdin.destroy();
      await quitQemu(options.monitor, options.pid, quitPatienceMs);
      return status;
    }
    const line: SerialEnd = {
      write: (bytes) => void socket.write(bytes),
      onData: () => undefined,
      onGone: () => undefined,
    };
    socket.on("data", (bytes: Buffer) => line.onData(bytes));
    socket.on("error", (error) => line.onGone(`qemu-run: the serial line broke: ${error.message}`));
    socket.on("close", () => line.onGone("qemu-run: QEMU ended by itself"));
    const status = await runUnattended(line, options.steps, options.deadlineSeconds);
    await quitQemu(options.monitor, options.pid, quitPatienceMs);
    return status;
  } finally {
    socket.destroy();
  }
}

try {
  process.exitCode = await run(parseOptions(process.argv.slice(2)));
} catch (error) {
  console.error(`qemu-run: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
