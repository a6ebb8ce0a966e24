import { readFileSync } from "node:fs";
import { expect } from "chai";
import { kernelOptions } from "../../scripts/lib/kernel-config.ts";

describe("docs/KERNEL.md", () => {
  it("lists exactly the options that the image build checks", () => {
    const section =
      readFileSync("docs/KERNEL.md", "utf8").split("## What its configuration must be")[1]?.split("\n## ")[0] ?? "";
    const rows = [...section.matchAll(/^\| `([A-Za-z0-9_]+)` \| `([^`]+)`( or more)? \|/gm)];
    expect(rows.map(([, option, value, more = ""]) => `${option ?? ""}=${value ?? ""}${more}`)).to.have.members(
      kernelOptions(),
    );
  });
});
