import { expect } from "chai";
import type { VmBundle } from "../../../scripts/lib/vm-bundle.ts";
import { bundle, Hive, type HiveSetup, manifestWith, PROMPT } from "./hive.ts";

/** Pseudo-random bytes (xorshift32), the same in every run. */
function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

const count = (text: string, what: string): number => text.split(what).length - 1;

describe("hive", () => {
  let built: VmBundle;
  before(async function () {
    this.timeout(60_000);
    built = await bundle();
  });

  async function booted(setup?: HiveSetup): Promise<Hive> {
    const hive = new Hive(built, setup);
    await hive.boot();
    return hive;
  }

  it("boots: banner, an audit line per subsystem in order, prompt, PING 1 and PONG 1 once", async () => {
    const hive = await booted();
    await hive.machine.runFor(60_000_000);
    const { transcript } = hive.terminal;
    expect(transcript).to.match(/^Cohesix \d+\.\d+\.\d+ \([0-9a-f]{7,}(-dirty)?\) on simulator, qemu-arm-virt\r\n/);
    expect(transcript).to.match(/\r\nimage [0-9a-f]{16}, QuickJS \d{4}-\d\d-\d\d\r\n/);
    expect([...transcript.matchAll(/\[ +\d+\.\d{6}\] pump: init (\w+)\r\n/g)].map(([, name]) => name)).to.deep.equal([
      "serial",
      "rtc",
      "virtio",
      "rng",
      "net",
      "door",
      "ninedoor",
      "tick",
      "console",
      "components",
    ]);
    expect(transcript).to.match(/\] rtc: wall time 2026-01-01T00:00:00\.000Z\r\n/);
    expect(transcript).to.match(/\] net: 10\.0\.2\.15\/24 gateway 10\.0\.2\.2, link up\r\n/);
    expect(count(transcript, "pong: PING 1\r\n")).to.equal(1);
    expect(count(transcript, "pong: PONG 1\r\n")).to.equal(1);
    expect(transcript.indexOf("PING 1")).to.be.lessThan(transcript.indexOf("PONG 1"));
    expect(transcript).to.not.contain("failed");
    expect(hive.machine.haltReason).to.equal(undefined);
  });

  it("answers what is typed", async () => {
    const hive = await booted();
    expect(await hive.ask("ping")).to.deep.equal(["ping", "OK PING reply=pong", "PONG"]);
    const help = await hive.ask("help");
    expect(help[1]).to.equal("OK HELP");
    expect(help.at(-1)).to.equal("END");
    const bi = await hive.ask("bi");
    expect(bi[1]).to.equal("OK BOOTINFO");
    expect(bi).to.include("kernel simulator");
    expect(bi).to.include("ram 1024 MiB");
    expect(bi).to.include("device serial pl011@9000000 irq 33");
    expect(bi).to.include("device net virtio_mmio@a003e00 irq 79 mac 52:54:00:12:34:56");
    expect((await hive.ask("caps"))[1]).to.equal("OK CAPS");
    expect((await hive.ask("mem"))[2]).to.match(/^heap used=\d+ peak=\d+ limit=16777216 blocks=\d+$/);
    expect((await hive.ask("netstats"))[2]).to.equal("link up mtu=1500 changes=1");
    const ps = await hive.ask("ps");
    expect(ps).to.include("job boot done runs=7 restarts=0 longest_us=0");
    expect(ps.find((row) => row.startsWith("component 0 pong calling calls=3 refused=0"))).to.not.equal(undefined);
    expect((await hive.ask("quit"))[1]).to.match(/^OK QUIT .*Ctrl-A/);
  });

  it("has no turn while nothing happens", async () => {
    const hive = await booted({ manifest: manifestWith({ tick: { period_s: 0 } }) });
    // The last timer that bring-up set looks after pong at 5 s.
    await hive.machine.runFor(6_000_000);
    const { turns } = hive.machine;
    await hive.machine.runFor(3_600_000_000);
    expect(hive.machine.turns).to.equal(turns);
    expect(await hive.ask("ping")).to.include("PONG");
  });

  it("shows its tick at the manifest's period, above the line that is being typed", async () => {
    const hive = await booted({ manifest: manifestWith({ tick: { period_s: 2 } }) });
    hive.terminal.type("pi");
    await hive.machine.runFor(6_500_000);
    hive.terminal.type("ng\r");
    await hive.terminal.expect("PONG\r\n");
    const { transcript } = hive.terminal;
    const shown = [
      ...transcript.replaceAll("\x1b[K", "").matchAll(/\r\[ +(\d+)\.\d{6}\] pump: tick (\d+)\r\ncohesix> pi/g),
    ];
    expect(shown.map(([, seconds, n]) => [seconds, n])).to.deep.equal([
      ["2", "1"],
      ["4", "2"],
      ["6", "3"],
    ]);
    expect(count(transcript, "pump: tick")).to.equal(3);
  });

  it("takes a paste of 64 KiB without losing a byte or answering twice, its tick late by less than 10 ms", async function () {
    this.timeout(60_000);
    const hive = await booted({ manifest: manifestWith({ tick: { period_s: 0 } }) });
    const { machine, terminal } = hive;
    const lines: string[] = [];
    for (let size = 0, n = 0; size < 65536; n++) {
      const line = n % 3 === 0 ? "ping" : n % 3 === 1 ? `pasted text, line ${n}` : `${"x".repeat(n % 1100)}`;
      lines.push(line);
      size += line.length + 1;
    }
    const from = terminal.transcript.length;
    terminal.type(`${lines.join("\r")}\r`);
    // Virtual time stands still while the guest computes, so charge each turn what QEMU was measured to take for its work.
    let turns = machine.turns;
    let pending = machine.serial.pending;
    let sent = machine.serial.sent;
    const charged = (): boolean => {
      if (machine.turns !== turns) {
        const us = 200 + 10 * Math.max(0, pending - machine.serial.pending) + 5 * (machine.serial.sent - sent);
        machine.clock.advanceTo(machine.nowUs() + us);
        ({ turns } = machine);
        ({ pending, sent } = machine.serial);
      }
      return false;
    };
    let before = -1;
    while (machine.serial.sent !== before) {
      before = machine.serial.sent;
      await machine.runUntil(charged, machine.nowUs() + 500_000);
    }
    expect(machine.serial.pending).to.equal(0);
    const output = terminal.transcript.slice(from);
    const expected = lines.map((line) => {
      // An echo rings once where the line is full; the rest of it is not shown.
      const echo = line.length > 1024 ? `${line.slice(0, 1024)}\x07` : line;
      const answer =
        line === "ping"
          ? "OK PING reply=pong\r\nPONG"
          : line.length > 1024
            ? "ERR FRAME reason=policy detail=invalid-length"
            : line === ""
              ? "ERR PARSE reason=policy detail=empty command"
              : "ERR PARSE reason=policy detail=unsupported console command";
      return `${echo}\r\n${answer}\r\n${PROMPT}`;
    });
    expect(output).to.equal(expected.join(""));

    const asked = terminal.transcript.length;
    terminal.type("ps\r");
    await hive.quiet();
    const rows = terminal.transcript.slice(asked).split("\r\n");
    const tick = rows.find((row) => row.startsWith("tick "))!;
    const [, ticks, p99] = /count=(\d+) .* p99_us=(\d+)/.exec(tick)!.map(Number);
    expect(ticks).to.be.greaterThan(30);
    expect(p99).to.be.lessThan(10_000);
  });

  it("survives 1 MB of random bytes on the serial line", async function () {
    this.timeout(60_000);
    const hive = await booted();
    const bytes = noise(1_000_000, 0x5eed1);
    for (let at = 0; at < bytes.length; at += 100_000) {
      hive.terminal.type(bytes.subarray(at, at + 100_000));
      await hive.quiet();
    }
    hive.terminal.type("\x03");
    await hive.quiet();
    expect(hive.machine.haltReason).to.equal(undefined);
    expect(hive.machine.restarts).to.equal(0);
    const from = hive.terminal.transcript.length;
    hive.terminal.type("ping\r");
    await hive.quiet();
    expect(hive.terminal.transcript.slice(from)).to.equal(`ping\r\nOK PING reply=pong\r\nPONG\r\n${PROMPT}`);
    expect(hive.terminal.transcript).to.not.match(/failed|uncaught/);
  });

  it("boots without virtio-rng, says so, and keeps the network door shut", async () => {
    const hive = await booted({ rng: "none" });
    expect(hive.terminal.transcript).to.contain(
      "rng: no virtio-rng device: no entropy, so the network door stays shut\r\n",
    );
    expect(await hive.ask("ping")).to.include("PONG");
  });

  it("says so when virtio-rng is there but gives nothing", async () => {
    const hive = await booted({ rng: { hooks: { used: (entry) => void (entry.length = 0) } } });
    await hive.machine.runFor(2_000_000);
    expect(hive.terminal.transcript).to.match(/rng: virtio_mmio@a003c00 gave nothing within 1 s: the network door/);
  });

  for (const [what, setup, why] of [
    ["without a network device", { net: "none" }, "no virtio-net device"],
    ["with the network off by manifest", { manifest: manifestWith({ network: { mode: "none" } }) }, "off by manifest"],
  ] as const) {
    it(`${what} works on and says so at netstats and bi`, async () => {
      const hive = await booted(setup);
      expect((await hive.ask("netstats"))[1]).to.equal("ERR NETSTATS reason=busy detail=no network");
      expect(await hive.ask("bi")).to.include(`device net none: ${why}`);
      expect(await hive.ask("ping")).to.include("PONG");
    });
  }

  it("refuses legacy virtio devices in one sentence each and works on", async () => {
    const hive = await booted({ net: { version: 1 }, rng: { version: 1 } });
    expect(count(hive.terminal.transcript, "is a legacy virtio device; start QEMU with")).to.equal(2);
    expect(await hive.ask("ping")).to.include("PONG");
  });

  for (const [file, content, reason] of [
    ["manifest.json", "{", /^image: manifest\.json: \/ is no JSON: /],
    ["manifest.json", manifestWith({ pump: { tick_ms: 0 } }), /^image: manifest\.json: \/pump\/tick_ms must be /],
    ["build.json", "{}", /^image: build\.json: \/version must be a text\.$/],
  ] as const) {
    it(`halts with a sentence that names ${file} when it is damaged (${content.slice(0, 3)}…)`, async () => {
      const { machine } = new Hive(built, { files: { [file]: content } });
      await machine.runUntil(() => machine.haltReason !== undefined, 1_000_000);
      expect(machine.haltReason).to.match(reason);
    });
  }

  describe("goes on when its component", () => {
    const cases: [mode: number, what: string, line: RegExp][] = [
      [
        2,
        "writes to unmapped memory",
        /pong: fault: write to unmapped address 0xbad0000000 \(.*\); .*; destroyed, \d+ KiB returned/,
      ],
      [3, "floods with calls", /pong: flood: more than 2000 calls in one second; destroyed/],
      [4, "sends and faults", /pong: (violation|fault): .*; destroyed/],
      [5, "overflows its stack", /pong: fault: .*; destroyed/],
      [6, "floods with messages", /pong: violation: sent a message .*; destroyed/],
      [8, "executes data", /pong: fault: instruction fetch from 0x401000, which is data .*; destroyed/],
    ];
    for (const [mode, what, line] of cases) {
      it(what, async function () {
        this.timeout(30_000);
        const hive = new Hive(built, { manifest: manifestWith({ components: { pong_mode: mode } }) });
        await hive.terminal.expect("PING 1");
        await hive.terminal.expect(line);
        await hive.quiet();
        hive.terminal.type("caps\r");
        await hive.terminal.expect(/components live=0 max=\d+\r\n/);
        expect(hive.machine.componentCount).to.equal(0);
        expect(count(hive.terminal.transcript, "PONG 1")).to.equal(0);
        hive.terminal.type("ping\r");
        await hive.terminal.expect("PONG\r\n");
      });
    }

    for (const [mode, what, line] of [
      [7, "gets a heap of zeros and fills it", "pong: PONG 1"],
      [9, "exchanges 16 KiB through its frame", "pong: ECHO 1"],
    ] as const) {
      it(`${what}`, async () => {
        const hive = new Hive(built, { manifest: manifestWith({ components: { pong_mode: mode } }) });
        await hive.terminal.expect(line);
        expect(hive.machine.componentCount).to.equal(1);
      });
    }
  });

  it("has no component if the manifest wants none", async () => {
    const hive = new Hive(built, { manifest: manifestWith({ components: { pong: false } }) });
    await hive.terminal.expect("components: none by manifest\r\n");
    await hive.quiet();
    expect(hive.terminal.transcript).to.not.contain("PING");
  });

  describe("with a virtio console", () => {
    it("has its console there and the log on the serial line too", async () => {
      const hive = await booted({ console: {} });
      expect(await hive.ask("ping")).to.deep.equal(["ping", "OK PING reply=pong", "PONG"]);
      expect(await hive.ask("bi")).to.include("device console virtio_mmio@a003a00 irq 77");
      const { uart, transcript } = hive.terminal;
      for (const line of ["Cohesix ", "pump: init virtio-console\r\n", "pong: PONG 1\r\n"]) {
        expect(count(uart, line), `${line} on the serial line`).to.equal(1);
        expect(count(transcript, line), `${line} on the console`).to.equal(1);
      }
      expect(uart).to.not.contain("cohesix>");
      hive.machine.serial.write(Buffer.from("ping\r"));
      await hive.quiet();
      expect(hive.terminal.uart).to.not.contain("PONG\r\n");
    });

    it("works on while nobody reads it, and loses none of its answers", async () => {
      const hive = await booted({ console: {}, manifest: manifestWith({ tick: { period_s: 1 } }) });
      const line = hive.machine.console;
      const { onOutput } = line;
      line.onOutput = undefined;
      while (line.output(0x78));
      for (let n = 0; n < 3000; n++) line.write(Buffer.from("help\r"));
      await hive.machine.runFor(20_000_000);
      expect(hive.terminal.uart).to.match(/pump: tick 20\r\n/);
      expect(hive.machine.haltReason).to.equal(undefined);
      line.onOutput = onOutput;
      line.read();
      await hive.quiet();
      expect(count(hive.terminal.transcript, "OK HELP\r\n")).to.equal(3000);
    });

    it("takes 200 kB of random bytes without harm", async function () {
      this.timeout(60_000);
      const hive = await booted({ console: {} });
      hive.terminal.type(noise(200_000, 0xc0ffee));
      hive.terminal.type("\x03");
      await hive.quiet();
      const from = hive.terminal.transcript.length;
      hive.terminal.type("ping\r");
      await hive.quiet();
      expect(hive.terminal.transcript.slice(from)).to.equal(`ping\r\nOK PING reply=pong\r\nPONG\r\n${PROMPT}`);
      expect([hive.machine.haltReason, hive.machine.restarts]).to.deep.equal([undefined, 0]);
    });

    it("says on the serial line that its device was reset, and works on", async () => {
      let lying = false;
      const lie = (entry: { id: number }): void => void (lying && (entry.id = 999));
      const hive = await booted({ console: { hooks: { used: lie } } });
      lying = true;
      hive.terminal.type("lost");
      await hive.machine.runFor(100_000);
      lying = false;
      const from = hive.terminal.transcript.length;
      hive.terminal.type("ping\r");
      await hive.quiet();
      expect(hive.terminal.transcript.slice(from)).to.contain("OK PING reply=pong\r\nPONG\r\n");
      expect(hive.terminal.uart).to.contain(
        "virtio: virtio_mmio@a003a00 was reset: its receive queue is inconsistent\r\n",
      );
    });

    it("keeps the console on the serial line where the manifest says so", async () => {
      const hive = new Hive(built, { console: {}, manifest: manifestWith({ consoles: ["serial"] }) });
      await hive.machine.runFor(1_000_000);
      expect(hive.terminal.uart).to.contain(PROMPT);
      expect(hive.terminal.transcript).to.equal("");
    });

    it("falls back to the serial line where the device cannot be driven", async () => {
      const hive = new Hive(built, { console: { version: 1 } });
      await hive.machine.runFor(1_000_000);
      expect(hive.terminal.uart).to.match(/is a legacy virtio device[^]*cohesix> /);
      expect(hive.terminal.transcript).to.equal("");
    });
  });

  it("logs and counts link changes and restarts of the network device", async () => {
    let lying = false;
    const lie = (entry: { id: number }): void => void (lying && (entry.id = 999));
    const hive = await booted({ net: { hooks: { used: lie } } });
    const { net } = hive.machine;
    net?.setLink(false);
    await hive.quiet();
    net?.setLink(true);
    await hive.quiet();
    lying = true;
    net?.inject(new Uint8Array(60));
    await hive.quiet();
    lying = false;
    hive.terminal.type("netstats\r");
    await hive.quiet();
    const { transcript } = hive.terminal;
    expect(transcript).to.contain("\nlink up mtu=1500 changes=3\r\n");
    expect(transcript).to.match(
      /\ndevice .*device_errors=1 resets=1 .*\r\nqueue net\.rx .* bad_index=0 bad_id=1 bad_twice=0 bad_length=0\r\n/,
    );
    const told = [...transcript.matchAll(/\] net: (.*)\r\n/g)].map(([, text]) => text);
    expect(told.slice(1)).to.deep.equal([
      "link down",
      "link up",
      "virtio_mmio@a003e00 was reset: its receive queue is inconsistent",
    ]);
  });

  it("shows the log but takes nothing in where the manifest has no console", async () => {
    const hive = new Hive(built, { manifest: manifestWith({ consoles: [] }) });
    await hive.terminal.expect("PONG 1");
    hive.terminal.type("ping\r");
    await hive.machine.runFor(6_000_000);
    expect(hive.terminal.transcript).to.not.contain("cohesix>");
    expect(hive.terminal.transcript).to.contain("pump: tick 1\r\n");
    expect(hive.terminal.transcript).to.not.contain("OK PING");
  });
});
