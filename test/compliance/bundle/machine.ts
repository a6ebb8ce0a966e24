/** Clock, console, descriptions, devices, and the summaries of memory and capabilities. */
import { between, equal, fail, holds, loose, steps, test, throws } from "./harness.ts";
import type { Test } from "./harness.ts";

function integer(value: number, what: string): void {
  holds(Number.isSafeInteger(value) && value >= 0, `${what} is ${value}, not an integer from 0`);
}

function integers(summary: object, names: readonly string[], what: string): void {
  equal(Object.keys(summary).sort().join(" "), [...names].sort().join(" "), `fields of ${what}`);
  for (const [name, value] of Object.entries(summary)) integer(Number(value), `${what}.${name}`);
}

class CustomError extends Error {
  override readonly name = "CustomError";
}

function cyclicGarbage(count: number): void {
  for (let i = 0; i < count; i++) {
    const a: { other?: unknown } = {};
    a.other = { other: a };
  }
}

export const machineTests: readonly Test[] = [
  test("host says which engine it is and the contract's version", () => {
    holds(["sel4", "sim"].includes(host.engine), `engine is ${host.engine}`);
    equal(host.abi, 1, "abi");
  }),
  test("nowUs is an integer that never goes back", () => {
    let last = 0;
    for (let i = 0; i < 1000; i++) {
      const now = host.nowUs();
      integer(now, "nowUs");
      holds(now >= last, "nowUs went back");
      last = now;
    }
  }),
  test("log wants a string and cuts it at 4096 bytes, before a character", () => {
    throws("TypeError", "log", () => loose("log")(5), "a number");
    throws("TypeError", "log", () => loose("log")(), "nothing");
    host.log(`# text ${"é".repeat(2100)}`);
    host.log("\n");
  }),
  test("describe gives name, message and positions in TypeScript", () => {
    const text = host.describe(new CustomError("what happened"));
    holds(text.startsWith("CustomError: what happened\n"), `"${text}" starts in another way`);
    holds(/test\/compliance\/bundle\/machine\.ts:\d+/.test(text), `no TypeScript position in "${text}"`);
    holds(!text.includes("main.js:"), `a position in the bundle is left in "${text}"`);
  }),
  test("describe takes every value and never throws", () => {
    const hostile = {
      toString: (): string => {
        throw new Error("no");
      },
    };
    const nameless = new Error("has no name to get");
    Object.defineProperty(nameless, "stack", {
      get: () => {
        throw new Error("no stack");
      },
    });
    for (const value of [undefined, true, 7, "text", Symbol("s"), hostile, nameless, {}, [], () => 1, 10n]) {
      equal(typeof host.describe(value), "string", "type of a description");
    }
    holds(host.describe("text").includes("text"), "a string is not in its description");
    holds(host.describe(null).includes("out of memory"), "null is not told as out of memory");
    holds(host.describe(nameless).includes("has no name to get"), "an error whose stack throws");
  }),
  test("halt wants a string", () => {
    throws("TypeError", "halt", () => loose("halt")(5), "a number");
  }),
  test("devices lists the tree: UART, clock and 32 virtio slots with their interrupts", () => {
    const nodes = host.devices();
    for (const { name, compatible, base, size, irq, trigger } of nodes) {
      holds(name.length > 0 && compatible.length > 0, "a node without a name");
      integer(base, `${name}.base`);
      integer(size, `${name}.size`);
      holds(Number.isInteger(irq) && (irq === -1 || irq >= 16), `${name}.irq is ${irq}`);
      holds(trigger === "level" || trigger === "edge", `${name}.trigger is ${trigger}`);
    }
    const find = (compatible: string): string =>
      JSON.stringify(nodes.find((node) => node.compatible === compatible) ?? fail(`no ${compatible}`));
    const uart = {
      name: "pl011@9000000",
      compatible: "arm,pl011",
      base: 0x9000000,
      size: 0x1000,
      irq: 33,
      trigger: "level",
    };
    equal(find("arm,pl011"), JSON.stringify(uart), "the UART");
    const clock = {
      name: "pl031@9010000",
      compatible: "arm,pl031",
      base: 0x9010000,
      size: 0x1000,
      irq: 34,
      trigger: "level",
    };
    equal(find("arm,pl031"), JSON.stringify(clock), "the clock");
    const slots = nodes.filter((node) => node.compatible === "virtio,mmio");
    equal(slots.length, 32, "virtio slots");
    slots.forEach((slot, index) => {
      equal(slot.base, 0xa000000 + 0x200 * index, "a slot's base");
      equal(slot.irq, 48 + index, "a slot's interrupt");
      equal(slot.trigger, "edge", "a slot's trigger");
    });
  }),
  test("bootInfo names kernel, platform and RAM, and the phases in order", () => {
    const { kernel, platform, ramBytes, phases } = host.bootInfo();
    equal(kernel.startsWith(host.engine === "sim" ? "simulator" : "seL4"), true, `kernel ${kernel}`);
    equal(platform, "qemu-arm-virt", "platform");
    equal(ramBytes, 1024 * 1024 * 1024, "ramBytes");
    equal(phases.map(({ name }) => name).join(" "), "kernel platform files heap runtime bundle", "phases");
    let last = 0;
    for (const { name, us } of phases) {
      integer(us, `phase ${name}`);
      holds(us >= last && us <= host.nowUs(), `phase ${name} is out of order`);
      last = us;
    }
  }),
  test("caps adds up", () => {
    const caps = host.caps();
    integers(
      caps,
      [
        ...["slotsTotal", "slotsUsed", "untypedCount", "untypedBytes", "untypedFreeBytes"],
        ...["deviceUntypedCount", "irqHandlers", "components", "componentsMax"],
      ],
      "caps",
    );
    holds(caps.slotsUsed <= caps.slotsTotal, "more slots used than there are");
    holds(caps.untypedFreeBytes <= caps.untypedBytes, "more memory free than there is");
    equal(caps.componentsMax, 80, "componentsMax");
  }),
  test("memory adds up", () => {
    const memory = host.memory();
    integers(
      memory,
      [
        ...["heapUsed", "heapPeak", "heapLimit", "heapBlocks", "dmaUsed", "dmaTotal"],
        ...["gcRuns", "gcLongestUs", "jobsDeferred"],
      ],
      "memory",
    );
    holds(memory.heapUsed <= memory.heapPeak && memory.heapPeak <= memory.heapLimit, "heap used, peak, limit");
    holds(memory.dmaUsed <= memory.dmaTotal, "more DMA memory used than there is");
    holds(memory.heapUsed > 16384, "a heap with less than QuickJS itself in it");
  }),
  test("heapUsed and heapBlocks follow what is allocated and let go", () => {
    const before = host.memory();
    const kept: Uint8Array[] = [];
    for (let i = 0; i < 16; i++) kept.push(new Uint8Array(10_000));
    const during = host.memory();
    between(during.heapUsed - before.heapUsed, 160_000, 200_000, "growth for 160,000 bytes");
    holds(during.heapBlocks >= before.heapBlocks + 16, "blocks did not grow");
    holds(during.heapPeak >= during.heapUsed, "peak below use");
    kept.length = 0;
    const after = host.memory();
    between(after.heapUsed - before.heapUsed, -20_000, 20_000, "left after letting go");
    holds(after.heapPeak >= during.heapUsed, "the peak was forgotten");
  }),
  test("growing an array counts its block once", () => {
    const before = host.memory().heapUsed;
    const list: number[] = [];
    for (let i = 0; i < 50_000; i++) list.push(i);
    const grown = host.memory().heapUsed - before;
    // A value takes 8 or 16 bytes; an array grows by half.
    between(grown, 50_000 * 8, 50_000 * 24, "growth for 50,000 elements");
    list.length = 0;
  }),
  test("gc collects cycles, takes its time and is counted", () => {
    host.gc();
    const before = host.memory();
    cyclicGarbage(500);
    const littered = host.memory();
    holds(littered.heapUsed > before.heapUsed + 500 * 64, "the cycles took no memory");
    const us = host.gc();
    const after = host.memory();
    integer(us, "gc's time");
    between(after.heapUsed - before.heapUsed, -4096, 4096, "left after the collection");
    equal(after.gcRuns, before.gcRuns + 1, "gcRuns");
    holds(after.gcLongestUs >= us, "gcLongestUs is less than this collection");
  }),
  test("no collection comes by itself while the heap is far from its limit", () => {
    host.gc();
    const before = host.memory().heapUsed;
    cyclicGarbage(2000);
    holds(host.memory().heapUsed > before + 2000 * 64, "cycles are gone without a collection");
    host.gc();
  }),
  steps("garbage in cycles does not exhaust the heap", function* () {
    const { heapLimit } = host.memory();
    for (let taken = 0; taken < 2 * heapLimit; taken += 100 * 65536) {
      for (let i = 0; i < 100; i++) {
        const ring: { bytes: Uint8Array; self?: unknown } = { bytes: new Uint8Array(65536) };
        ring.self = ring;
      }
      yield 0;
    }
    holds(host.memory().heapUsed < heapLimit, "over the limit");
    host.gc();
  }),
];
