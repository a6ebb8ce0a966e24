/**
 * The program `cohsh`: from a command line to an exit status. Whatever happens on the way, what it started
 * is ended and the terminal is as it was before it leaves.
 */

import { readFileSync } from "node:fs";
import { credentialsPath } from "../scripts/lib/credentials.ts";
import { packageVersion } from "../scripts/lib/repository.ts";
import { parseNineCommandLine } from "./9p/cli.ts";
import { parseBenchCommandLine } from "./bench/cli.ts";
import { runBench } from "./bench/run.ts";
import { parseExportCommandLine } from "./export/cli.ts";
import { runExport } from "./export/run.ts";
import { runNine } from "./9p/run.ts";
import { type Layers, parseCommandLine } from "./cli.ts";
import { run } from "./run.ts";
import { parseScript } from "./script/parse.ts";
import { configFile, readConfig, readEnvironment } from "./settings.ts";
import { loadCredentials } from "./tickets/load.ts";
import { mintTicket, parseTicketOptions, type TicketOptions } from "./tickets/mint.ts";

function complain(error: unknown): void {
  process.stderr.write(`cohsh: ${error instanceof Error ? error.message : String(error)}\n`);
}

/** @returns 2 with one sentence for each mistake, 0 without. */
function check(file: string): number {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    complain(error);
    return 2;
  }
  const { mistakes } = parseScript(bytes);
  for (const { line, sentence } of mistakes) complain(`${file}: line ${line}: ${sentence}`);
  return mistakes.length === 0 ? 0 : 2;
}

/** @returns 2 if no ticket can say that, 1 if there is nothing to sign it with. */
function mint(options: TicketOptions, file: string | undefined): number {
  let status = 2;
  try {
    const claims = parseTicketOptions(options, Date.now());
    status = 1;
    const credentials = loadCredentials(file ?? credentialsPath);
    status = 2;
    process.stdout.write(`${mintTicket(credentials, claims)}\n`);
    return 0;
  } catch (error) {
    complain(error);
    return status;
  }
}

const layers: Layers = {
  environment: () => readEnvironment(process.env),
  config: () => readConfig(configFile(process.env)),
};
const [first, ...others] = process.argv.slice(2);
const invocation =
  first === "9p"
    ? parseNineCommandLine(others, layers)
    : first === "export"
      ? parseExportCommandLine(others, layers)
      : first === "bench"
        ? parseBenchCommandLine(others, layers)
        : parseCommandLine(process.argv.slice(2), packageVersion(), layers);
if ("print" in invocation) {
  process.stdout.write(invocation.print);
} else if ("complain" in invocation) {
  process.stderr.write(`${invocation.complain}\n`);
  process.exitCode = invocation.status;
} else if ("nine" in invocation) {
  process.exit(await runNine(invocation.nine));
} else if ("exports" in invocation) {
  process.exit(await runExport(invocation.exports));
} else if ("bench" in invocation) {
  process.exit(await runBench(invocation.bench));
} else if ("check" in invocation) {
  process.exitCode = check(invocation.check);
} else if ("mint" in invocation) {
  process.exitCode = mint(invocation.mint, invocation.credentials);
} else {
  // Standard input may be a pipe that never ends, so the process does not wait for it.
  process.exit(await run(invocation.run));
}
