/** Targets of which an input is either taken or not, and both have to happen. */
import { Random } from "../random.ts";
import { atLeast, atMost, type Counts, type Target } from "../target.ts";

/** @param one throws one input, and says whether it was taken */
export function target(
  name: string,
  what: string,
  inputs: { run: number; short: number; weight?: number },
  one: (random: Random, counts: Counts) => boolean,
): Target {
  return {
    name,
    what,
    ...inputs,
    counts: () => ({ inputs: 0, taken: 0, other: 0 }),
    fuzz(seed, inputs, counts) {
      const random = new Random(seed);
      for (let n = 0; n < inputs; n++) {
        counts["inputs"]!++;
        counts[one(random, counts) ? "taken" : "other"]!++;
      }
    },
    reached(counts) {
      atLeast(counts, "taken", 0.03, "inputs");
      atMost(counts, "taken", 0.97, "inputs");
    },
  };
}
