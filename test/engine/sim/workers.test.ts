/**
 * Workers in the simulator by themselves: what 64 of them cost the Node process, and that a thousand leave nothing. What
 * they do and how they end is held by the compliance suite.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createCredentials } from "../../../cohsh/tickets/credentials.ts";
import { ComponentTable } from "../../../engine/sim/components.ts";
import { bundleOf, workerImage } from "../../../engine/sim/components/worker.ts";
import { loadHive } from "../../../engine/sim/hive.ts";
import { inRepository } from "../../../scripts/lib/repository.ts";
import { buildVmBundle } from "../../../scripts/lib/vm-bundle.ts";

const MEBIBYTE = 1024 * 1024;
const FRAME_BYTES = 16384;
const manifest = inRepository("rootfs", "manifest.json");

describe("workers of the simulator", function () {
  this.timeout(120_000);
  let outDir: string;
  let source: string;
  let lines: Uint8Array;

  before(async () => {
    outDir = mkdtempSync(join(tmpdir(), "sim-workers-"));
    const entry = inRepository("test/integration/bundle/workers.ts");
    const worker = inRepository("test/compliance/bundle/worker.ts");
    await buildVmBundle({ entry, worker, manifest, out: join(outDir, "vm"), net: false });
    source = workerImage(readFileSync(join(outDir, "vm", "worker.js"), "utf8"));
    lines = readFileSync(join(outDir, "vm", "worker.lines"));
  });
  after(() => {
    rmSync(outDir, { recursive: true });
  });

  const start = (table: ComponentTable, mode = 0): number =>
    table.spawn(
      { image: "worker.elf", source, lines, arenaBytes: MEBIBYTE, args: [mode, 7, 0, 0] },
      { u8: new Uint8Array(FRAME_BYTES), at: 0 },
    );
  const newTable = (): ComponentTable => new ComponentTable(1024 * MEBIBYTE, () => undefined);

  it("are images that hold their bundle, and no other component is one", () => {
    expect(bundleOf(workerImage("code\n"))).to.equal("code\n");
    expect(bundleOf("// cohesix simulated component\nconst step = 0;")).to.equal(undefined);
  });

  it("are charged less than 1.5 MiB each, and 64 take less than 4 MiB of the process each", async () => {
    const table = newTable();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 64; i++) start(table);
    await table.settled();
    table.step();
    const each = (process.memoryUsage().rss - before) / 64;
    expect(table.live).to.equal(64);
    expect(table.used / 64).to.be.lessThan(1.5 * MEBIBYTE);
    const calls = Array.from({ length: 64 }, () => table.takeEvent()?.words.slice(0, 2).join());
    expect(new Set(calls)).to.deep.equal(new Set(["512,7"]));
    expect(each / MEBIBYTE).to.be.lessThan(4);
    table.destroyAll();
    expect([table.used, table.live]).to.deep.equal([0, 0]);
  });

  it("may be destroyed at any moment of their start", async () => {
    const table = newTable();
    for (let i = 0; i < 64; i++) table.destroy(start(table));
    await table.settled();
    expect([table.used, table.live, table.starting]).to.deep.equal([0, 0, 0]);
  });

  it("pass what workers on seL4 pass: 64 at once, 1,000 one after the other, ticks beside a loop", async () => {
    let log = "";
    const { machine } = loadHive({
      outDir,
      manifest: { file: manifest },
      credentials: JSON.stringify(createCredentials(randomBytes)),
      clock: "virtual",
      onLog: (text) => {
        log += text;
      },
    });
    await machine.runUntil(() => false, 600_000_000);
    expect(log.match(/^not ok .*$/gm) ?? []).to.deep.equal([]);
    expect(log).to.match(/^compliance: 5 passed, 0 failed, 0 skipped$/m);
  });
});
