import { expect } from "chai";
import { loadHive } from "../../engine/sim/hive.ts";
import { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { manifestPath } from "../../scripts/lib/manifest.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { needsQemu } from "./qemu-image.ts";
import { comparableTranscript } from "./transcript.ts";

/** QEMU takes some 20 kB/s on its modelled UART, so the simulator takes the megabyte; `.ci/run` sets COHESIX_SOAK. */
const noiseBytes = process.env["COHESIX_SOAK"] === "1" ? 256 * 1024 : 64 * 1024;

describe("a hive on seL4 in QEMU", function () {
  needsQemu(this);

  /** The first session of a hive, the same on both engines. */
  const session = [
    { wait: /PONG 1\r?\n/, type: "help\r" },
    { wait: /OK HELP[^]*END\r?\n/, type: "bi\r" },
    { wait: /OK BOOTINFO[^]*END\r?\n/, type: "ping\r" },
    { wait: /OK PING reply=pong\r?\nPONG\r?\n/, type: "quit\r" },
    { wait: /tick 1\b.*\r?\n/, type: "" },
    { wait: /tick 2\b.*\r?\n/, type: "" },
  ];

  it("boots to the prompt, exchanges PING 1 and PONG 1 once, answers, ticks and ends cleanly; the simulator says the same", async () => {
    const hive = new HiveProcess(["--port", "none"]);
    try {
      for (const { wait, type } of session) {
        await hive.expect(wait, 30_000);
        hive.type(type);
      }
    } finally {
      expect(await hive.end(), hive.messages).to.equal(0);
    }
    for (const line of [/PING 1\r?\n/g, /PONG 1\r?\n/g])
      expect(hive.output.match(line), String(line)).to.have.length(1);

    const simulated = loadHive({ outDir: inRepository("out"), manifest: { file: manifestPath }, clock: "virtual" });
    for (const { wait, type } of session) {
      await simulated.terminal.expect(wait);
      simulated.terminal.type(type);
    }
    const end = /^\[time\] .*tick 2\b.*\n[^]*/m;
    expect(comparableTranscript(hive.output).replace(end, "")).to.equal(
      comparableTranscript(simulated.terminal.transcript).replace(end, ""),
    );
  });

  it(`answers at the prompt after ${noiseBytes} random bytes on the serial line`, async function () {
    this.timeout(300_000);
    // A fixed sequence (xorshift32), so that a failure can be looked at again. Ctrl-A belongs to QEMU's console.
    let state = 0x9e3779b9;
    const noise = new Uint8Array(noiseBytes).map(() => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      const byte = state & 0xff;
      return byte === 1 ? 2 : byte;
    });
    const hive = new HiveProcess(["--net", "none"]);
    try {
      await hive.expect(/PONG 1\r?\n/, 30_000);
      hive.type(noise);
      hive.type("\x03\rping\r");
      await hive.expect(/OK PING reply=pong\r?\nPONG\r?\n/, 280_000);
      expect(hive.output).not.to.match(/halted|uncaught|rebuilt/);
    } finally {
      expect(await hive.end(), hive.messages).to.equal(0);
    }
  });

  it("holds its heap to within 1 % from 1,000 to 6,000 console lines, and loses none", async () => {
    const hive = new HiveProcess(["--net", "none"]);
    const heapAfter = async (lines: number): Promise<number> => {
      hive.type("ping\r".repeat(lines));
      for (let line = 0; line < lines; line++) await hive.expect(/\nPONG\r?\n/, 60_000);
      hive.type("mem\r");
      return Number(/heap used=(\d+)/.exec(await hive.expect(/OK MEM[^]*END\r?\n/, 10_000))?.[1]);
    };
    try {
      await hive.expect(/PONG 1\r?\n/, 30_000);
      const early = await heapAfter(1000);
      const late = await heapAfter(5000);
      expect(early).to.be.greaterThan(100_000);
      expect(Math.abs(late - early) / early, `${early} bytes, then ${late}`).to.be.lessThan(0.01);
      expect(hive.output.match(/\nPONG\r?\n/g)).to.have.length(6000);
    } finally {
      expect(await hive.end(), hive.messages).to.equal(0);
    }
  });
});
