import { expect } from "chai";
import { median, percentile } from "../../../scripts/lib/statistics.ts";

describe("statistics", () => {
  it("takes percentiles by nearest rank, whatever the order", () => {
    const values = [5, 1, 4, 2, 3, 10, 9, 8, 7, 6];
    expect(percentile(values, 0.5)).to.equal(5);
    expect(percentile(values, 0.99)).to.equal(10);
    expect(percentile(values, 0)).to.equal(1);
    expect(percentile(values, 1)).to.equal(10);
    expect(values[0]).to.equal(5);
  });

  it("has the middle value as median, and none of nothing", () => {
    expect(median([3, 1, 2])).to.equal(2);
    expect(median([])).to.be.NaN;
  });
});
