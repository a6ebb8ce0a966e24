import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect } from "chai";

/** Folders that hold a file, tracked or about to be. */
function folders(): Set<string> {
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" });
  return new Set(files.trim().split("\n").map(dirname));
}

describe("docs/REPO_LAYOUT.md", () => {
  const page = readFileSync("docs/REPO_LAYOUT.md", "utf8");
  const listed = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map(([, path = ""]) => path);

  /** Every folder of the tree but the top and those that only mirror another. */
  const toList = (tree: ReadonlySet<string>): string[] =>
    [...tree].filter((path) => path !== "." && !(path.startsWith("test/") && tree.has(path.slice("test/".length))));

  it("lists every folder that holds something, and no other", function () {
    let tree: Set<string>;
    try {
      tree = folders();
    } catch {
      this.skip(); // an export without git
    }
    expect(listed).to.have.members(toList(tree));
  });

  it("lists none twice", () => {
    expect(new Set(listed).size).to.equal(listed.length);
  });
});
