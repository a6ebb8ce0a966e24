/**
 * A hive in QEMU as a child process, for programs that talk to its serial line: started by `scripts/qemu-run.sh`,
 * read and typed to at the program's own pace, and always gone after `end()`.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { inRepository } from "./repository.ts";

/** QEMU's multiplexed serial line takes Ctrl-A x as the request to end. */
const quitKeys = "\x01x";
const askedMs = 3_000;
const terminatedMs = 8_000;

export class HiveProcess {
  /** Everything the serial line has printed. */
  output = "";
  /** What QEMU and the script said. */
  messages = "";
  /** Exit status once it has ended. */
  status: number | undefined;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #exited: Promise<void>;
  #looked = 0;
  #changed: (() => void) | undefined;

  /**
   * @param words options of `scripts/qemu-run.sh`, or of `program`
   * @param around a command to run it under, e.g. `ip netns exec NAME`
   */
  constructor(
    words: readonly string[],
    around: readonly string[] = [],
    program = inRepository("scripts", "qemu-run.sh"),
  ) {
    const [command = "", ...args] = [...around, program, ...words];
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    const decoder = new StringDecoder("utf8");
    child.stdin.on("error", () => undefined);
    child.stdout.on("data", (bytes: Buffer) => {
      this.output += decoder.write(bytes);
      this.#changed?.();
    });
    child.stderr.on("data", (bytes: Buffer) => (this.messages += bytes.toString("utf8")));
    this.#exited = new Promise((settle) => {
      const ended = (status: number): void => {
        this.status = status;
        this.#changed?.();
        settle();
      };
      child.once("error", (error) => {
        this.messages += error.message;
        ended(1);
      });
      child.once("close", (status) => ended(status ?? 1));
    });
  }

  /** The process that was started; 0 if it could not be. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  type(text: string | Uint8Array): void {
    this.#child.stdin.write(text);
  }

  /**
   * Wait for output that was not waited for before.
   * @returns what came up to and with it. @throws Error at the time-out or when the hive is gone.
   */
  async expect(pattern: RegExp, patienceMs: number): Promise<string> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const rest = this.output.slice(this.#looked);
      const found = pattern.exec(rest);
      if (found !== null) {
        const end = found.index + found[0].length;
        this.#looked += end;
        return rest.slice(0, end);
      }
      const left = deadline - performance.now();
      if (this.status !== undefined || left <= 0) {
        const why = this.status === undefined ? `did not come within ${patienceMs} ms` : "did not come, QEMU is gone";
        throw new Error(`${String(pattern)} ${why}; the output ends: ${rest.slice(-400)}${this.messages.slice(-400)}`);
      }
      await new Promise<void>((settle) => {
        const timer = setTimeout(settle, left);
        this.#changed = () => {
          clearTimeout(timer);
          settle();
        };
      });
      this.#changed = undefined;
    }
  }

  /** Ends QEMU by its monitor's keys, else by signals. @returns its exit status. */
  async end(): Promise<number> {
    this.type(quitKeys);
    if (!(await this.#within(askedMs))) {
      this.#child.kill("SIGTERM");
      if (!(await this.#within(terminatedMs))) this.#child.kill("SIGKILL");
    }
    await this.#exited;
    return this.status ?? 1;
  }

  async #within(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((settle) => (timer = setTimeout(() => settle(false), ms)));
    const gone = await Promise.race([this.#exited.then(() => true), late]);
    clearTimeout(timer);
    return gone;
  }
}
