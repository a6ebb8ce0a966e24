import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import { kernelPrefix } from "../../scripts/lib/kernel-config.ts";
import { qemuMissing } from "../../scripts/lib/qemu-available.ts";
import { processRuns } from "../../scripts/lib/qmp.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import { START } from "./host-tools.ts";
import { ConsoleWire } from "../integration/console-wire.ts";

describe("npm start in the simulator", function () {
  this.timeout(60_000);

  /** Starts it with a pipe as its terminal. */
  const started = (...words: string[]): { child: ChildProcess; said: () => string; ended: Promise<number | null> } => {
    const tool = [START, "--target", "sim"];
    const child = spawn(process.execPath, [...tool, ...words], { cwd: inRepository() });
    let said = "";
    child.stderr.on("data", (bytes: Buffer) => (said += bytes.toString("utf8")));
    child.stdout.resume();
    return { child, said: () => said, ended: new Promise((settle) => child.once("close", settle)) };
  };

  it("has its console at a port of the host, says which, and gives it back at the end", async () => {
    const { child, said, ended } = started("--port", "0");
    try {
      let port = 0;
      while (port === 0) {
        await delay(20);
        expect(child.exitCode, said()).to.equal(null);
        port = Number(
          /^start: attach with: cohsh --transport tcp --host 127\.0\.0\.1 --port (\d+)$/m.exec(said())?.[1] ?? 0,
        );
      }
      const { token } = readCredentials(readFileSync(credentialsPath, "utf8"));
      const wire = await ConsoleWire.open(port);
      wire.send(`AUTH ${token}`, "PING");
      expect(await wire.line()).to.equal("OK AUTH");
      expect(await wire.lines(2)).to.deep.equal(["OK PING reply=pong", "PONG"]);

      const second = started("--port", String(port));
      expect(await second.ended).to.equal(2);
      expect(second.said()).to.contain(`start: port ${port} on 127.0.0.1 is in use by another program: give another`);

      child.stdin?.end();
      expect(await ended).to.equal(0);
      expect(await wire.line()).to.equal(undefined);
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("goes without a port where none is wanted", async () => {
    const { said, ended } = started("--port", "none", "--expect", "PONG 1");
    expect(await ended).to.equal(0);
    expect(said()).to.equal("start: in the simulator\n");
  });
});

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

  it("says where it is, and nothing more when it ends", () => {
    const words = ["--target", "qemu", "--port", "none", "--expect", "cohesix> "];
    const { status, stderr } = spawnSync(process.execPath, [START, ...words], {
      cwd: inRepository(),
      env: { ...process.env, QEMU: inRepository("test/scripts/fake-qemu.mjs"), FAKE_QEMU_NOTE: join(folder, "note") },
      encoding: "utf8",
    });
    expect(status).to.equal(0);
    expect(stderr).to.match(/^start: on seL4 in QEMU, kernel of \S+\n$/);
  });

  it("leaves no QEMU behind when npm is told to end", async () => {
    expect(await endedBy("SIGTERM", "npm", "start", "--silent", "--")).to.equal(true);
  });

  it("leaves no QEMU behind when it is killed", async () => {
    const tool = [START];
    expect(await endedBy("SIGKILL", process.execPath, ...tool)).to.equal(true);
  });
});
