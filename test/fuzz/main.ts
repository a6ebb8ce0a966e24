/**
 * `npm run fuzz -- --iterations N [--sequences M] [--seed S]`: N mutated frames and M random sequences of requests, against
 * codec, session and namespace. Everything comes from the seed that it prints; what it finds names the seed of its own run,
 * with which it shows again at once. The exit status is 0 only if nothing was found.
 */
import { Command, InvalidArgumentError } from "commander";
import { frameCounts, fuzzFrames, RUN as FRAMES } from "./frames.ts";
import { Memory } from "./memory.ts";
import { fuzzSequences, RUN as SEQUENCES, sequenceCounts } from "./sequences.ts";
import { Watchdog } from "./watchdog.ts";

interface FuzzOptions {
  readonly iterations: number;
  readonly sequences?: number;
  readonly seed: number;
}

/** A hundredth of the frames, unless it is said. */
const FRAMES_A_SEQUENCE = 100;
const PROGRESS_MS = 10_000;

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("a whole number from 0 on.");
  return value;
}

/** Do `total` things in runs of `size`, each with the next seed. */
async function runs(
  what: string,
  { total, size, seed }: { total: number; size: number; seed: number },
  run: (seed: number, count: number) => void,
): Promise<void> {
  const watchdog = new Watchdog(what);
  const memory = new Memory();
  const start = performance.now();
  let said = start;
  try {
    for (let done = 0, n = 0; done < total; n++) {
      const count = Math.min(size, total - done);
      const runSeed = (seed + n) >>> 0;
      watchdog.moved(runSeed);
      run(runSeed, count);
      done += count;
      memory.look(done / total);
      if (performance.now() - said > PROGRESS_MS) {
        said = performance.now();
        console.log(`  ${done} of ${total} ${what}`);
      }
    }
  } finally {
    await watchdog.end();
  }
  const seconds = (performance.now() - start) / 1000;
  const memoryMiB = (memory.highWater / 1024 / 1024).toFixed(0);
  console.log(
    `${total} ${what} in ${seconds.toFixed(1)} s, ${Math.round(total / seconds)} a second, at most ${memoryMiB} MiB in use`,
  );
}

function say(counts: object): void {
  const list = Object.entries(counts).map(([name, count]) => `${name} ${String(count)}`);
  console.log(`  ${list.join(", ")}`);
}

async function main(): Promise<void> {
  const { iterations, sequences, seed } = new Command("fuzz")
    .description("Mutated frames and random sequences of requests against secure9p and NineDoor.")
    .option("--iterations <n>", "mutated frames", whole, 1_000_000)
    .option("--sequences <n>", `random sequences (default: one for every ${FRAMES_A_SEQUENCE} frames)`, whole)
    .option("--seed <n>", "where it begins (default: the time)", whole, Date.now() % 0x100000000)
    .parse()
    .opts<FuzzOptions>();
  console.log(`fuzz: seed ${seed}`);
  const frames = frameCounts();
  await runs("mutated frames", { total: iterations, size: FRAMES, seed }, (runSeed, count) =>
    fuzzFrames(runSeed, count, frames),
  );
  say(frames);
  const wanted = sequences ?? Math.ceil(iterations / FRAMES_A_SEQUENCE);
  const counts = sequenceCounts();
  await runs("sequences", { total: wanted, size: SEQUENCES, seed }, (runSeed, count) =>
    fuzzSequences(runSeed, count, counts),
  );
  say(counts);
  console.log("fuzz: nothing was found");
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
