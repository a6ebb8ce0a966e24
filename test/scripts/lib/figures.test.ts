import { expect } from "chai";
import { type Figure, isMissed, missed, promise, table } from "../../../scripts/lib/figures.ts";

const boot: Figure = { name: "boot", value: 480, unit: "ms", limit: 500 };
const ratio: Figure = { name: "twice as fast", value: 1.987, unit: "times", least: 2 };

describe("figures", () => {
  it("hold a limit from below and a least value from above", () => {
    expect(isMissed(boot)).to.equal(false);
    expect(isMissed({ ...boot, value: 500 })).to.equal(true);
    expect(isMissed(ratio)).to.equal(true);
    expect(isMissed({ ...ratio, value: 2 })).to.equal(false);
    expect(isMissed({ name: "size", value: 1e9, unit: "bytes" })).to.equal(false);
  });

  it("count what could not be measured as a broken promise", () => {
    expect(isMissed({ ...boot, value: NaN })).to.equal(true);
    expect(isMissed({ ...ratio, value: NaN })).to.equal(true);
  });

  it("say in one sentence what was promised and what came of it", () => {
    const results = new Map([["node", [boot, ratio]]]);
    expect(missed(results)).to.deep.equal(["node: twice as fast is 1.99 times, promised is >= 2"]);
    expect(promise({ ...boot, limit: 10_000 })).to.equal("< 10,000");
  });

  it("are a row each, with a column for each target and a gap where there is none", () => {
    const results = new Map([
      ["sim", [{ name: "heap", value: 123456, unit: "bytes" }]],
      ["qemu", [boot, { name: "heap", value: 99, unit: "bytes" }]],
    ]);
    expect(table(results).split("\n")).to.deep.equal([
      "          sim   qemu  unit   promised",
      "heap  123,456     99  bytes",
      "boot           480.0  ms     < 500",
    ]);
  });
});
