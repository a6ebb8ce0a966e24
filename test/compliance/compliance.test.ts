/**
 * Runs the compliance suite against the simulator, once in virtual and once in real time, and shows each of its lines as
 * a test. The same bundle boots in QEMU with `npm run image -- --bundle test/compliance/bundle/main.ts
 * --worker test/compliance/bundle/worker.ts`.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createCredentials } from "../../cohsh/tickets/credentials.ts";
import { loadHive } from "../../engine/sim/hive.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { buildVmBundle } from "../../scripts/lib/vm-bundle.ts";

const MANIFEST = inRepository("rootfs", "manifest.json");
const LIMIT_US = 120_000_000;

interface Line {
  readonly passed: boolean;
  readonly name: string;
  readonly reason: string | undefined;
  readonly skip: string | undefined;
}

interface Report {
  readonly transcript: string;
  readonly haltReason: string | undefined;
  readonly lines: readonly Line[];
}

async function runSuite(outDir: string, clock: "real" | "virtual"): Promise<Report> {
  let transcript = "";
  const { machine } = loadHive({
    outDir,
    manifest: { file: MANIFEST },
    credentials: JSON.stringify(createCredentials(randomBytes)),
    clock,
    onLog: (text) => {
      transcript += text;
    },
  });
  await machine.runUntil(() => false, machine.nowUs() + LIMIT_US);
  const lines = [...transcript.matchAll(/^(not )?ok \d+ - (.*)$/gm)].map((match): Line => {
    const [, not, text = ""] = match;
    const skip = / # SKIP (.*)$/.exec(text);
    return {
      passed: not === undefined,
      name: text.replace(/ # SKIP .*$/, ""),
      reason: not === undefined ? undefined : text,
      skip: skip?.[1],
    };
  });
  return { transcript, haltReason: machine.haltReason, lines };
}

async function buildSuite(): Promise<{ outDir: string; reports: Record<"virtual" | "real", Report> }> {
  const outDir = mkdtempSync(join(tmpdir(), "cohesix-compliance-"));
  const entry = inRepository("test", "compliance", "bundle", "main.ts");
  const worker = inRepository("test", "compliance", "bundle", "worker.ts");
  await buildVmBundle({ entry, worker, manifest: MANIFEST, out: join(outDir, "vm"), net: true });
  const reports = { virtual: await runSuite(outDir, "virtual"), real: await runSuite(outDir, "real") };
  return { outDir, reports };
}

// Mocha wants the tests' names before it runs any, so the suite runs while this file loads.
const { outDir, reports } = await buildSuite();
rmSync(outDir, { recursive: true });

for (const [clock, report] of Object.entries(reports)) {
  describe(`compliance of the simulator in ${clock} time`, () => {
    for (const { name, passed, reason, skip } of report.lines) {
      const title = skip === undefined ? name : `${name} (${skip})`;
      it(title, function () {
        if (skip !== undefined) this.skip();
        expect(passed, reason).to.equal(true);
      });
    }

    it("ends with a summary that agrees with its lines, and halts the machine", () => {
      const count = (keep: (line: Line) => boolean): number => report.lines.filter(keep).length;
      const passed = count((line) => line.passed && line.skip === undefined);
      const failed = count((line) => !line.passed);
      const skipped = count((line) => line.skip !== undefined);
      expect(report.transcript).to.include(
        `compliance: ${String(passed)} passed, ${String(failed)} failed, ${String(skipped)} skipped\n`,
      );
      expect(passed).to.be.greaterThan(80);
      expect(report.haltReason).to.equal("the compliance suite is done");
      expect(report.transcript).to.match(/cohesix: halted: the compliance suite is done\n$/);
    });

    it("names exceptions that nobody caught with their TypeScript positions", () => {
      expect(report.transcript).to.match(
        /engine: uncaught: RangeError: the first life ends here on purpose\n {4}at failOnPurpose \(test\/compliance\/bundle\/lives\.ts:\d+\)/,
      );
    });

    it("says who held what when memory ran out", () => {
      const found = /engine: out of memory: \d+ of (\d+) bytes in \d+ blocks in use, (\d+) at most\n/.exec(
        report.transcript,
      );
      expect(Number(found?.[2])).to.be.within(0.95 * Number(found?.[1]), Number(found?.[1]));
      for (const kind of ["strings", "objects", "functions", "buffers, arrays"]) {
        expect(report.transcript).to.match(new RegExp(`^engine: {3}${kind} .*bytes$`, "m"));
      }
    });

    it("cuts a long text for the debug console at 4096 bytes, before a character", () => {
      const line = /^# text é+$/m.exec(report.transcript)?.[0] ?? "";
      expect(Buffer.byteLength(line)).to.equal(4095);
    });
  });
}
