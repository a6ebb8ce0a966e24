/**
 * A simulated hive on a terminal: stdin and stdout are its console's line, in real time. Ctrl-A x leaves, as in QEMU; a pipe
 * or a file as stdin works too, and its end leaves when the hive has answered. The terminal is always left as it was.
 */
import type { Machine } from "./machine.ts";

/** What `runHive` needs of a process's streams. */
export interface Streams {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean; setRawMode?: (raw: boolean) => unknown };
  readonly output: NodeJS.WritableStream;
}

const CTRL_A = 0x01;
const LEAVE = 0x78;
const HELP = 0x68;
/** After the input's end: how long the hive must have had nothing to say. */
const QUIET_MS = 300;
const ESCAPE_HELP = "\r\nCtrl-A x  leave\r\nCtrl-A Ctrl-A  send Ctrl-A\r\n";

/** Splits what is typed into bytes for the guest and commands for the terminal itself. */
export class EscapeFilter {
  private escaped = false;

  /** @returns bytes for the guest, and what the last command in them asks for. */
  filter(bytes: Uint8Array): { forward: Uint8Array; command: "leave" | "help" | undefined } {
    const forward: number[] = [];
    let command: "leave" | "help" | undefined;
    for (const byte of bytes) {
      if (!this.escaped) {
        if (byte === CTRL_A) this.escaped = true;
        else forward.push(byte);
        continue;
      }
      this.escaped = false;
      if (byte === CTRL_A) forward.push(CTRL_A);
      else if (byte === LEAVE) return { forward: Uint8Array.from(forward), command: "leave" };
      else if (byte === HELP) command = "help";
    }
    return { forward: Uint8Array.from(forward), command };
  }
}

/**
 * Run a hive on two streams until somebody leaves, the input ends or the machine halts.
 * @param hive makes the machine, given where its debug console's text goes
 * @returns 0, or 1 if the machine halted.
 */
export async function runHive(
  hive: (onLog: (text: string) => void) => Machine | Promise<Machine>,
  { input, output }: Streams = { input: process.stdin, output: process.stdout },
): Promise<number> {
  const raw = input.isTTY === true ? input.setRawMode?.bind(input) : undefined;
  const machine = await hive((text) => {
    output.write(text);
  });
  const { console: line, serial: uart } = machine;
  // What the UART says as well is on the console already.
  if (uart !== line) uart.onOutput = () => void uart.read();
  const escapes = new EscapeFilter();
  let waiting = Buffer.alloc(0);
  let quiet: NodeJS.Timeout | undefined;
  let ended = false;
  let drained = true;

  const leave = (): void => {
    void machine.stop();
  };
  /** Leave when the input is over, taken, and its answers are out. */
  const restartQuiet = (): void => {
    clearTimeout(quiet);
    if (!ended) return;
    quiet = setTimeout(() => {
      if (waiting.length === 0 && line.pending === 0 && line.readable === 0) leave();
      else restartQuiet();
    }, QUIET_MS);
  };
  const forward = (): void => {
    waiting = waiting.subarray(line.write(waiting));
    // A hive that does not read pushes back on whoever types.
    if (waiting.length > 0) input.pause();
    else input.resume();
  };
  const print = (): void => {
    if (!drained || line.readable === 0) return;
    drained = output.write(line.read());
    if (waiting.length > 0) forward();
    restartQuiet();
  };

  const onData = (chunk: Buffer | string): void => {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, "utf8") : chunk;
    const { forward: typed, command } = raw ? escapes.filter(bytes) : { forward: bytes, command: undefined };
    waiting = Buffer.concat([waiting, typed]);
    forward();
    if (command === "help") output.write(ESCAPE_HELP);
    if (command === "leave") leave();
  };
  const onEnd = (): void => {
    ended = true;
    restartQuiet();
  };
  const onDrain = (): void => {
    drained = true;
    print();
  };

  line.onOutput = print;
  input.on("data", onData);
  input.on("end", onEnd);
  output.on("drain", onDrain);
  // The reader of a pipe may leave first.
  output.on("error", leave);
  process.once("SIGTERM", leave);
  process.once("SIGHUP", leave);
  raw?.(true);
  try {
    await machine.start();
  } finally {
    raw?.(false);
    clearTimeout(quiet);
    input.off("data", onData);
    input.off("end", onEnd);
    output.off("drain", onDrain);
    process.off("SIGTERM", leave);
    process.off("SIGHUP", leave);
    input.pause();
  }
  if (line.readable > 0) output.write(line.read());
  if (machine.haltReason === undefined) output.write("\r\n");
  return machine.haltReason === undefined ? 0 : 1;
}
