/**
 * The seed of everything in the tests that is left to chance: `COHESIX_FUZZ_SEED=n npm test` does what the run did that printed it.
 * Mocha loads this before the tests (`.mocharc.json`), so that fast-check has the seed too.
 */
import { randomInt } from "node:crypto";
import fc from "fast-check";

function given(): number | undefined {
  const text = process.env["COHESIX_FUZZ_SEED"];
  if (text === undefined || text === "") return undefined;
  const seed = Number(text);
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new Error(`COHESIX_FUZZ_SEED=${text} is no whole number from 0 to ${0xffffffff}`);
  }
  return seed;
}

export const SEED = given() ?? randomInt(2 ** 32);
// Whoever loads this again, in another process too, has the same.
process.env["COHESIX_FUZZ_SEED"] = String(SEED);

/** For the title of a test. */
export const SEEDED = `COHESIX_FUZZ_SEED=${SEED}`;

export const mochaHooks = {
  beforeAll(): void {
    fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: SEED | 0 });
    console.log(`  ${SEEDED}`);
  },
};
