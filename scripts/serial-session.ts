/**
 * The unattended half of `scripts/qemu-run.sh`: shows what a serial line prints, works through expectations and
 * typed lines, and ends QEMU through its monitor. Standard input is typed too, from the first prompt on.
 */
import { StringDecoder } from "node:string_decoder";
import { connectUnix, quitQemu } from "./lib/qmp.ts";
import { expectStep, prompt, SerialScript, type Step } from "./lib/serial-script.ts";

const defaultDeadlineSeconds = 60;
const connectPatienceMs = 10_000;
const quitPatienceMs = 5_000;
/** More than the prompt has, so that it is found across two pieces. */
const promptCharacters = 32;

interface SessionOptions {
  serial: string;
  monitor: string;
  pid: number;
  deadlineSeconds: number | undefined;
  readonly steps: Step[];
}

function parseOptions(words: readonly string[]): SessionOptions {
  const options: SessionOptions = { serial: "", monitor: "", pid: 0, deadlineSeconds: undefined, steps: [] };
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
  const deadlineSeconds = options.deadlineSeconds ?? defaultDeadlineSeconds;
  const serial = await connectUnix(options.serial, options.pid, connectPatienceMs);
  const decoder = new StringDecoder("utf8");
  const script = new SerialScript(options.steps, (text) => serial.write(text));
  const status = await new Promise<number>((settle) => {
    let ended = false;
    const end = (result: number, complaint?: string): void => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      if (complaint !== undefined) console.error(`\nqemu-run: ${complaint}`);
      settle(result);
    };
    const timer = setTimeout(() => {
      const missed = script.waitingFor.map(({ source }) => source).join("  and  ");
      if (script.done) end(0);
      else end(1, `not seen within ${deadlineSeconds} s: ${missed}`);
    }, deadlineSeconds * 1000);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => end(1, signal));
    let tail: string | undefined = "";
    serial.on("data", (bytes: Buffer) => {
      process.stdout.write(bytes);
      const text = decoder.write(bytes);
      script.printed(text);
      if (tail !== undefined) {
        tail += text;
        if (prompt.test(tail)) {
          tail = undefined;
          process.stdin.pipe(serial, { end: false });
        } else {
          tail = tail.slice(-promptCharacters);
        }
      }
      if (options.steps.length > 0 && script.done) end(0);
    });
    serial.on("error", (error) => end(1, `the serial line broke: ${error.message}`));
    serial.on("close", () => end(1, "QEMU ended by itself"));
  });
  try {
    await quitQemu(options.monitor, options.pid, quitPatienceMs);
  } finally {
    process.stdin.destroy();
    serial.destroy();
  }
  return status;
}

try {
  process.exitCode = await run(parseOptions(process.argv.slice(2)));
} catch (error) {
  console.error(`qemu-run: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
