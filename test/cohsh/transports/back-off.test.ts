import { expect } from "chai";
import fc from "fast-check";
import { BackOff } from "../../../cohsh/transports/back-off.ts";

describe("cohsh back-off", () => {
  it("doubles up to its bound, and begins anew", () => {
    const backOff = new BackOff({ first: 200, most: 1000 }, () => 0.5);
    expect([1, 2, 3, 4, 5].map(() => backOff.next())).to.deep.equal([150, 300, 600, 750, 750]);
    expect(backOff.attempts).to.equal(5);
    backOff.reset();
    expect(backOff.next()).to.equal(150);
  });

  it("waits between a half and the whole of what is due, and never less than was asked for", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(40), fc.nat(5000), (part, times, least) => {
        const backOff = new BackOff({ first: 100, most: 2000 }, () => part);
        for (let n = 0; n < times; n++) backOff.next();
        const due = Math.min(2000, 100 * 2 ** times);
        const wait = backOff.next(least);
        expect(wait).to.be.at.least(Math.max(due / 2, least));
        expect(wait).to.be.at.most(Math.max(due, least));
      }),
    );
  });
});
