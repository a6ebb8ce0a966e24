import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { anchorsOf, deadLinks, linksOf } from "../../../scripts/lib/markdown-links.ts";

describe("Markdown links", () => {
  it("finds inline and reference links with their lines, not those in code", () => {
    const text =
      'A [b](c.md) and\n[d](<e f.md> "t").\n\n```\n[no](no.md)\n```\n`[no](no.md)`\n[ref]: g.md\n![i](h.png)';
    expect(linksOf(text.replace("e f", "e%20f"))).to.have.deep.members([
      { target: "c.md", line: 1 },
      { target: "e%20f.md", line: 2 },
      { target: "h.png", line: 9 },
      { target: "g.md", line: 8 },
    ]);
  });

  it("makes anchors of headings as GitHub does", () => {
    const text = "# What `bi` says\n## A, b: c!\n## Twice\n## Twice\n```\n# no\n```\n";
    expect([...anchorsOf(text)]).to.deep.equal(["what-bi-says", "a-b-c", "twice", "twice-1"]);
  });

  describe("of a page", () => {
    let top: string;
    const dead = (text: string): string[] => {
      writeFileSync(join(top, "docs", "page.md"), text);
      return deadLinks(join(top, "docs", "page.md"), top);
    };
    before(() => {
      top = mkdtempSync(join(tmpdir(), "links-"));
      mkdirSync(join(top, "docs"));
      writeFileSync(join(top, "README.md"), "# Title\n");
    });
    after(() => {
      rmSync(top, { recursive: true });
    });

    it("may lead to files, folders, headings and the web", () => {
      const text = "# Here\n[a](../README.md) [b](../README.md#title) [c](#here) [d](.) [e](https://example.org/x)";
      expect(dead(text)).to.deep.equal([]);
    });

    it("are dead without the file or the heading, or outside the repository, each in one sentence", () => {
      expect(dead("[a](none.md)\n[b](../README.md#none) [c](#none)\n[d](../../x)")).to.deep.equal([
        "docs/page.md:1: none.md leads to nothing.",
        "docs/page.md:2: ../README.md has no heading #none.",
        "docs/page.md:2: docs/page.md has no heading #none.",
        "docs/page.md:3: ../../x leads out of the repository.",
      ]);
    });
  });
});
