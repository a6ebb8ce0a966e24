import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { kernelPrefix } from "../../scripts/lib/kernel-config.ts";
import { manifestPath } from "../../scripts/lib/manifest.ts";
import { qemuMissing } from "../../scripts/lib/qemu-available.ts";

/** `npm run image` with these options. */
function image(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["--import", "tsx", "scripts/image.ts", ...words], {
    encoding: "utf8",
    timeout: 100_000,
  });
}

describe("npm run image", function () {
  this.timeout(120_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "image-test-"));
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  it("refuses a prefix that is none, before it builds anything", () => {
    const out = join(folder, "out");
    const { status, stderr } = image("--sel4", folder, "--out", out);
    expect(status).to.equal(1);
    expect(stderr).to.contain(`image: ${folder} is no seL4 install prefix, bin/kernel.elf is missing`);
    expect(existsSync(out)).to.equal(false);
  });

  describe("with a kernel", () => {
    const prefix = kernelPrefix(undefined);
    before(function () {
      const missing = qemuMissing(prefix);
      if (missing !== undefined) {
        console.error(`SKIPPED: npm run image with a kernel: ${missing}`);
        this.skip();
      }
    });

    /** A copy of the prefix's configuration with one value changed; the rest is never reached. */
    const variant = (name: string, change: (config: Record<string, unknown>) => void): string => {
      const copy = join(folder, name);
      cpSync(prefix, copy, { recursive: true });
      const file = join(copy, "libsel4/include/kernel/gen_config.json");
      const config = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
      change(config);
      writeFileSync(file, JSON.stringify(config));
      return copy;
    };

    it("refuses another platform's kernel and one without the timer by the options' names", () => {
      const wrong = variant("wrong", (config) => {
        config["PLAT"] = "zynqmp";
        config["EXPORT_PTMR_USER"] = false;
      });
      const { status, stderr } = image("--sel4", wrong);
      expect(status).to.equal(1);
      expect(stderr).to.contain("without KernelPlatform=qemu-arm-virt (zynqmp)");
      expect(stderr).to.contain("without KernelArmExportPTMRUser=ON (EXPORT_PTMR_USER is OFF)");
    });

    it("refuses a manifest with mistakes, one sentence each", () => {
      const file = join(folder, "manifest.json");
      const manifest = JSON.parse(readFileSync(manifestPath, "utf8")) as Record<string, Record<string, unknown>>;
      delete manifest["tick"];
      manifest["surprise"] = {};
      writeFileSync(file, JSON.stringify(manifest));
      const { status, stderr } = image("--manifest", file, "--out", join(folder, "out"));
      expect(status).to.equal(1);
      expect(stderr.trim().split("\n")).to.have.members([
        `image: ${file}: /tick is missing.`,
        `image: ${file}: /surprise is no field of the manifest.`,
      ]);
    });

    it("warns of a 2 ms tick and goes on", () => {
      const out = join(folder, "tick");
      const fast = variant("fast", (config) => (config["TIMER_TICK_MS"] = "2"));
      const { status, stderr } = image("--sel4", fast, "--manifest", join(folder, "none.json"), "--out", out);
      expect(stderr).to.contain("image: warning: KernelTimerTickMS is 2: an idle hive takes 4 to 5 %");
      expect(stderr).to.contain("none.json"); // it went on to the manifest, which is not there
      expect(status).to.equal(1);
    });

    it("builds nothing again when nothing changed", () => {
      const out = join(folder, "same");
      expect(image("--out", out).status).to.equal(0);
      const first = readFileSync(join(out, "hive.elf"));
      const { status, stdout } = image("--out", out, "--verbose");
      expect(status).to.equal(0);
      expect(stdout.match(/no work to do/g)).to.have.length(4);
      expect(readFileSync(join(out, "hive.elf")).equals(first)).to.equal(true);
      for (const file of ["hive.elf", "rootfs.cpio"])
        expect(statSync(join(out, file)).mode & 0o777, file).to.equal(0o600);
    });
  });
});
