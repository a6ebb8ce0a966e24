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

describe("collection by growth", () => {
  it("collects when the heap has grown enough, and not before", () => {
    const memory = heap(1000);
    const collection = new Collection(memory, { quietBytes: 100, busyBytes: 500 });
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
    const collection = new Collection(memory, { quietBytes: 100, busyBytes: 500 });
    memory.used = 500;
    collection.quiet();
    memory.used = 650;
    collection.quiet();
    expect(collection.runs).to.equal(1);
  });

  it("comes in the midst of work too when the heap has grown much, so that neither it nor the pause gets large", () => {
    const memory = heap(1000);
    const collection = new Collection(memory, { quietBytes: 100, busyBytes: 500 });
    let highest = 0;
    for (let i = 0; i < 1000; i++) {
      memory.used += 90;
      memory.garbage += 90;
      highest = Math.max(highest, memory.used);
      collection.busy();
    }
    expect(highest).to.equal(1000 + 6 * 90);
    expect([collection.runs, collection.whileBusy, collection.skipped]).to.deep.equal([166, 166, 0]);
    // What stays is grown once and not collected again and again.
    memory.used = 1_000_000;
    for (let i = 0; i < 10; i++) collection.busy();
    expect(collection.runs).to.equal(167);
    // What a quiet moment has collected is collected.
    memory.used += 400;
    collection.quiet();
    memory.used += 499;
    collection.busy();
    expect([collection.whileQuiet, collection.whileBusy]).to.deep.equal([1, 167]);
  });

  it("keeps the longest pause", () => {
    const memory = heap(0);
    memory.pauses = [300, 900, 100];
    const collection = new Collection(memory, { quietBytes: 1, busyBytes: 1 });
    for (let i = 0; i < 3; i++) {
      memory.used += 10;
      collection.quiet();
    }
    expect(collection.longestUs).to.equal(900);
  });
});
