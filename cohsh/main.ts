/**
 * The program `cohsh`: from a command line to an exit status. Whatever happens on the way, what it started
 * is ended and the terminal is as it was before it leaves.
 */

import { runCommands, runInput } from "./batch.ts";
import { type Options, parseCommandLine } from "./cli.ts";
import { historyFile } from "./history.ts";
import { repl, Screen } from "./repl.ts";
import { Shell } from "./shell.ts";
import type { TransportName } from "./transport.ts";
import { makeTransport } from "./transports/make.ts";
import { packageVersion } from "../scripts/lib/repository.ts";

/** Exit statuses of a shell whose child died of the signal: 128 and its number. */
const SIGNAL_STATUS = { SIGHUP: 129, SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 } as const;

const DESCRIPTIONS: Readonly<Record<TransportName, string>> = {
  mock: "a hive in this process, without a machine",
  sim: "a hive in the simulator, which ends with this shell",
  qemu: "a hive on seL4 in QEMU, which ends with this shell",
};

async function run(options: Options): Promise<number> {
  const { stdin, stdout, stderr } = process;
  const screen = new Screen(stdout);
  const leave = new AbortController();
  let ended: number | undefined;
  const end = (signal: keyof typeof SIGNAL_STATUS): void => {
    ended ??= SIGNAL_STATUS[signal];
    leave.abort();
  };
  // A second signal while the hive is being ended must not leave it behind, so none of them kills.
  for (const signal of ["SIGHUP", "SIGTERM"] as const) process.on(signal, () => end(signal));
  stdout.on("error", () => end("SIGPIPE"));

  const interactive = options.commands.length === 0 && stdin.isTTY;
  const print = (line: string): void => {
    if (ended !== SIGNAL_STATUS.SIGPIPE) screen.print(line);
  };
  const transport = await makeTransport(options);
  const shell = new Shell(transport, { timeoutMs: options.timeoutMs, follow: options.follow || interactive, print });
  process.on("SIGINT", () => {
    if (!shell.interrupt()) end("SIGINT");
  });
  let status = 0;
  if (interactive) {
    print(`# cohsh ${packageVersion()}: ${DESCRIPTIONS[transport.name]}`);
    print("# help lists commands, Tab completes them; quit or Ctrl-D leaves");
  }
  try {
    const opening = AbortSignal.any([leave.signal, AbortSignal.timeout(options.openTimeoutMs)]);
    await shell.open(opening);
    shell.follow = options.follow;
    if (interactive) {
      const file = options.history ? historyFile(process.env) : undefined;
      await repl(shell, screen, { input: stdin, output: stdout, historyFile: file, signal: leave.signal });
      if (shell.gone !== undefined) status = 1;
    } else {
      leave.signal.addEventListener("abort", () => {
        stdin.destroy();
        void shell.close();
      });
      const fine =
        options.commands.length > 0
          ? await runCommands(shell, options.commands, leave.signal)
          : await runInput(shell, stdin, leave.signal);
      if (!fine) status = 1;
      if (shell.gone !== undefined) throw new Error(shell.gone);
    }
  } catch (error) {
    if (ended === undefined) {
      stderr.write(`cohsh: ${error instanceof Error ? error.message : String(error)}\n`);
      status = 1;
    }
  } finally {
    await shell.close();
  }
  return ended ?? status;
}

const invocation = parseCommandLine(process.argv.slice(2), packageVersion());
if ("print" in invocation) {
  process.stdout.write(invocation.print);
} else if ("complain" in invocation) {
  process.stderr.write(`${invocation.complain}\n`);
  process.exitCode = invocation.status;
} else {
  // Standard input may be a pipe that never ends, so the process does not wait for it.
  process.exit(await run(invocation.run));
}
