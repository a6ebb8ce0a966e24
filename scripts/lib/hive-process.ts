/**
 * A hive in QEMU as a child process, for programs that talk to its serial line: started by `scripts/qemu-run.sh`,
 * read and typed to at the program's own pace, and always gone after `end()`.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { inRepository } from "./repository.ts";
import { Screen } from "./screen.ts";

/** QEMU's multiplexed serial line takes Ctrl-A x as the request to end. */
const quitKeys = "\x01x";
const askedMs = 3_000;
const terminatedMs = 8_000;

export class HiveProcess {
  /** What QEMU and the script said. */
  messages = "";
  /** Exit status once it has ended. */
  status: number | undefined;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #exited: Promise<void>;
  readonly #screen = new Screen();

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
      this.#screen.print(decoder.write(bytes));
    });
    child.stderr.on("data", (bytes: Buffer) => (this.messages += bytes.toString("utf8")));
    this.#exited = new Promise((settle) => {
      const ended = (status: number): void => {
        this.status = status;
        this.#screen.end("QEMU is gone");
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

  /** Everything the serial line has printed. */
  get output(): string {
    return this.#screen.text;
  }

  type(text: string | Uint8Array): void {
    this.#child.stdin.write(text);
  }

  /**
   * Wait for output that was not waited for before.
   * @returns what came up to and with it. @throws Error at the time-out or when the hive is gone.
   */
  async expect(pattern: RegExp, patienceMs: number): Promise<string> {
    try {
      return await this.#screen.expect(pattern, patienceMs);
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      throw new Error(`${what}${this.messages.slice(-400)}`, { cause: error });
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
