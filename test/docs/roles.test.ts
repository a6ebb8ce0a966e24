import { readFileSync } from "node:fs";
import { expect } from "chai";
import { inRepository } from "../../scripts/lib/repository.ts";
import { BUDGET_FIELDS, DEFAULT_BUDGETS } from "../../services/roles/budget.ts";
import { TABLE } from "../../services/roles/policy.ts";

const page = readFileSync(inRepository("docs", "ROLES_AND_SCHEDULING.md"), "utf8");

describe("docs/ROLES_AND_SCHEDULING.md", () => {
  it("shows the very table that the hive decides by", () => {
    const shown = /<!-- policy -->\n```text\n([^]*?)```\n<!-- \/policy -->/.exec(page)?.[1];
    expect(shown?.trim()).to.equal(TABLE.trim());
  });

  it("states the default budgets", () => {
    for (const [name, field] of Object.entries(BUDGET_FIELDS) as [keyof typeof BUDGET_FIELDS, string][]) {
      const row = new RegExp(`^\\| \`${field}\` \\| [^|]+ \\| ([\\d,]+) \\| ([\\d,]+) \\|$`, "m").exec(page);
      expect(
        row?.slice(1).map((text) => Number(text.replaceAll(",", ""))),
        field,
      ).to.deep.equal([DEFAULT_BUDGETS["worker-heartbeat"][name], DEFAULT_BUDGETS["worker-gpu"][name]]);
    }
  });
});
