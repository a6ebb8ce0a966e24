import { expect } from "chai";
import type { Pool } from "../../../services/ports/index.ts";
import { Several } from "../../../services/proc/pools.ts";

const pool = (used: number, peak: number, times: number): Pool[] => [["x", 10, used, 8, peak, "refused", times]];

describe("several pools of a kind", () => {
  it("show the memory of as many as there may be, and nothing in use before there is one", () => {
    expect(new Several(5, pool(0, 0, 0)).pools([])).to.deep.equal([["x", 50, 0, 8, 0, "refused", 0]]);
  });

  it("show the fullest, the highest mark and all refusals", () => {
    const several = new Several(2, pool(0, 0, 0));
    expect(several.pools([pool(3, 4, 1), pool(5, 5, 0), pool(1, 7, 2)])).to.deep.equal([
      ["x", 20, 5, 8, 7, "refused", 3],
    ]);
  });

  it("remember of one that is over what it had at most, not what it had last", () => {
    const several = new Several(2, pool(0, 0, 0));
    several.ended(pool(6, 7, 2));
    several.ended(pool(1, 2, 1));
    expect(several.pools([])).to.deep.equal([["x", 20, 0, 8, 7, "refused", 3]]);
    expect(several.pools([pool(2, 3, 1)])).to.deep.equal([["x", 20, 2, 8, 7, "refused", 4]]);
  });
});
