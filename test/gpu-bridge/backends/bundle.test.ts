import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { bundleHostTool } from "../../../scripts/lib/host-tool.ts";

describe("backends in a bundle as `npm run build` makes them", function () {
  this.timeout(30_000);
  // Nothing that npm installs is there.
  const folder = mkdtempSync(join(tmpdir(), "gpu-bundle-"));
  const program = join(folder, "run-task.mjs");

  before(async () => {
    writeFileSync(program, await bundleHostTool("test/gpu-bridge/backends/run-task.ts", program));
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [program, ...args], { cwd: folder, encoding: "utf8", timeout: 20_000 });

  for (const backend of ["cpu", "mock"]) {
    it(`${backend} computes, and lets the process end`, () => {
      const { status, stdout, stderr } = run(backend);
      expect(stderr).to.equal("");
      expect(stdout).to.equal("19 22 43 50\n");
      expect(status).to.equal(0);
    });
  }

  it("nvml says in a sentence that koffi is not installed", () => {
    const { status, stderr } = run("nvml");
    expect(stderr).to.match(
      /^koffi, which NVML and CUDA are reached through, cannot be loaded: Cannot find package 'koffi'[^\n]*\n$/,
    );
    expect(status).to.equal(2);
  });
});
