import { expect } from "chai";
import { SEED, SEEDED } from "./seed.ts";
import { runs } from "./target.ts";
import { TARGETS } from "./targets.ts";

/** A short run of what `npm run fuzz` does at length. */
describe(`under fuzz (${SEEDED})`, function () {
  this.timeout(60_000);

  for (const target of TARGETS) {
    it(`${target.name}: ${target.what}`, () => {
      const counts = target.counts();
      runs(target, { inputs: target.short, seed: SEED, counts });
      target.reached(counts);
    });
  }

  for (const target of TARGETS) {
    it(`${target.name}: the same seed does the same`, () => {
      const [first, second] = [target.counts(), target.counts()];
      const inputs = Math.ceil(target.short / 10);
      for (const counts of [first, second]) runs(target, { inputs, seed: SEED, counts });
      expect(first).to.deep.equal(second);
      expect(Object.values(first).some((count) => count > 0)).to.equal(true);
    });
  }

  it("have names of their own", () => {
    expect(new Set(TARGETS.map(({ name }) => name)).size).to.equal(TARGETS.length);
  });
});
