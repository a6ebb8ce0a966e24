import { expect } from "chai";
import { RateLimit } from "../../../services/net/rate.ts";

describe("RateLimit", () => {
  it("gives a burst and then so many a second", () => {
    const limit = new RateLimit(10, 5);
    let given = 0;
    for (let i = 0; i < 100; i++) if (limit.take(0)) given++;
    expect(given).to.equal(5);
    for (let us = 1000; us <= 10_000_000; us += 1000) if (limit.take(us)) given++;
    expect(given).to.be.within(5 + 99, 5 + 100);
  });

  it("does not save up more than a burst", () => {
    const limit = new RateLimit(10, 5);
    let given = 0;
    for (let i = 0; i < 100; i++) if (limit.take(3_600_000_000)) given++;
    expect(given).to.equal(5);
  });
});
