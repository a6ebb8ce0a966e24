import { expect } from "chai";
import { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { ImageWorkshop, needsQemu } from "./qemu-image.ts";

describe("compliance of the engine on seL4", function () {
  needsQemu(this);

  it("passes the suite that the simulator passes, and skips nothing for want of a device", async () => {
    const workshop = new ImageWorkshop();
    try {
      const bundle = inRepository("test/compliance/bundle");
      const image = workshop.build(`${bundle}/main.ts`, `${bundle}/worker.ts`);
      const hive = new HiveProcess(["--image", image, "--port", "none"]);
      try {
        await hive.expect(/halted: the compliance suite is done\r?\n/, 100_000);
      } finally {
        expect(await hive.end(), hive.messages).to.equal(0);
      }
      const output = hive.output.replaceAll("\r", "");
      expect(output.match(/^not ok .*$/gm) ?? []).to.deep.equal([]);
      const sum = /^compliance: (\d+) passed, 0 failed, (\d+) skipped$/m.exec(output);
      expect(sum, output.slice(-500)).not.to.equal(null);
      expect(Number(sum?.[1])).to.be.greaterThan(95);
      expect(output.match(/^ok .* # SKIP .*(virtio|device|network).*$/gm) ?? []).to.deep.equal([]);
    } finally {
      workshop.remove();
    }
  });
});
