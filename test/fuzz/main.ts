/**
 * `npm run fuzz -- [--parser NAME...] [--iterations N] [--seed S]`: damaged input for every parser, or for those that are named. All
 * of it comes from the seed that it prints; what it finds names the command with which it shows again at once. The exit status is
 * 0 only if nothing was found.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { Memory } from "./memory.ts";
import { SEED } from "./seed.ts";
import { type Counts, runs, type Target } from "./target.ts";
import { TARGETS } from "./targets.ts";
import { Watchdog } from "./watchdog.ts";

interface FuzzOptions {
  readonly parser: readonly Target[];
  readonly iterations: number;
  readonly seed: number;
}

const PROGRESS_MS = 10_000;

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("a whole number from 0 on.");
  return value;
}

function targetOf(name: string, before: readonly Target[]): readonly Target[] {
  const target = TARGETS.find((known) => known.name === name);
  if (target === undefined)
    throw new InvalidArgumentError(`there are ${TARGETS.map((known) => known.name).join(", ")}.`);
  return before === TARGETS ? [target] : [...before, target];
}

async function fuzz(target: Target, iterations: number, seed: number): Promise<Counts> {
  const inputs = Math.ceil(iterations / (target.weight ?? 1));
  const watchdog = new Watchdog(target.name);
  const memory = new Memory();
  const counts = target.counts();
  const start = performance.now();
  let said = start;
  try {
    runs(target, { inputs, seed, counts }, (runSeed, done) => {
      watchdog.moved(runSeed);
      memory.look(done / inputs);
      if (performance.now() - said < PROGRESS_MS) return;
      said = performance.now();
      console.log(`  ${done} of ${inputs}`);
    });
  } finally {
    await watchdog.end();
  }
  const seconds = (performance.now() - start) / 1000;
  const memoryMiB = (memory.highWater / 1024 / 1024).toFixed(0);
  console.log(
    `  ${inputs} in ${seconds.toFixed(1)} s, ${Math.round(inputs / seconds)} a second, at most ${memoryMiB} MiB in use`,
  );
  return counts;
}

async function main(): Promise<void> {
  const names = TARGETS.map(({ name, what }) => `  ${name.padEnd(16)} ${what}`);
  const { parser, iterations, seed } = new Command("fuzz")
    .description("Damaged input for parsers and what is behind them.")
    .addOption(
      new Option("--parser <name>", "this one; may be given again").argParser(targetOf).default(TARGETS, "all"),
    )
    .option("--iterations <n>", "inputs for each; fewer where one is long", whole, 1_000_000)
    .addOption(
      new Option("--seed <n>", "where it begins").argParser(whole).default(SEED, "$COHESIX_FUZZ_SEED or chance"),
    )
    .addHelpText("after", `\nParsers:\n${names.join("\n")}`)
    .parse()
    .opts<FuzzOptions>();
  console.log(`fuzz: seed ${seed}`);
  for (const target of parser) {
    console.log(`${target.name}: ${target.what}`);
    const counts = await fuzz(target, iterations, seed);
    console.log(`  ${Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(", ")}`); // prettier-ignore
  }
  console.log("fuzz: nothing was found");
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
