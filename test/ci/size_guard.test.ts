import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";

const limit = 4 * 1024 * 1024;

describe("ci/size_guard.sh", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "size-guard-"));
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  const guard = (size: number): { status: number | null; stderr: string } => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    truncateSync(file, size);
    return spawnSync("ci/size_guard.sh", [file], { encoding: "utf8" });
  };

  it("accepts a file one byte below 4 MiB", () => {
    expect(guard(limit - 1).status).to.equal(0);
  });

  it("refuses a file of 4 MiB and one byte more, with both numbers", () => {
    for (const size of [limit, limit + 1]) {
      const { status, stderr } = guard(size);
      expect(status).to.equal(1);
      expect(stderr).to.contain(`${size} bytes, not less than ${limit}`);
    }
  });

  it("refuses one large file among small ones", () => {
    const small = join(folder, "small");
    const large = join(folder, "large");
    writeFileSync(small, "");
    writeFileSync(large, "");
    truncateSync(large, limit);
    expect(spawnSync("ci/size_guard.sh", [large, small]).status).to.equal(1);
  });

  it("is an error of use without a file or with one that is not there", () => {
    expect(spawnSync("ci/size_guard.sh").status).to.equal(2);
    expect(spawnSync("ci/size_guard.sh", [join(folder, "none")]).status).to.equal(2);
  });
});
