/**
 * The devices as QEMU has them, on seL4: what the simulator's models only claim.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { QmpSession } from "../../scripts/lib/qmp.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { hiveImage, needsQemu } from "./qemu-image.ts";

const patienceMs = 60_000;

describe("virtio devices on seL4 in QEMU", function () {
  needsQemu(this);
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), "qemu-phy-"))));
  after(() => rmSync(folder, { recursive: true }));

  it("sees its link go down and come up by QMP's set_link, says so each time and works on", async () => {
    const monitor = join(folder, "monitor");
    const [command = "", ...words] = execFileSync(
      inRepository("scripts", "qemu-run.sh"),
      ["--image", hiveImage, "--port", "none", "--print-command"],
      { encoding: "utf8" },
    )
      .trimEnd()
      .split("\n");
    const qmp = ["-chardev", `socket,id=qmp,path=${monitor},server=on,wait=off`, "-mon", "chardev=qmp,mode=control"];
    const child: ChildProcess = spawn(command, [...words, ...qmp], { stdio: ["pipe", "pipe", "ignore"] });
    const gone = new Promise((settle) => child.once("close", settle));
    const kill = (): void => void child.kill("SIGKILL");
    process.once("exit", kill);
    let output = "";
    let changed: (() => void) | undefined;
    child.stdout?.on("data", (bytes: Buffer) => {
      output += bytes.toString("utf8");
      changed?.();
    });
    const seen = async (pattern: RegExp): Promise<void> => {
      const late = setTimeout(() => changed?.(), patienceMs);
      const deadline = performance.now() + patienceMs;
      while (!pattern.test(output) && performance.now() < deadline) {
        await new Promise<void>((settle) => (changed = settle));
      }
      clearTimeout(late);
      expect(output).to.match(pattern);
    };
    try {
      await seen(/net: 10\.0\.2\.15\/24 gateway 10\.0\.2\.2, link up\r\n[^]*PONG 1\r\n/);
      const session = await QmpSession.open(monitor, child.pid ?? 0, patienceMs);
      try {
        for (let round = 1; round <= 3; round++) {
          await session.execute("set_link", { name: "net0", up: false });
          await seen(new RegExp(`(?:net: link down\\r\\n[^]*){${round}}`));
          await session.execute("set_link", { name: "net0", up: true });
          await seen(new RegExp(`(?:net: link up\\r\\n[^]*){${round}}`));
        }
      } finally {
        session.close();
      }
      child.stdin?.write("netstats\r");
      await seen(/link up mtu=1500 changes=7\r\n[^]*deviceErrors=0 resets=0 [^]*END\r\n/);
    } finally {
      kill();
      await gone;
      process.off("exit", kill);
    }
  });

  it("has its console on the virtio console, and its log on the UART as well", async () => {
    const log = join(folder, "uart.log");
    const hive = new HiveProcess(["--console", "virtio", "--net", "none", "--log", log]);
    try {
      await hive.expect(/PONG 1\r?\n/, patienceMs);
      hive.type("bi\r");
      await hive.expect(/device console virtio_mmio@a003c00 irq 78\r\n[^]*END\r\n/, patienceMs);
      hive.type("ping\r".repeat(500));
      for (let i = 0; i < 500; i++) await hive.expect(/\nPONG\r\n/, patienceMs);
    } finally {
      expect(await hive.end(), hive.messages).to.equal(0);
    }
    const uart = readFileSync(log, "utf8");
    expect(uart).to.match(/^[^]*pump: init virtio-console\r\n[^]*pong: PONG 1\r\n/);
    expect(uart).to.not.match(/cohesix> |OK PING/);
  });
});
