/**
 * What can be fuzzed: a parser, and whoever throws damaged input at it and holds it to its promises. Each run begins from nothing
 * and depends on its seed alone.
 */

/** What happened, by name; the same for the same seed. */
export type Counts = Record<string, number>;

export interface Target {
  /** As `--parser` calls it. */
  readonly name: string;
  /** What is thrown at what. */
  readonly what: string;
  /** Inputs of one run. */
  readonly run: number;
  /** Inputs of the short run in `npm test`. */
  readonly short: number;
  /** One input stands for so many of `--iterations`, where inputs are long; 1 if absent. */
  readonly weight?: number;
  /** Counts from which runs go on. */
  counts(): Counts;
  /** One run. @throws Error if a promise was broken */
  fuzz(seed: number, inputs: number, counts: Counts): void;
  /** What the runs have to have reached so that they are worth something. @throws Error */
  reached(counts: Counts): void;
}

/** @throws Error that says how to see it again. */
export function run(target: Target, seed: number, inputs: number, counts: Counts): void {
  try {
    target.fuzz(seed, inputs, counts);
  } catch (error) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const iterations = inputs * (target.weight ?? 1);
    const again = `npm run fuzz -- --parser ${target.name} --iterations ${iterations} --seed ${seed}`;
    throw new Error(`fuzz: ${what}\nto see it again: ${again}`, { cause: error });
  }
}

/** Do so many inputs in runs of the target's size, each with the next seed. @param next called before each run with its seed */
export function runs(
  target: Target,
  { inputs, seed, counts }: { inputs: number; seed: number; counts: Counts },
  next: (seed: number, done: number) => void = () => undefined,
): void {
  for (let done = 0, n = 0; done < inputs; n++) {
    const size = Math.min(target.run, inputs - done);
    const runSeed = (seed + n) >>> 0;
    next(runSeed, done);
    run(target, runSeed, size, counts);
    done += size;
  }
}

/** @throws Error if it is not so */
export function must(holds: boolean, what: () => string): void {
  if (!holds) throw new Error(what());
}

/** For {@link Target.reached}. @throws Error unless the count is at least that share of another */
export function atLeast(counts: Counts, name: string, share: number, of: string): void {
  const [count = 0, whole = 0] = [counts[name], counts[of]];
  must(count >= share * whole, () => `only ${count} ${name} of ${whole} ${of}`);
}

export function atMost(counts: Counts, name: string, share: number, of: string): void {
  const [count = 0, whole = 0] = [counts[name], counts[of]];
  must(count <= share * whole, () => `${count} ${name} of ${whole} ${of}`);
}
