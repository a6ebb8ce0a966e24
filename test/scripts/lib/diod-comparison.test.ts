import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { compareWithDiod, diodMissing } from "../../../scripts/lib/diod-comparison.ts";

describe("comparison with diod", () => {
  const parent = mkdtempSync(join(tmpdir(), "comparison-"));
  after(() => rmSync(parent, { recursive: true, force: true }));

  it("asks both servers for the same, says how many times as fast, and leaves nothing behind", async function () {
    if (diodMissing() !== undefined) this.skip();
    this.timeout(60_000);
    const figures = await compareWithDiod({ sliceMs: 10, turns: 1, parent });
    expect(figures.map(({ name }) => name)).to.include.members([
      "walk+open+read+clunk, 1 at once: NineDoor",
      "walk+open+read+clunk, 16 at once: times diod",
      "append, 1 at once: diod",
      "append, 16 at once: times diod",
    ]);
    for (const { name, value } of figures) expect(value, name).to.be.above(0);
    for (const { name, least } of figures)
      expect(least, name).to.equal(/16 at once: times diod$/.test(name) ? 2 : undefined);
    expect(readdirSync(parent)).to.deep.equal([]);
  });
});
