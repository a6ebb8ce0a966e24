import { readdirSync } from "node:fs";
import { expect } from "chai";
import { deadLinks } from "../../scripts/lib/markdown-links.ts";
import { inRepository, repository } from "../../scripts/lib/repository.ts";

describe("documentation", () => {
  const pages = [
    "README.md",
    ...readdirSync(inRepository("docs"))
      .filter((name) => name.endsWith(".md"))
      .map((name) => `docs/${name}`),
  ];
  for (const page of pages) {
    it(`${page} has no dead links`, () => {
      expect(deadLinks(inRepository(page), repository)).to.deep.equal([]);
    });
  }
});
