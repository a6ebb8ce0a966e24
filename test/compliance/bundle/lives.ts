/**
 * The suite's first two lives end on purpose, one by an exception and one by memory running out, each with the machine
 * in use. The third life finds what they left behind, which must be nothing.
 */
import { equal, holds, test } from "./harness.ts";
import type { Test } from "./harness.ts";

const SPI = 60;

/** Devices, memory and a component in use, as a life leaves them that does not end well. */
function occupy(): void {
  new Uint8Array(host.dmaAlloc(8192).buffer).fill(0xa5);
  host.irqBind(SPI, "edge");
  host.componentSpawn("pong.elf", { priority: 100, arenaBytes: 4096, args: [1, 0, 0, 0] });
}

function failOnPurpose(): never {
  throw new RangeError("the first life ends here on purpose");
}

function exhaust(): never {
  const kept: Uint8Array[] = [];
  for (;;) kept.push(new Uint8Array(65536));
}

/** @returns if this is the life in which the tests run. */
export function spendLives(): void {
  const { restarts } = host.bootInfo();
  if (restarts >= 2) return;
  host.log(`# life ${restarts + 1}\n`);
  occupy();
  if (restarts === 0) failOnPurpose();
  exhaust();
}

export const livesTests: readonly Test[] = [
  test("a runtime that failed is rebuilt, and bootInfo counts it", () => {
    equal(host.bootInfo().restarts, 2, "restarts");
  }),
  test("a rebuilt runtime finds no components, no DMA memory in use and no interrupts bound", () => {
    equal(host.caps().components, 0, "components");
    equal(host.memory().dmaUsed, 0, "dmaUsed");
    host.irqBind(SPI, "edge");
  }),
  test("DMA memory is zeroed again after a rebuild", () => {
    const bytes = new Uint8Array(host.dmaAlloc(8192).buffer);
    holds(
      bytes.every((byte) => byte === 0),
      "a byte of the last life is still there",
    );
  }),
];
