import { expect } from "chai";
import fc from "fast-check";
import { Histogram } from "../../../services/pump/histogram.ts";

describe("pump histogram", () => {
  it("is exact for small values", () => {
    const histogram = new Histogram();
    for (let value = 0; value < 32; value++) histogram.record(value);
    for (let value = 0; value < 32; value++) expect(histogram.percentile((value + 1) / 32)).to.equal(value);
  });

  it("gives percentiles at most a sixteenth above the true ones, never below", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 0x7fffffff }), { minLength: 1, maxLength: 300 }),
        fc.constantFrom(0.01, 0.5, 0.9, 0.99, 1),
        (values, fraction) => {
          const histogram = new Histogram();
          for (const value of values) histogram.record(value);
          const sorted = [...values].sort((a, b) => a - b);
          const exact = sorted[Math.max(1, Math.ceil(sorted.length * fraction)) - 1]!;
          const got = histogram.percentile(fraction);
          expect(got).to.be.at.least(exact);
          expect(got).to.be.at.most(exact + exact / 16);
        },
      ),
    );
  });

  it("takes any number", () => {
    const histogram = new Histogram();
    for (const value of [-5, 0.5, NaN, Infinity, 1e300]) histogram.record(value);
    expect(histogram.count).to.equal(5);
    expect(histogram.max).to.equal(0x7fffffff);
    expect(histogram.percentile(0.5)).to.equal(0);
    expect(new Histogram().percentile(0.99)).to.equal(0);
  });

  it("forgets everything when cleared", () => {
    const histogram = new Histogram();
    histogram.record(1000);
    histogram.clear();
    histogram.record(3);
    expect(histogram.percentile(1)).to.equal(3);
    expect(histogram.max).to.equal(3);
  });
});
