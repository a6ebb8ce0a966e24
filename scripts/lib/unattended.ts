/**
 * Runs a serial line without anybody at it: shows what it prints, works through expectations and typed lines,
 * and types standard input from the first prompt on. It always comes to an end: done, deadline, or line gone.
 */
import { StringDecoder } from "node:string_decoder";
import { prompt, SerialScript, type Step } from "./serial-script.ts";

/** One end of a serial line, of QEMU or of the simulator. */
export interface SerialEnd {
  write(bytes: Uint8Array): void;
  /** What the line prints. */
  onData: (bytes: Uint8Array) => void;
  /** The machine is gone, and why. */
  onGone: (reason: string) => void;
}

const defaultDeadlineSeconds = 60;
/** More than the prompt has, so that it is found across two pieces. */
const promptCharacters = 32;

/**
 * @param deadlineSeconds 60 if `undefined`
 * @returns the exit status: 0 if everything came true, or the deadline came and nothing was waited for; else 1.
 */
export function runUnattended(
  line: SerialEnd,
  steps: readonly Step[],
  deadlineSeconds: number | undefined,
): Promise<number> {
  const seconds = deadlineSeconds ?? defaultDeadlineSeconds;
  const decoder = new StringDecoder("utf8");
  const type = (bytes: Uint8Array): void => line.write(bytes);
  const script = new SerialScript(steps, (text) => type(Buffer.from(text, "utf8")));
  return new Promise((settle) => {
    let ended = false;
    const end = (status: number, complaint?: string): void => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      process.stdin.off("data", type);
      process.stdin.destroy();
      if (complaint !== undefined) console.error(`\n${complaint}`);
      settle(status);
    };
    const timer = setTimeout(() => {
      const missed = script.waitingFor.map(({ source }) => source).join("  and  ");
      if (script.done) end(0);
      else end(1, `not seen within ${seconds} s: ${missed}`);
    }, seconds * 1000);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => end(1, signal));
    let tail: string | undefined = "";
    line.onData = (bytes) => {
      process.stdout.write(bytes);
      const text = decoder.write(Buffer.from(bytes));
      script.printed(text);
      if (tail !== undefined) {
        tail += text;
        if (prompt.test(tail)) {
          tail = undefined;
          process.stdin.on("error", () => undefined);
          process.stdin.on("data", type);
        } else {
          tail = tail.slice(-promptCharacters);
        }
      }
      if (steps.length > 0 && script.done) end(0);
    };
    line.onGone = (reason) => end(1, reason);
  });
}
