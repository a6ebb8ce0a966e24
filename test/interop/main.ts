/**
 * `npm run test:interop`: what is ours against implementations that are not. Each part that cannot run on this machine is
 * skipped aloud, with the reason; the last line is `N passed, N failed, N skipped`.
 */
import { Command, InvalidArgumentError } from "commander";
import { Checks } from "../../scripts/lib/checks.ts";
import { kernelPrefix } from "../../scripts/lib/kernel-config.ts";
import { diodChecks } from "./diod.ts";
import { dissectorChecks } from "./dissector.ts";
import { doorChecks } from "./door.ts";
import { networkChecks } from "./network.ts";
import { Recorder } from "./recorder.ts";
import { tcpChecks } from "./tcp.ts";
import { v9fsChecks } from "./v9fs.ts";

const PARTS = ["diod", "v9fs", "dissector", "door", "network", "tcp"] as const;
type Part = (typeof PARTS)[number];

interface InteropOptions {
  readonly sel4?: string;
  readonly count: number;
  readonly seed: number;
  readonly only: readonly Part[];
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("a whole number from 1 on.");
  return value;
}

function part(text: string, before: readonly Part[] | undefined): Part[] {
  const found = PARTS.find((name) => name === text);
  if (found === undefined) throw new InvalidArgumentError(`one of ${PARTS.join(", ")}.`);
  return [...(before ?? []), found];
}

async function main(): Promise<number> {
  const program = new Command("interop")
    .description("Checks 9P with diod's tools, Linux and Wireshark, and ARP, ICMP and TCP with the host kernel.")
    .option("--sel4 <prefix>", "install prefix of the seL4 build (default: $SEL4_PREFIX, then /opt/sel4)")
    .option("--count <n>", "pings of the long runs", positive, 10_000)
    .option("--seed <n>", "seed of the bad lines", positive, 4000)
    .option("--only <part>", `one of ${PARTS.join(", ")}; may be given again`, part)
    .parse();
  const { sel4, count, seed, only = PARTS } = program.opts<Partial<InteropOptions> & { count: number; seed: number }>();
  const checks = new Checks();
  const recorder = new Recorder();
  if (only.includes("diod")) await diodChecks(checks, recorder);
  if (only.includes("v9fs")) await v9fsChecks(checks, recorder);
  // What the two before it said is read here.
  if (only.includes("dissector")) await dissectorChecks(checks, recorder);
  if (only.includes("door")) await doorChecks(checks, kernelPrefix(sel4));
  if (only.includes("network")) await networkChecks(checks, kernelPrefix(sel4), count);
  if (only.includes("tcp")) await tcpChecks(checks, kernelPrefix(sel4), seed);
  return checks.finish();
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`interop: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
