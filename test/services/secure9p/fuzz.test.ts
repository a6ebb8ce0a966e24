import { expect } from "chai";
import * as fc from "fast-check";
import { fuzz } from "./fuzzer.ts";

/** Each run throws what is broken, with its seed: an exception, a request without its one reply, a leaked fid or file. */
describe("Session under fuzz", () => {
  const seeds = fc.integer({ min: 0, max: 0x7fffffff });

  it("answers every request of a well-formed stream once, and leaks nothing", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        expect(fuzz({ seed, frames: 400, damage: 0 })).to.be.at.least(400);
      }),
      { numRuns: 25 },
    );
  });

  it("accounts for every frame of a damaged stream", () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(1, 2, 10), (seed, damage) => {
        expect(fuzz({ seed, frames: 400, damage })).to.be.at.least(20);
      }),
      { numRuns: 25 },
    );
  });
});
