/**
 * One run of the shell: connect, take commands from a terminal, a pipe, the command line or a script, and leave with a status that
 * says how it went. The hive that it started is ended first, whatever the reason.
 */

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { packageVersion } from "../scripts/lib/repository.ts";
import { runCommands, runInput } from "./batch.ts";
import type { Options } from "./cli.ts";
import { EventLog } from "./event-log.ts";
import { historyFile } from "./history.ts";
import { JsonOutput } from "./json-output.ts";
import { TextOutput } from "./output.ts";
import { repl, Screen, SHELL_PROMPT } from "./repl.ts";
import { parseScript, type Step } from "./script/parse.ts";
import { RECORDED_LINES, Recorder } from "./script/recorder.ts";
import { describeAnswers, runScript } from "./script/run.ts";
import { Shell } from "./shell.ts";
import type { TransportName } from "./transport.ts";
import { makeWay, type Way } from "./transports/make.ts";
import { within } from "./transports/within.ts";

/** Exit statuses of a shell whose child died of the signal: 128 and its number. */
const SIGNAL_STATUS = { SIGHUP: 129, SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 } as const;

/** Between turns that do nothing but keep the process; as long as Node's timers go. */
const HOLD_MS = 2 ** 31 - 1;

const DESCRIPTIONS: Readonly<Record<TransportName, string>> = {
  mock: "a hive in this process, without a machine",
  sim: "a hive in the simulator, which ends with this shell",
  qemu: "a hive on seL4 in QEMU, which ends with this shell",
  serial: "a hive on a serial line, whose login ends with this shell",
  tcp: "a hive at the other end of a TCP connection, whose login ends with this shell",
};

const now = (): string => new Date().toISOString();

function complain(sentence: string): void {
  process.stderr.write(`cohsh: ${sentence}\n`);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** @returns the exit status. */
export async function run(options: Options): Promise<number> {
  let steps: readonly Step[] | undefined;
  if (options.script !== undefined) {
    try {
      const script = parseScript(readFileSync(options.script));
      for (const { line, sentence } of script.mistakes) complain(`${options.script}: line ${line}: ${sentence}`);
      if (script.mistakes.length > 0) return 2;
      steps = script.steps;
    } catch (error) {
      complain(reasonOf(error));
      return 2;
    }
  }
  let way: Way;
  let log: EventLog | undefined;
  try {
    if (options.log !== undefined) log = new EventLog(options.log, now, complain);
    way = await makeWay(options);
  } catch (error) {
    complain(reasonOf(error));
    return 1;
  }
  const status = await new Run(options, way, log, steps).run();
  log?.close();
  return status;
}

class Run {
  readonly #options: Options;
  readonly #way: Way;
  readonly #steps: readonly Step[] | undefined;
  readonly #screen = new Screen(process.stdout);
  readonly #leave = new AbortController();
  readonly #interactive: boolean;
  readonly #json: JsonOutput | undefined;
  readonly #recorder: Recorder;
  readonly #shell: Shell;
  #ended: number | undefined;

  constructor(options: Options, way: Way, log: EventLog | undefined, steps: readonly Step[] | undefined) {
    this.#options = options;
    this.#way = way;
    this.#steps = steps;
    this.#interactive = steps === undefined && options.commands.length === 0 && !options.json && process.stdin.isTTY;
    const print = (line: string): void => {
      if (this.#ended !== SIGNAL_STATUS.SIGPIPE) this.#screen.print(line);
    };
    this.#json = options.json ? new JsonOutput(print, now) : undefined;
    const text = new TextOutput(print, steps === undefined ? undefined : SHELL_PROMPT);
    // Only a script judges what was said.
    const kept = steps === undefined ? 0 : RECORDED_LINES;
    this.#recorder = new Recorder(this.#json ?? text, kept, (event) => log?.event(event));
    this.#shell = new Shell(way.transport, {
      timeoutMs: options.timeoutMs,
      follow: options.follow || this.#interactive,
      output: this.#recorder,
      keys: way.keys,
      depth: options.pipeline,
    });
  }

  async run(): Promise<number> {
    this.#listenForSignals();
    // A hive in this process that waits for something has no timer, and standard input may be at its end: Node would leave.
    const held = setInterval(() => undefined, HOLD_MS);
    let status = 0;
    try {
      if (this.#interactive) this.#greet();
      await within(this.#options.openTimeoutMs, [this.#leave.signal], (signal) => this.#shell.open(signal));
      this.#shell.follow = this.#options.follow;
      status = this.#interactive ? await this.#talk() : await this.#work();
    } catch (error) {
      if (this.#ended === undefined) {
        complain(reasonOf(error));
        status = 1;
      }
    } finally {
      await this.#shell.close();
      clearInterval(held);
    }
    return this.#ended ?? status;
  }

  #listenForSignals(): void {
    const end = (signal: keyof typeof SIGNAL_STATUS): void => {
      this.#ended ??= SIGNAL_STATUS[signal];
      this.#leave.abort();
    };
    // A second signal while the hive is being ended must not leave it behind, so none of them kills.
    for (const signal of ["SIGHUP", "SIGTERM"] as const) process.on(signal, () => end(signal));
    process.on("SIGINT", () => {
      if (!this.#shell.interrupt()) end("SIGINT");
    });
    process.stdout.on("error", () => end("SIGPIPE"));
  }

  #greet(): void {
    this.#screen.print(`# cohsh ${packageVersion()}: ${DESCRIPTIONS[this.#way.transport.name]}`);
    this.#screen.print("# help lists commands, Tab completes them; quit or Ctrl-D leaves");
  }

  async #talk(): Promise<number> {
    const { keys } = this.#way;
    // It reads the credentials now: a warning of their file must not come in the middle of a line.
    keys.holds("");
    await repl(this.#shell, this.#screen, {
      input: process.stdin,
      output: process.stdout,
      historyFile: this.#options.history ? historyFile(process.env) : undefined,
      secret: (line) => keys.holds(line),
      signal: this.#leave.signal,
    });
    return this.#shell.gone === undefined ? 0 : 1;
  }

  async #work(): Promise<number> {
    const { signal } = this.#leave;
    signal.addEventListener("abort", () => {
      process.stdin.destroy();
      void this.#shell.close();
    });
    if (this.#steps !== undefined) return this.#runScript(this.#steps);
    const fine =
      this.#options.commands.length > 0
        ? await runCommands(this.#shell, this.#options.commands, signal, this.#options.pipeline)
        : await runInput(this.#shell, process.stdin, signal, this.#options.pipeline);
    if (this.#shell.gone !== undefined) throw new Error(this.#shell.gone);
    return fine ? 0 : 1;
  }

  async #runScript(steps: readonly Step[]): Promise<number> {
    const failure = await runScript(this.#shell, this.#recorder, steps, this.#leave.signal);
    if (failure === undefined) return 0;
    const file = this.#options.script ?? "";
    this.#json?.failure({ file, ...failure });
    const about = failure.command === "" ? "" : ` (${failure.command})`;
    complain(`${basename(file)}: line ${failure.line}${about}: ${failure.reason}; the last answers:`);
    for (const line of describeAnswers(this.#recorder.answers)) process.stderr.write(`${line}\n`);
    return 1;
  }
}
