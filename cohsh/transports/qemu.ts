/**
 * The way to a hive on seL4 in QEMU: starts `scripts/qemu-run.sh` and talks over the serial line. QEMU ends
 * with the transport, asked first and forced after a deadline, and with this process however it dies (where
 * the system can tie a child to its parent).
 */

import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import { inRepository } from "../../scripts/lib/repository.ts";
import type { Transport, TransportSink } from "../transport.ts";
import { SerialLines } from "./serial-lines.ts";

export interface QemuOptions {
  /** Where the kernel is installed; `undefined`: as the script decides. */
  readonly sel4?: string | undefined;
  readonly net?: "none" | "user" | "tap" | undefined;
  /** A boot image to take as it is; by default the repository's own, made anew if it is stale. */
  readonly image?: string;
  /** What starts QEMU with the serial line on its standard input and output; by default the project's script. */
  readonly script?: string;
  readonly patience?: Patience;
}

/** How long each step of ending may take, in milliseconds. */
export interface Patience {
  /** Asked on the line. */
  readonly asked: number;
  /** Told by SIGTERM; the script allows QEMU 2 s of it. */
  readonly terminated: number;
  /** Forced by SIGKILL. */
  readonly killed: number;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** QEMU's multiplexed serial line takes Ctrl-A x as the request to end. */
const QUIT_KEYS = "\x01x";
const PATIENCE: Patience = { asked: 3000, terminated: 5000, killed: 2000 };
const SENTENCE = /^(?:qemu-run|image|bootstrap|\w*Error\b.*): /;
/** What is kept of the script's own messages, to say why it failed. */
const MESSAGE_LIMIT = 4096;

export class QemuTransport implements Transport {
  readonly name = "qemu";
  readonly #options: QemuOptions;
  #child: Child | undefined;
  #exited: Promise<void> | undefined;
  #serial: SerialLines | undefined;
  #ready = false;
  #closing = false;
  #messages = "";
  #last = "";

  constructor(options: QemuOptions = {}) {
    this.#options = options;
  }

  /** Process id of what was started, `undefined` if nothing runs. */
  get pid(): number | undefined {
    return this.#child?.exitCode === null && this.#child.signalCode === null ? this.#child.pid : undefined;
  }

  async open(sink: TransportSink, signal: AbortSignal): Promise<void> {
    if (this.#child !== undefined) throw new Error("QEMU was started already");
    if (signal.aborted) throw new Error("QEMU was given up before it was started");
    const child = this.#start();
    this.#child = child;
    const serial = new SerialLines({
      reply: (line) => {
        this.#last = line;
        sink.reply(line);
      },
      log: (line) => {
        this.#last = line;
        sink.log(line);
      },
      ended: () => undefined,
    });
    this.#serial = serial;
    child.stdin.on("error", () => undefined);
    child.stdout.on("data", (bytes: Buffer) => serial.feed(bytes));
    child.stderr.on("data", (bytes: Buffer) => {
      this.#messages = (this.#messages + bytes.toString("utf8")).slice(-MESSAGE_LIMIT);
    });
    const failed = new Promise<string>((settle) => {
      child.on("error", (error) => settle(`QEMU could not be started: ${error.message}`));
      child.on("close", (status, by) => {
        serial.end();
        settle(this.#reason(status, by));
      });
    });
    this.#exited = failed.then(() => undefined);
    const outcome = await Promise.race([
      new Promise<undefined>((resolve) => {
        serial.onPrompt = () => resolve(undefined);
      }),
      failed,
      new Promise<string>((resolve) => {
        const seen = (): string => (this.#last === "" ? "" : `; its last line was: ${this.#last}`);
        signal.addEventListener("abort", () => resolve(`the hive in QEMU was not up in time${seen()}`), { once: true });
      }),
    ]);
    serial.onPrompt = undefined;
    if (outcome !== undefined) {
      await this.close();
      throw new Error(outcome);
    }
    this.#ready = true;
    void failed.then((reason) => {
      this.#ready = false;
      if (!this.#closing) sink.ended(reason);
    });
  }

  send(line: string): void {
    if (!this.#ready || this.#closing) throw new Error("the serial line to QEMU is not open");
    this.#serial?.sent(line);
    this.#child?.stdin.write(`${line}\r`);
  }

  async close(): Promise<void> {
    this.#closing = true;
    const child = this.#child;
    const exited = this.#exited;
    if (child?.pid === undefined || exited === undefined) return;
    const { asked, terminated, killed } = this.#options.patience ?? PATIENCE;
    const steps: readonly (readonly [() => void, number])[] = [
      // Before the prompt there may be no QEMU yet that could be asked.
      ...(this.#ready ? [[() => child.stdin.write(QUIT_KEYS), asked] as const] : []),
      [() => signalGroup(child.pid, "SIGTERM"), terminated],
      [() => signalGroup(child.pid, "SIGKILL"), killed],
    ];
    for (const [step, patienceMs] of steps) {
      if (this.pid !== undefined) step();
      if (await within(exited, patienceMs)) return;
    }
    child.stdout.destroy();
    child.stderr.destroy();
  }

  #start(): Child {
    const { sel4, net, image, script = inRepository("scripts", "qemu-run.sh") } = this.#options;
    const words = ["--port", "none"];
    if (sel4 !== undefined) words.push("--sel4", resolve(sel4));
    if (net !== undefined) words.push("--net", net);
    if (image !== undefined) words.push("--image", resolve(image));
    // A process group of its own: the terminal's Ctrl-C is the shell's, and the group can be ended whole.
    const spawned = [...(canLeash() ? ["setpriv", "--pdeathsig", "TERM", "--"] : []), script, ...words];
    const [program = script, ...args] = spawned;
    return spawn(program, args, { cwd: inRepository(), detached: true, stdio: ["pipe", "pipe", "pipe"] });
  }

  #reason(status: number | null, by: NodeJS.Signals | null): string {
    const messages = this.#messages.split("\n").filter((line) => line.trim() !== "");
    // A tool's own sentence before whatever an interpreter printed around it.
    const said = (messages.filter((line) => SENTENCE.test(line)).at(-1) ?? messages.at(-1))?.replace(/^qemu-run: /, "");
    if (said !== undefined && status !== 0) return said;
    return by === null ? `QEMU ended with status ${status ?? "unknown"}` : `QEMU was ended by ${by}`;
  }
}

/** Whether children can be made to end with this process (Linux, util-linux 2.33 or newer). */
function canLeash(): boolean {
  if (process.platform !== "linux") return false;
  const help = spawnSync("setpriv", ["--help"], { encoding: "utf8" });
  return help.status === 0 && help.stdout.includes("pdeathsig");
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone already, which is what was wanted.
  }
}

/** Whether a promise settles in time. */
async function within(promise: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const done = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return done;
}
