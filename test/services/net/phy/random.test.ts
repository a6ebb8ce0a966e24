import { expect } from "chai";
import { SeededRandom } from "../../../../services/net/phy/random.ts";

describe("SeededRandom", () => {
  it("gives the same numbers for the same seed, and others for another", () => {
    const numbers = (seed: number): number[] => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 50 }, () => random.next());
    };
    expect(numbers(7)).to.deep.equal(numbers(7));
    expect(numbers(7)).to.not.deep.equal(numbers(8));
    expect(numbers(-1)).to.deep.equal(numbers(0xffffffff));
  });

  it("spreads them evenly below a limit", () => {
    const random = new SeededRandom(1);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) counts[random.below(10)]!++;
    for (const count of counts) expect(count).to.be.within(9_500, 10_500);
  });
});
