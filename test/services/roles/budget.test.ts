import { expect } from "chai";
import fc from "fast-check";
import { Account, DEFAULT_BUDGETS, MAXIMUM_BUDGET, resolveBudget } from "../../../services/roles/budget.ts";

const S = 1_000_000;
const LIMITED = { ttlS: 10, ops: 3, ticks: 5 };

describe("budgets", () => {
  it("have the interface's defaults", () => {
    expect(DEFAULT_BUDGETS["worker-heartbeat"]).to.deep.equal({ ttlS: 300, ops: 10_000, ticks: 1000 });
    expect(DEFAULT_BUDGETS["worker-gpu"]).to.deep.equal({ ttlS: 120, ops: 640, ticks: 1000 });
    expect(DEFAULT_BUDGETS.queen).to.deep.equal({ ttlS: Infinity, ops: Infinity, ticks: Infinity });
  });

  it("are what was asked for, the default otherwise, and never above the maximum", () => {
    const defaults = DEFAULT_BUDGETS["worker-heartbeat"];
    expect(resolveBudget({}, defaults, MAXIMUM_BUDGET)).to.deep.equal({ budget: defaults, clamped: [] });
    expect(resolveBudget({ ops: 0, ttlS: 86_400 }, defaults, MAXIMUM_BUDGET)).to.deep.equal({
      budget: { ttlS: 86_400, ops: 0, ticks: 1000 },
      clamped: [],
    });
    expect(
      resolveBudget({ ttlS: 101, ops: 7, ticks: 2 ** 53 - 1 }, defaults, { ttlS: 100, ops: 7, ticks: 8 }),
    ).to.deep.equal({ budget: { ttlS: 100, ops: 7, ticks: 8 }, clamped: ["ttl_s", "ticks"] });
  });

  it("hold defaults to the maximum too, but leave without a limit what has none", () => {
    const small = { ttlS: 60, ops: 100, ticks: 10 };
    expect(resolveBudget({}, DEFAULT_BUDGETS["worker-gpu"], small).budget).to.deep.equal(small);
    expect(resolveBudget({ ops: 500 }, DEFAULT_BUDGETS.queen, small)).to.deep.equal({
      budget: { ttlS: Infinity, ops: 100, ticks: Infinity },
      clamped: ["ops"],
    });
  });
});

describe("Account", () => {
  it("is out of time at its deadline, not before", () => {
    const account = new Account(LIMITED, 5 * S);
    expect(account.deadlineUs).to.equal(15 * S);
    expect(account.check(15 * S - 1)).to.equal(undefined);
    expect(account.check(15 * S)).to.deep.equal({ tag: "expired", why: "its time (ttl_s) is over" });
    expect(account.check(0), "and stays so").to.include({ tag: "expired" });
  });

  it("is closed by the request that uses the last one up", () => {
    const account = new Account(LIMITED, 0);
    expect(account.spendOp(1)).to.equal(undefined);
    expect(account.spendOp(1)).to.equal(undefined);
    expect(account.spendOp(1)).to.deep.equal({ tag: "revoked", why: "its requests (ops) are used up" });
    expect(account.left(1)).to.deep.equal({ ttlS: 0, ops: 0, ticks: 0 });
  });

  it("is closed by the quantum that uses the last one up, however many come at once", () => {
    const account = new Account(LIMITED, 0);
    expect(account.spendTicks(4, 1)).to.equal(undefined);
    expect(account.left(1)).to.deep.equal({ ttlS: 10, ops: 3, ticks: 1 });
    expect(account.spendTicks(9, 1)).to.deep.equal({ tag: "revoked", why: "its quanta (ticks) are used up" });
  });

  it("notices by a request that its time is over", () => {
    expect(new Account(LIMITED, 0).spendOp(10 * S)).to.include({ tag: "expired" });
  });

  it("keeps the first reason", () => {
    const account = new Account(LIMITED, 0);
    account.revoke("killed by queen");
    account.revoke("again");
    expect(account.check(99 * S)).to.deep.equal({ tag: "revoked", why: "killed by queen" });
    const expired = new Account(LIMITED, 0);
    expired.check(10 * S);
    expired.revoke("killed by queen");
    expect(expired.check(10 * S)).to.include({ tag: "expired" });
  });

  it("has no end without a budget", () => {
    const account = new Account(DEFAULT_BUDGETS.queen, 0);
    for (let i = 0; i < 1000; i++) account.spendOp(1e15);
    expect(account.deadlineUs).to.equal(Infinity);
    expect(account.check(2 ** 53)).to.equal(undefined);
    expect(account.left(1)).to.deep.equal({ ttlS: Infinity, ops: Infinity, ticks: Infinity });
  });

  it("can be given more or less, counted from its start", () => {
    const account = new Account(LIMITED, 2 * S);
    account.spendOp(3 * S);
    account.spendOp(3 * S);
    expect(account.change({ ttlS: 600, ops: 2 ** 40 }, MAXIMUM_BUDGET, 4 * S)).to.deep.equal({
      budget: { ttlS: 600, ops: MAXIMUM_BUDGET.ops, ticks: 5 },
      clamped: ["ops"],
    });
    expect(account.deadlineUs).to.equal(602 * S);
    expect(account.left(4 * S)).to.deep.equal({ ttlS: 598, ops: MAXIMUM_BUDGET.ops - 2, ticks: 5 });
    account.change({ ops: 2 }, MAXIMUM_BUDGET, 4 * S);
    expect(account.check(4 * S)).to.include({ tag: "revoked" });
  });

  it("is not opened again by a new budget", () => {
    const account = new Account(LIMITED, 0);
    expect(account.change({ ttlS: 600 }, MAXIMUM_BUDGET, 10 * S)).to.equal(undefined);
    expect(account.check(10 * S)).to.include({ tag: "expired" });
  });

  it("only ever runs down", () => {
    const step = fc.record({ ops: fc.nat(3), ticks: fc.nat(3), us: fc.nat(3 * S) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const account = new Account({ ttlS: 20, ops: 15, ticks: 15 }, 0);
        let now = 0;
        let before = account.left(now);
        let closed = false;
        for (const { ops, ticks, us } of steps) {
          now += us;
          for (let i = 0; i < ops; i++) account.spendOp(now);
          account.spendTicks(ticks, now);
          const left = account.left(now);
          expect(left.ttlS).to.be.within(0, before.ttlS);
          expect(left.ops).to.be.within(0, before.ops);
          expect(left.ticks).to.be.within(0, before.ticks);
          const out = account.check(now) !== undefined;
          expect(out).to.equal(closed || now >= 20 * S || account.opsUsed >= 15 || account.ticksUsed >= 15);
          closed = out;
          before = left;
        }
      }),
    );
  });
});
