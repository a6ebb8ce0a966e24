import { expect } from "chai";
import { Collection } from "../../../services/pump/collection.ts";

function heap(used: number) {
  return {
    used,
    garbage: 0,
    pauses: [] as number[],
    usedBytes(): number {
      return this.used;
    },
    collect(): number {
      this.used -= this.garbage;
      this.garbage = 0;
      return this.pauses.shift() ?? 0;
    },
  };
}

describe("idle collection", () => {
  it("collects when the heap has grown enough, and not before", () => {
    const memory = heap(1000);
    const collection = new Collection(memory, 100);
    memory.used = 1099;
    collection.quiet();
    expect([collection.runs, collection.skipped]).to.deep.equal([0, 1]);
    memory.used = 1100;
    memory.garbage = 90;
    collection.quiet();
    expect([collection.runs, collection.skipped]).to.deep.equal([1, 1]);
    // Growth counts from what was left.
    memory.used += 99;
    collection.quiet();
    expect(collection.runs).to.equal(1);
  });

  it("counts growth from the lowest point since, not from the last collection", () => {
    const memory = heap(1000);
    const collection = new Collection(memory, 100);
    memory.used = 500;
    collection.quiet();
    memory.used = 650;
    collection.quiet();
    expect(collection.runs).to.equal(1);
  });

  it("keeps the longest pause", () => {
    const memory = heap(0);
    memory.pauses = [300, 900, 100];
    const collection = new Collection(memory, 1);
    for (let i = 0; i < 3; i++) {
      memory.used += 10;
      collection.quiet();
    }
    expect(collection.longestUs).to.equal(900);
  });
});
