import { expect } from "chai";
import { type FailureAnswer, LoginThrottle } from "../../../services/roles/throttle.ts";

const MS = 1000;
const S = 1_000_000;
const denied = (delayMs: number): FailureAnswer => ({ kind: "denied", delayMs });
const limited = (delayMs: number): FailureAnswer => ({ kind: "rate-limited", delayMs });

describe("LoginThrottle", () => {
  it("delays the answer after the n-th failure in 60 s by 250 ms times 2^(n-1)", () => {
    const throttle = new LoginThrottle();
    expect(throttle.failed(1, 0)).to.deep.equal(denied(0));
    expect(throttle.failed(1, 1 * S)).to.deep.equal(denied(250));
    expect(throttle.failed(1, 2 * S)).to.deep.equal(denied(500));
    expect(throttle.counters).to.deep.equal({ failed: 3, delayed: 2, rateLimited: 0, coolDowns: 1, overflowed: 0 });
  });

  it("forgets a failure after 60 s", () => {
    const throttle = new LoginThrottle();
    throttle.failed(1, 0);
    expect(throttle.failed(1, 60 * S - 1)).to.deep.equal(denied(250));
    expect(throttle.failed(1, 60 * S)).to.deep.equal(denied(250));
    expect(throttle.failed(1, 180 * S)).to.deep.equal(denied(0));
    expect(throttle.counters.coolDowns).to.equal(0);
  });

  it("cools down for 90 s from the third, and says for how long", () => {
    const throttle = new LoginThrottle();
    for (const at of [0, 1, 2]) throttle.failed(1, at * S);
    expect(throttle.failed(1, 2 * S + 1)).to.deep.equal(limited(90_000));
    expect(throttle.failed(1, 3 * S)).to.deep.equal(limited(89_000));
    expect(throttle.failed(1, 92 * S - 1)).to.deep.equal(limited(1));
    expect(throttle.counters).to.include({ rateLimited: 3, coolDowns: 1 });
  });

  it("does not prolong a cool-down by what comes in it", () => {
    const throttle = new LoginThrottle();
    for (const at of [0, 0, 0]) throttle.failed(1, at);
    for (let at = 1; at <= 20; at++) throttle.failed(1, at * S);
    expect(throttle.failed(1, 90 * S)).to.deep.equal(denied(0));
  });

  it("goes on up to 8 s with somebody who does not stop, and cools down again", () => {
    const throttle = new LoginThrottle();
    for (const at of [0, 0, 0]) throttle.failed(1, at);
    for (let at = 40; at < 90; at++) expect(throttle.failed(1, at * S).kind).to.equal("rate-limited");
    expect(throttle.failed(1, 90 * S)).to.deep.equal(denied(8000));
    expect(throttle.failed(1, 91 * S)).to.deep.equal(limited(89_000));
    expect(throttle.counters.coolDowns).to.equal(2);
  });

  it("doubles step by step", () => {
    const delays: number[] = [];
    for (let n = 0; n <= 8; n++) {
      const throttle = new LoginThrottle();
      // Failures while it cools down from older ones count.
      for (let i = 0; i < 3; i++) throttle.failed(1, 0);
      for (let i = 0; i < n; i++) throttle.failed(1, 89 * S);
      delays.push(throttle.failed(1, 90 * S).delayMs);
    }
    expect(delays).to.deep.equal([0, 250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
  });

  it("keeps sources apart", () => {
    const throttle = new LoginThrottle();
    for (let i = 0; i < 5; i++) throttle.failed(1, i * MS);
    expect(throttle.failed(2, 5 * MS)).to.deep.equal(denied(0));
  });

  it("keeps as many sources as it may, and lets those beyond share one entry", () => {
    const throttle = new LoginThrottle(2);
    throttle.failed(1, 0);
    throttle.failed(2, 0);
    expect(throttle.failed(3, 1 * S)).to.deep.equal(denied(0));
    expect(throttle.failed(4, 1 * S)).to.deep.equal(denied(250));
    expect(throttle.failed(5, 1 * S)).to.deep.equal(denied(500));
    expect(throttle.failed(6, 1 * S).kind).to.equal("rate-limited");
    expect(throttle.size).to.equal(2);
    expect(throttle.counters.overflowed).to.equal(4);
    expect(throttle.failed(1, 2 * S), "its own entry").to.deep.equal(denied(250));
  });

  it("makes room by forgetting who has been quiet, and nobody who cools down", () => {
    const throttle = new LoginThrottle(2);
    throttle.failed(1, 0);
    for (let i = 0; i < 3; i++) throttle.failed(2, 0);
    expect(throttle.failed(3, 60 * S)).to.deep.equal(denied(0));
    expect(throttle.size).to.equal(2);
    expect(throttle.counters.overflowed).to.equal(0);
    expect(throttle.failed(2, 61 * S).kind, "still cooling down").to.equal("rate-limited");
  });

  it("stays within its bounds under many sources", () => {
    const throttle = new LoginThrottle(8);
    for (let i = 0; i < 10_000; i++) throttle.failed(i, i * MS);
    expect(throttle.size).to.equal(8);
    expect(throttle.counters.failed).to.equal(10_000);
  });
});
