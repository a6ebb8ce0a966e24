import { expect } from "chai";
import { ResetBudget, RESETS_PER_WINDOW, WINDOW_US } from "../../../../services/drivers/virtio/recovery.ts";

describe("ResetBudget", () => {
  it("allows so many at once, and one more for each that left the window", () => {
    const budget = new ResetBudget();
    for (let i = 0; i < RESETS_PER_WINDOW; i++) expect(budget.take(1000 * i)).to.equal(true);
    expect(budget.take(1000 * RESETS_PER_WINDOW)).to.equal(false);
    expect(budget.nextUs()).to.equal(WINDOW_US);
    expect(budget.take(WINDOW_US - 1)).to.equal(false);
    expect(budget.take(WINDOW_US)).to.equal(true);
    expect(budget.take(WINDOW_US)).to.equal(false);
    expect(budget.take(WINDOW_US + 1000)).to.equal(true);
  });
});
