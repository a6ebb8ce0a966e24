import { expect } from "chai";
import { Machine } from "../../../engine/sim/machine.ts";
import type { MachineOptions } from "../../../engine/sim/machine.ts";
import { DMA_BASE } from "../../../engine/sim/memory.ts";
import { makeRootfs } from "../../../engine/sim/rootfs.ts";
import { Terminal } from "../../../engine/sim/terminal.ts";
import { encodeLineTable } from "../../../scripts/lib/line-table.ts";

const SECOND = 1_000_000;
const HOUR = 3600 * SECOND;

interface Run {
  readonly machine: Machine;
  log: string;
}

/** A machine with the body of `turn(raised, now)` as its bundle, after some declarations. */
function machineOf(body: string, declarations = "", options: Partial<MachineOptions> = {}): Run {
  const run: { machine?: Machine; log: string } = { log: "" };
  const machine = new Machine({
    source: `const print = (...words) => host.log(words.join(" ") + "\\n");
${declarations}
export function turn(raised, now) { ${body} }`,
    rootfs: makeRootfs({}),
    ...options,
    onLog: (text) => (run.log += text),
  });
  return Object.assign(run, { machine });
}

/** A polled UART driver for bundles. */
const UART = `
const uart = host.mmioMap(0x9000000, 0x1000);
const bit = host.irqBind(33, "level");
host.mmioWrite32(uart, 0x2c, 0x70);
host.mmioWrite32(uart, 0x30, 0x301);
host.mmioWrite32(uart, 0x38, 0x50);
const read = (sink) => { while (!(host.mmioRead32(uart, 0x18) & 0x10)) sink(host.mmioRead32(uart, 0)); };
const full = () => host.mmioRead32(uart, 0x18) & 0x20;
const send = (byte) => host.mmioWrite32(uart, 0, byte);
`;

describe("simulated machine", () => {
  describe("in virtual time", () => {
    it("runs an hour of ticks of 10 ms in seconds, none missed and none late", async () => {
      const it = machineOf(
        `if (now !== due) late++; ticks++; due += 10000; if (ticks % 60000 === 0) print(ticks, late); return due;`,
        "let ticks = 0, late = 0, due = 0;",
      );
      const start = performance.now();
      await it.machine.runFor(HOUR);
      expect(performance.now() - start).to.be.lessThan(15_000);
      expect(it.machine.nowUs()).to.equal(HOUR);
      expect(it.log.trim().split("\n").at(-1)).to.equal("360000 0");
      expect(it.machine.turns).to.equal(360_001);
    }).timeout(20_000);

    it("gives the same run twice", async () => {
      const transcript = async (): Promise<string> => {
        const it = machineOf(`print(now, raised, host.memory().heapUsed, host.nowUs()); return now + 1234.5;`, "", {
          rng: { seed: "x" },
        });
        await it.machine.runFor(SECOND);
        return it.log;
      };
      expect(await transcript()).to.equal(await transcript());
    });

    it("takes a first turn at once and raises TIMER for it", async () => {
      const it = machineOf("print(raised, now); return Infinity;");
      await it.machine.runFor(SECOND);
      expect(it.log).to.equal("1 0\n");
    });

    it("lets what is attached act at its time, between the guest's turns and without one", async () => {
      const it = machineOf("print('turn', now); return now < 300 ? 300 : Infinity;");
      const { machine } = it;
      const timer = machine.attach(() => {
        it.log += `outside ${machine.nowUs()}\n`;
        if (machine.nowUs() < 1000) timer.deadline = machine.nowUs() + 200;
      });
      timer.deadline = 0;
      await machine.runFor(SECOND);
      expect(it.log).to.equal(
        "outside 0\nturn 0\noutside 200\nturn 300\noutside 400\noutside 600\noutside 800\noutside 1000\n",
      );
    });

    it("lets time pass for a guest that waits for it in a loop", async () => {
      const it = machineOf("while (host.nowUs() < 50); print('done'); return Infinity;");
      await it.machine.runFor(SECOND);
      expect(it.log).to.equal("done\n");
    });

    it("does not stand still for a guest that always wants its next turn at once", async () => {
      const it = machineOf("return 0;");
      await it.machine.runFor(10_000);
      expect(it.machine.turns).to.be.within(5000, 10_010);
    });

    it("has a clock with the same time of day in every run", async () => {
      const body = "print(host.mmioRead32(host.mmioMap(0x9010000, 4096), 0)); return now + 60e6;";
      const it = machineOf(body);
      await it.machine.runFor(60 * SECOND);
      expect(it.log).to.equal("1767225600\n1767225660\n");
      const other = machineOf(body, "", { unixSeconds: 5 });
      await other.machine.runFor(SECOND);
      expect(other.log).to.equal("5\n");
    });

    it("says so instead of waiting for ever", async () => {
      const { machine } = machineOf("return Infinity;");
      let message = "";
      await machine.runUntil(() => false, Infinity).catch((error: unknown) => (message = String(error)));
      expect(message).to.equal("Error: the machine waits for ever: no deadline, no event and no limit");
      expect(() => machine.start()).to.throw("a machine in virtual time is run with runUntil");
    });
  });

  describe("in real time", () => {
    it("sleeps between its deadlines and wakes for them", async () => {
      const it = machineOf("print('turn'); return now + 50000;", "", { clock: "real" });
      await it.machine.boot();
      const cpu = process.cpuUsage();
      await it.machine.runFor(SECOND);
      const { user, system } = process.cpuUsage(cpu);
      expect(it.machine.turns).to.be.within(10, 21);
      expect(user + system, "microseconds of processor time in a second").to.be.lessThan(400_000);
    });

    it("wakes at once for what the host types, from a sleep without end", async () => {
      const it = machineOf("read((byte) => print(byte)); host.irqAck(bit); return Infinity;", UART, { clock: "real" });
      const running = it.machine.start();
      await new Promise((resolve) => setTimeout(resolve, 50));
      const turns = it.machine.turns;
      expect(turns).to.be.lessThan(5);
      it.machine.serial.write(Buffer.from("A"));
      await until(() => it.log === "65\n");
      await it.machine.stop();
      await running;
      expect(it.machine.turns - turns).to.be.lessThan(4);
    });

    it("wakes for what is attached when that says so, and takes no turn for it", async () => {
      const { machine } = machineOf("return Infinity;", "", { clock: "real" });
      let fired = 0;
      const timer = machine.attach(() => fired++);
      const running = machine.start();
      await until(() => machine.turns === 1);
      timer.deadline = 0;
      machine.kick();
      await until(() => fired === 1);
      await machine.stop();
      await running;
      expect(machine.turns).to.equal(1);
    });

    it("does not mix with runUntil", async () => {
      const { machine } = machineOf("return Infinity;", "", { clock: "real" });
      void machine.start();
      let message = "";
      await machine.runFor(1).catch((error: unknown) => (message = String(error)));
      expect(message).to.equal("Error: the machine runs in real time: stop it first");
      await machine.stop();
      await machine.runFor(1000);
    });

    it("leaves room for the host while the guest is busy", async () => {
      const { machine } = machineOf("return 0;", "", { clock: "real" });
      void machine.start();
      let ticks = 0;
      const timer = setInterval(() => ticks++, 10);
      await until(() => ticks >= 10);
      clearInterval(timer);
      await machine.stop();
      expect(machine.turns).to.be.greaterThan(100);
    });
  });

  describe("serial line", () => {
    it("carries bytes to the guest and back, by interrupt", async () => {
      const it = machineOf("read((byte) => send(byte + 1)); host.irqAck(bit); return Infinity;", UART);
      const terminal = new Terminal(it.machine);
      terminal.type("HAL");
      expect(await terminal.expect("IBM")).to.equal("IBM");
    });

    it("loses nothing of 64 KiB, in either direction", async () => {
      const body = "read((byte) => { if (full()) lost++; send(byte); }); host.irqAck(bit); return Infinity;";
      const it = machineOf(body, `${UART} let lost = 0;`);
      const sent = Uint8Array.from({ length: 65536 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
      expect(it.machine.serial.write(sent)).to.equal(sent.length);
      const got: Uint8Array[] = [];
      it.machine.serial.onOutput = () => got.push(it.machine.serial.read());
      await it.machine.runFor(10 * SECOND);
      expect(Buffer.compare(Buffer.concat(got), sent)).to.equal(0);
      expect(it.machine.serial.pending).to.equal(0);
    });

    it("pushes back on the host while the guest does not read", async () => {
      const it = machineOf(
        "if (now >= 1e6) { read(() => { got++; }); host.irqAck(bit); } print(got); return now < 1e6 ? 1e6 : Infinity;",
        `${UART} let got = 0;`,
      );
      it.machine.serial.write(new Uint8Array(100));
      await it.machine.runUntil(() => it.machine.nowUs() >= 500_000, 500_000);
      expect(it.machine.serial.pending).to.equal(84);
      await it.machine.runFor(2 * SECOND);
      expect(it.machine.serial.pending).to.equal(0);
      expect(it.log.trim().split("\n").at(-1)).to.equal("100");
    });

    it("pushes back on the guest while the host does not read", async () => {
      const limit = 1024 * 1024;
      const it = machineOf(
        "for (let i = 0; i < 20000 && !full(); i++) { send(sent & 0xff); sent++; } if (full()) stalled++; return now + 1000;",
        `${UART} let sent = 0, stalled = 0;`,
      );
      await it.machine.runFor(100_000);
      expect(it.machine.serial.readable).to.equal(limit);
      const bytes = it.machine.serial.read();
      expect(bytes.every((byte, i) => byte === (i & 0xff))).to.equal(true);
      expect(it.machine.serial.readable, "what stood in the FIFO").to.equal(16);
      await it.machine.runFor(2000);
      expect(it.machine.serial.readable).to.be.greaterThan(16);
      expect(it.machine.serial.read().every((byte, i) => byte === (i & 0xff))).to.equal(true);
    }).timeout(30_000);
  });

  describe("DMA memory", () => {
    it("is the same memory for guest and devices", async () => {
      const it = machineOf(
        "if (!view) { const dma = host.dmaAlloc(4096); view = new Uint8Array(dma.buffer); view[3] = 42; print(dma.address); } else print(view[4]); return now + 1000;",
        "let view;",
      );
      await it.machine.runUntil(() => it.log !== "", SECOND);
      expect(it.log).to.equal(`${String(DMA_BASE)}\n`);
      const at = it.machine.dma.translate(DMA_BASE, 4096);
      expect(it.machine.dma.u8[at + 3]).to.equal(42);
      it.machine.dma.u8[at + 4] = 43;
      await it.machine.runFor(1000);
      expect(it.log).to.equal(`${String(DMA_BASE)}\n43\n`);
    });

    it("is out of the heap's accounting, and as large as the machine says", async () => {
      const it = machineOf(
        "const before = host.memory().heapUsed; for (let i = 0; i < 4; i++) host.dmaAlloc(1 << 20); const m = host.memory(); print(m.dmaUsed, m.dmaTotal, m.heapUsed - before < 10000); try { host.dmaAlloc(1) } catch (e) { print(e.message) } return Infinity;",
        "",
        { dmaBytes: 4 * 1024 * 1024, heapBytes: 1024 * 1024 },
      );
      await it.machine.runFor(1);
      expect(it.log).to.equal("4194304 4194304 true\ndmaAlloc: no 4096 bytes of DMA memory are left\n");
    });
  });

  describe("a bundle that fails", () => {
    it("is rebuilt with its exception told, at the place in TypeScript", async () => {
      const lines = encodeLineTable({
        files: ["services/a.ts"],
        lines: Array.from({ length: 5 }, (_, i) => ({ file: 0, line: 100 + i })),
      });
      const it = machineOf(
        "if (host.bootInfo().restarts === 0) boom(); print('second life'); return Infinity;",
        "const boom = () => { throw new RangeError('by test'); };",
        {
          rootfs: makeRootfs({ "main.lines": lines }),
        },
      );
      await it.machine.runFor(SECOND);
      expect(it.log).to.equal(
        "engine: uncaught: RangeError: by test\n    at boom (services/a.ts:101)\n    at turn (services/a.ts:102)\nengine: the runtime is rebuilt\nsecond life\n",
      );
      expect(it.machine.restarts).to.equal(1);
    });

    it("finds components, interrupts and DMA memory free, and devices as they were", async () => {
      const it = machineOf(
        `const { dmaUsed } = host.memory(); const { irqHandlers, components } = host.caps();
         print(host.bootInfo().restarts, dmaUsed, irqHandlers, components, host.mmioRead32(rtc, 4));
         if (host.bootInfo().restarts === 0) {
           host.dmaAlloc(1); host.irqBind(40, "edge"); host.mmioWrite32(rtc, 4, 77);
           host.componentSpawn("pong.elf", { priority: 1, arenaBytes: 0, args: [0, 0, 0, 0] });
           throw 5;
         }
         return Infinity;`,
        "const rtc = host.mmioMap(0x9010000, 0x1000);",
      );
      await it.machine.runFor(SECOND);
      expect(it.log).to.equal("0 0 0 0 0\nengine: uncaught: 5\nengine: the runtime is rebuilt\n1 0 0 0 77\n");
    });

    it("halts when it fails a fourth time within 60 s", async () => {
      const it = machineOf("throw new Error('again');");
      expect(await it.machine.runUntil(() => false, 100 * SECOND)).to.equal(false);
      expect(it.machine.haltReason).to.equal("the runtime failed 4 times within 60 s");
      expect(it.log.match(/again/g)?.length).to.equal(4);
      expect(it.log.match(/rebuilt/g)?.length).to.equal(3);
      expect(it.log.endsWith("\ncohesix: halted: the runtime failed 4 times within 60 s\n")).to.equal(true);
    });

    it("goes on for ever when it fails three times in 60 s", async () => {
      const it = machineOf(
        "if (now >= start + 20.1e6) throw new Error('again'); return start + 20.1e6;",
        "const start = host.nowUs();",
      );
      await it.machine.runFor(600 * SECOND);
      expect(it.machine.haltReason).to.equal(undefined);
      expect(it.machine.restarts).to.equal(29);
    });

    it("counts failing while it is loaded, too", async () => {
      const it = machineOf("return 0;", "throw new Error('at load');");
      await it.machine.runUntil(() => false, SECOND);
      expect(it.machine.haltReason).to.equal("the runtime failed 4 times within 60 s");
    });

    for (const [what, source, message] of [
      ["no turn", "export const x = 1;", "TypeError: main.js: the bundle exports no function `turn`"],
      [
        "a turn that is no function",
        "export const turn = 5;",
        "TypeError: main.js: the bundle exports no function `turn`",
      ],
      ["a turn that returns nothing", "export const turn = () => {};", "turn: the next deadline must be a number"],
      [
        "a turn that returns NaN",
        "export const turn = () => NaN;",
        "TypeError: turn: returned NaN as the next deadline",
      ],
      ["a syntax error", "export function turn( {", "SyntaxError: "],
      ["an import", 'import "./other.js"; export const turn = () => 0;', "ReferenceError: could not load module"],
    ] as const) {
      it(`is told what is wrong: ${what}`, async () => {
        const it = { log: "" };
        const machine = new Machine({ source, onLog: (text) => (it.log += text) });
        await machine.runUntil(() => false, SECOND).catch((error: unknown) => (it.log += String(error)));
        expect(it.log).to.contain(message);
      });
    }

    it("is told who held what when memory ran out, and rebuilt", async () => {
      const it = machineOf(
        "if (host.bootInfo().restarts > 0) return Infinity; for (;;) kept.push('x'.repeat(50000) + now, new Uint8Array(1000));",
        "const kept = [];",
        { heapBytes: 4 * 1024 * 1024 },
      );
      await it.machine.runFor(SECOND);
      const found = /engine: out of memory: (\d+) of 4194304 bytes in (\d+) blocks in use, (\d+) at most/.exec(it.log);
      expect(Number(found?.[1])).to.be.greaterThan(0.9 * 4194304);
      const bytes = (kind: string): number =>
        Number(new RegExp(`engine:   ${kind} +\\d* +(\\d+) bytes`).exec(it.log)?.[1]);
      expect(bytes("strings") + bytes("buffers, arrays")).to.be.greaterThan(0.9 * 4194304);
      expect(it.machine.restarts).to.equal(1);
      expect(it.machine.haltReason).to.equal(undefined);
    });

    it("survives what V8's stack ends before QuickJS notices", async () => {
      const it = machineOf(
        "if (host.bootInfo().restarts > 0) { print('alive'); return Infinity; } let a = []; for (let i = 0; i < 200000; i++) a = [a]; JSON.stringify(a);",
      );
      await it.machine.runFor(SECOND);
      expect(it.log).to.match(
        /engine: QuickJS failed: RangeError: Maximum call stack size exceeded\n|engine: uncaught: /,
      );
      expect(it.log.endsWith("engine: the runtime is rebuilt\nalive\n")).to.equal(true);
    });
  });

  describe("halt", () => {
    it("ends the machine within the very call, with its reason", async () => {
      const it = machineOf("try { host.halt('enough'); } catch { print('caught'); } finally { print('finally'); }");
      expect(await it.machine.runUntil(() => false, SECOND)).to.equal(false);
      expect(it.log).to.equal("\ncohesix: halted: enough\n");
      const { turns } = it.machine;
      await it.machine.runFor(SECOND);
      expect([it.machine.haltReason, it.machine.turns]).to.deep.equal(["enough", turns]);
    });

    it("while the bundle is loaded ends the machine as well", async () => {
      const it = machineOf("return 0;", "host.halt('at load');");
      await it.machine.runUntil(() => false, SECOND);
      expect(it.machine.haltReason).to.equal("at load");
    });

    it("ends a real-time run", async () => {
      const it = machineOf("host.halt('enough');", "", { clock: "real" });
      await it.machine.start();
      expect(it.machine.haltReason).to.equal("enough");
    });
  });

  describe("devices", () => {
    it("fill the virtio slots from the top, network before entropy", async () => {
      const body = `const ids = []; for (let i = 0; i < 32; i++) { const w = host.mmioMap(0xa000000 + 0x200 * i, 0x200);
        const id = host.mmioRead32(w, 8); if (id) ids.push(i + ":" + id + ":" + host.mmioRead32(w, 4)); } print(ids.join(" ")); return Infinity;`;
      for (const [options, expected] of [
        [{}, ""],
        [{ rng: {} }, "31:4:2"],
        [{ net: {}, rng: {} }, "30:4:2 31:1:2"],
        [{ net: { version: 1 }, rng: {} }, "30:4:2 31:1:1"],
      ] as const) {
        const it = machineOf(body, "", options);
        await it.machine.runFor(1);
        expect(it.log).to.equal(`${expected}\n`);
      }
    });
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
