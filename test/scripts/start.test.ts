import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { kernelPrefix } from "../../scripts/lib/kernel-config.ts";
import { qemuMissing } from "../../scripts/lib/qemu-available.ts";
import { processRuns } from "../../scripts/lib/qmp.ts";
import { inRepository } from "../../scripts/lib/repository.ts";

describe("npm start in QEMU", function () {
  this.timeout(120_000);
  let folder: string;
  before(function () {
    folder = mkdtempSync(join(tmpdir(), "start-test-"));
    const missing = qemuMissing(kernelPrefix(undefined));
    if (missing !== undefined) {
      console.error(`SKIPPED: npm start in QEMU: ${missing}`);
      this.skip();
    }
  });
  after(() => rmSync(folder, { recursive: true }));

  /** Starts it with a stand-in for QEMU, ends it by a signal and waits until QEMU is gone or will not go. */
  const endedBy = async (signal: NodeJS.Signals, command: string, ...args: string[]): Promise<boolean> => {
    const note = join(folder, "note");
    writeFileSync(note, "");
    const words = ["--target", "qemu", "--port", "none", "--exit-after", "100"];
    const child = spawn(command, [...args, ...words], {
      cwd: inRepository(),
      env: { ...process.env, QEMU: inRepository("test/scripts/fake-qemu.mjs"), FAKE_QEMU_NOTE: note },
      stdio: ["ignore", "pipe", "ignore"],
    });
    let shown = "";
    await new Promise<void>((seen) => {
      child.stdout.on("data", (bytes: Buffer) => {
        shown += bytes.toString("utf8");
        if (shown.includes("cohesix> ")) seen();
      });
      child.once("exit", () => seen());
    });
    expect(shown).to.contain("cohesix> ");
    const pid = Number(/"pid":(\d+)/.exec(readFileSync(note, "utf8"))?.[1]);
    expect(processRuns(pid)).to.equal(true);
    child.kill(signal);
    for (let tries = 0; processRuns(pid) && tries < 100; tries++) await delay(50);
    const gone = !processRuns(pid);
    if (!gone) process.kill(pid, "SIGKILL");
    return gone;
  };

  it("leaves no QEMU behind when npm is told to end", async () => {
    expect(await endedBy("SIGTERM", "npm", "start", "--silent", "--")).to.equal(true);
  });

  it("leaves no QEMU behind when it is killed", async () => {
    const tool = ["--import", "tsx", inRepository("scripts", "start.ts")];
    expect(await endedBy("SIGKILL", process.execPath, ...tool)).to.equal(true);
  });
});
