import { readFileSync } from "node:fs";
import { expect } from "chai";
import { inRepository } from "../../scripts/lib/repository.ts";
import { ENDS } from "../../services/console/door/counters.ts";
import { SCHEDULE } from "../../services/pump/schedule.ts";

const page = readFileSync(inRepository("docs", "ARCHITECTURE.md"), "utf8");

/** Text of a section, its heading left out. */
function section(heading: string): string {
  const at = page.indexOf(`\n${heading}\n`);
  expect(at, heading).to.be.at.least(0);
  const from = at + heading.length + 2;
  const end = page.slice(from).search(/^##+ /m);
  return end < 0 ? page.slice(from) : page.slice(from, from + end);
}

describe("docs/ARCHITECTURE.md", () => {
  it("shows the stages of a turn in their order, with their budgets", () => {
    const shown = [...section("## The turn").matchAll(/^ +[┌│] *[─ ]? *([a-z]+(?:-[a-z]+)?) +(\d+) (\w+) /gm)];
    expect(shown.map(([, name, budget, unit]) => [name, Number(budget), unit])).to.deep.equal(
      SCHEDULE.map(({ name, budget, unit }) => [name, budget, unit]),
    );
  });

  it("shows the worked example as its test runs it", () => {
    const test = readFileSync(inRepository("test", "services", "pump", "adding-a-source.test.ts"), "utf8");
    for (const name of ["port", "source"]) {
      const code = new RegExp(`// example: ${name}\\n([^]*?)// end\\n`).exec(test)?.[1];
      const indented = new RegExp(`<!-- example ${name} -->\\n +\`\`\`ts\\n([^]*?) +\`\`\`\\n`).exec(page)?.[1];
      expect(indented?.replace(/^ {3}/gm, ""), name).to.equal(code).and.not.equal(undefined);
    }
  });

  it("names every way in which a connection of the door ends", () => {
    const text = section("### The door");
    for (const end of ENDS) expect(text, end).to.match(new RegExp(`\\b${end}\\b`));
  });
});
