import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { manifestPath } from "../../../scripts/lib/manifest.ts";
import { inRepository } from "../../../scripts/lib/repository.ts";
import { bothVariants, describeVariants } from "../../../scripts/lib/variants.ts";

describe("a hive's two sizes", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "variants-"));
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  it("are those of the bundle with the network and without it", async function () {
    this.timeout(60_000);
    const entry = inRepository("services", "main.ts");
    const [whole, small] = await bothVariants({ entry, manifest: manifestPath, out: folder });
    expect(whole).to.have.all.keys("bundle");
    expect(small.bundle).to.be.within(100_000, whole.bundle - 200_000);
  });

  it("are told in a line each, as far as they are known", () => {
    const whole = { bundle: 3000, bytecode: 2000, archive: 1_234_567 };
    expect(describeVariants([whole, { bundle: 1000 }])).to.equal(
      "with the network: bundle 3,000 bytes, bytecode 2,000 bytes, rootfs.cpio 1,234,567 bytes\n" +
        "without it (--no-net): bundle 1,000 bytes",
    );
  });
});
