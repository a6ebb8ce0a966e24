import { readFileSync } from "node:fs";
import { expect } from "chai";
import { manifestPath } from "../../scripts/lib/manifest.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { RANGES } from "../../services/config/manifest.ts";
import { REFUSALS } from "../../services/secure9p/refusal.ts";

const page = readFileSync(inRepository("docs", "INTERFACES.md"), "utf8");

/** Rows of the table between two marks, as cells, without its head. */
function rows(mark: string): string[][] {
  const [, table = ""] = new RegExp(`<!-- ${mark} -->\\n([^]*?)<!-- /${mark} -->`).exec(page) ?? [];
  const lines = table.trim().split("\n").slice(2);
  return lines.map((line) => line.slice(2, -2).split(" | "));
}

describe("docs/INTERFACES.md", () => {
  it("names every error that is sent, with its number, and no other", () => {
    const shown = rows("errors").map(([name = "", , errno = ""]) => `${name.replaceAll("`", "")} ${errno}`);
    expect(shown).to.have.members(REFUSALS.map(({ name, code, errno }) => `${name} ${code} ${errno}`));
  });

  it("states the manifest's limits as they are", () => {
    const manifest = JSON.parse(readFileSync(manifestPath, "utf8")) as Record<string, Record<string, number>>;
    for (const [what = "", value = "", at = ""] of rows("limits")) {
      const pointer = at.replaceAll("`", "");
      const [, section = "", field = ""] = pointer.split("/");
      expect(parseInt(value), what).to.equal(manifest[section]?.[field]);
      expect(RANGES, pointer).to.have.property(pointer);
    }
    expect(rows("limits")).to.have.length.greaterThan(10);
  });
});
