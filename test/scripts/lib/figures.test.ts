import { expect } from "chai";
import { beside, type Figure, isMissed, missed, promise, shown, table } from "../../../scripts/lib/figures.ts";

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

  it("have what upstream has beside them, and how many times ahead of its best they are", () => {
    const results = new Map([
      [
        "qemu",
        [
          beside("PING p50", 0.8, "ms", { from: 1.2, to: 1.9, better: "less" }),
          beside("logins", 75, "/s", { from: 150, to: 150, better: "more" }),
          boot,
        ],
      ],
    ]);
    expect(table(results).split("\n")).to.deep.equal([
      "           qemu  unit  promised  upstream      times ahead",
      "PING p50   0.80  ms              1.20 to 1.90  1.50",
      "logins       75  /s              150           0.50",
      "boot      480.0  ms    < 500",
    ]);
  });

  it("show milliseconds to a hundredth where that matters", () => {
    expect(shown({ ...boot, value: 2.567 })).to.equal("2.57");
    expect(shown({ ...boot, value: 31.04 })).to.equal("31.0");
  });
});
