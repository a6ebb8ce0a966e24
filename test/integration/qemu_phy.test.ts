/**
 * The devices as QEMU has them, on seL4: what the simulator's models only claim.
 */
import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { QmpSession } from "../../scripts/lib/qmp.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { hiveImage, needsQemu } from "./qemu-image.ts";

const patienceMs = 60_000;

interface Started {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  readonly end: () => Promise<void>;
}

describe("virtio devices on seL4 in QEMU", function () {
  needsQemu(this);
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), "qemu-phy-"))));
  after(() => rmSync(folder, { recursive: true }));

  /** QEMU itself, without the script around it, so that its monitor and what is read of it are the test's. */
  const start = (words: readonly string[], more: readonly string[] = []): Started => {
    const [command = "", ...args] = execFileSync(
      inRepository("scripts", "qemu-run.sh"),
      ["--image", hiveImage, ...words, "--print-command"],
      { encoding: "utf8" },
    )
      .trimEnd()
      .split("\n");
    const child = spawn(command, [...args, ...more], { stdio: ["pipe", "pipe", "ignore"] });
    const gone = new Promise((settle) => child.once("close", settle));
    const kill = (): void => void child.kill("SIGKILL");
    process.once("exit", kill);
    const end = async (): Promise<void> => {
      kill();
      child.stdout.resume();
      await gone;
      process.off("exit", kill);
    };
    return { child, end };
  };

  it("sees its link go down and come up by QMP's set_link, says so each time and works on", async () => {
    const monitor = join(folder, "monitor");
    const qmp = ["-chardev", `socket,id=qmp,path=${monitor},server=on,wait=off`, "-mon", "chardev=qmp,mode=control"];
    const { child, end } = start(["--port", "none"], qmp);
    let output = "";
    let changed: (() => void) | undefined;
    child.stdout.on("data", (bytes: Buffer) => {
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
      child.stdin.write("netstats\r");
      await seen(/link up mtu=1500 changes=7\r\n[^]*device_errors=0 resets=0 [^]*END\r\n/);
    } finally {
      await end();
    }
  });

  // QEMU drops what a virtconsole prints while its host end is full (hw/char/virtio-console.c), so answers may be lost.
  it("ticks on while nobody reads the virtio console, and answers when somebody does", async () => {
    const log = join(folder, "unread.log");
    const { child, end } = start(["--console", "virtio", "--net", "none", "--log", log]);
    const printed = (): string => (existsSync(log) ? readFileSync(log, "utf8") : "");
    try {
      child.stdin.write("help\r".repeat(1000));
      for (let tries = 0; !printed().includes("pump: tick 2\r\n") && tries < 600; tries++) await delay(100);
      expect(printed()).to.contain("pump: tick 2\r\n");
      let output = "";
      child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString("utf8")));
      child.stdin.write("\x03");
      for (let tries = 0; !output.includes("\nPONG\r\n") && tries < 600; tries++) {
        // What is answered before all that was held back has been read may be lost as well.
        if (tries % 10 === 0) child.stdin.write("ping\r");
        await delay(100);
      }
      expect(output).to.contain("\nPONG\r\n");
      expect(printed()).to.not.match(/was reset|halted|rebuilt/);
    } finally {
      await end();
    }
  });

  it("takes what is pasted into QEMU's terminal of its virtio console, each line once and in order", async () => {
    const { child, end } = start(["--console", "virtio", "--net", "none"]);
    try {
      let output = "";
      child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString("utf8")));
      const seen = async (text: string): Promise<void> => {
        for (let tries = 0; !output.includes(text) && tries < 600; tries++) await delay(100);
        expect(output).to.contain(text);
      };
      await seen("PONG 1\r\n");
      const lines = Array.from({ length: 4000 }, (_, i) => `line-${i}`);
      child.stdin.write([...lines, "ping", ""].join("\r"));
      await seen("\nPONG\r\n");
      expect(output.match(/(?<=^cohesix> )line-.*(?=\r\n)/gm)).to.deep.equal(lines);
      expect(output.match(/^ERR PARSE reason=policy detail=unsupported console command\r$/gm)).to.have.length(4000);
    } finally {
      await end();
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
