import { expect } from "chai";
import { frameCounts, fuzzFrames } from "./frames.ts";
import { fuzzSequences, sequenceCounts } from "./sequences.ts";

/** A short run of what `npm run fuzz` does at length. */
describe("secure9p and NineDoor under fuzz", () => {
  it("survive mutated frames, and account for each", () => {
    const counts = frameCounts();
    for (let seed = 1; seed <= 12; seed++) fuzzFrames(seed, 8192, counts);
    expect(counts.frames).to.equal(12 * 8192);
    expect(counts.requests).to.equal(counts.replies + counts.dropped);
    // It is no fuzzing if nothing gets through, or everything does.
    expect(counts.decoded).to.be.within(counts.frames * 0.2, counts.frames * 0.8);
  });

  it("answer every request of lively clients once", () => {
    const counts = sequenceCounts();
    for (let seed = 1; seed <= 20; seed++) fuzzSequences(seed, 32, counts);
    expect(counts.sequences).to.equal(640);
    expect(counts.requests).to.equal(counts.replies + counts.dropped);
    expect(counts.errors).to.be.below(counts.replies * 0.7);
    expect(counts.flushed).to.be.above(0);
    expect(counts.parked).to.be.above(20);
  });

  it("does the same again from the same seed", () => {
    const [first, second] = [frameCounts(), frameCounts()];
    fuzzFrames(77, 4096, first);
    fuzzFrames(77, 4096, second);
    expect(first).to.deep.equal(second);
    const [once, twice] = [sequenceCounts(), sequenceCounts()];
    fuzzSequences(77, 32, once);
    fuzzSequences(77, 32, twice);
    expect(once).to.deep.equal(twice);
  });
});
