import { expect } from "chai";
import { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { ImageWorkshop, needsQemu } from "./qemu-image.ts";

describe("workers on seL4", function () {
  needsQemu(this);

  it("live 64 at once, come and go 1,000 times and loop, while ticks come and nothing is lost", async () => {
    const workshop = new ImageWorkshop();
    try {
      const image = workshop.build(
        inRepository("test/integration/bundle/workers.ts"),
        inRepository("test/compliance/bundle/worker.ts"),
      );
      const hive = new HiveProcess(["--image", image, "--net", "none"]);
      try {
        await hive.expect(/halted: the workers are done\r?\n/, 100_000);
      } finally {
        expect(await hive.end(), hive.messages).to.equal(0);
      }
      const output = hive.output.replaceAll("\r", "");
      for (const [figure] of output.matchAll(/^# .*$/gm)) console.log(`    ${figure}`);
      expect(output.match(/^not ok .*$/gm) ?? []).to.deep.equal([]);
      expect(output).to.match(/^compliance: 5 passed, 0 failed, 0 skipped$/m);
    } finally {
      workshop.remove();
    }
  });
});
