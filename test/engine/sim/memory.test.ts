import { expect } from "chai";
import { DMA_BASE, DmaPool, PAGE } from "../../../engine/sim/memory.ts";

function pool(pages: number): DmaPool {
  const it = new DmaPool(pages * PAGE);
  // Dirty, and not page-aligned, as malloc's memory is.
  it.adopt(new Uint8Array(it.reserve + 1000).fill(0xa5), 1000);
  return it;
}

describe("DMA pool", () => {
  it("gives whole zeroed pages, next to each other, with growing addresses", () => {
    const it = pool(4);
    const first = it.allocate(1);
    const second = it.allocate(PAGE + 1);
    expect(second).to.equal(first + PAGE);
    expect(it.addressOf(first)).to.equal(DMA_BASE);
    expect(it.addressOf(second)).to.equal(DMA_BASE + PAGE);
    expect(it.used).to.equal(3 * PAGE);
    expect(it.u8.subarray(first, first + 3 * PAGE).every((byte) => byte === 0)).to.equal(true);
  });

  it("refuses what does not fit and has then taken nothing", () => {
    const it = pool(2);
    expect(it.allocate(3 * PAGE)).to.equal(-1);
    expect(it.used).to.equal(0);
    expect(it.allocate(2 * PAGE)).to.be.greaterThan(0);
    expect(it.allocate(1)).to.equal(-1);
  });

  it("translates what was given out and nothing beside it", () => {
    const it = pool(4);
    const at = it.allocate(2 * PAGE);
    expect(it.translate(DMA_BASE, 2 * PAGE)).to.equal(at);
    expect(it.translate(DMA_BASE + 5, 7)).to.equal(at + 5);
    expect(it.translate(DMA_BASE + 2 * PAGE, 0)).to.equal(at + 2 * PAGE);
    for (const [address, length] of [
      [DMA_BASE - 1, 2],
      [DMA_BASE + 2 * PAGE - 1, 2],
      [DMA_BASE + 2 * PAGE, 1],
      [0, 1],
      [DMA_BASE, -1],
      [2 ** 63, 8],
      [DMA_BASE + 2 ** 32, 1],
    ] as const) {
      expect(it.translate(address, length), `${address.toString(16)}+${String(length)}`).to.equal(-1);
    }
  });

  it("starts again empty and zeroed in another instance's memory", () => {
    const it = pool(2);
    it.u8.fill(1);
    it.allocate(PAGE);
    it.adopt(new Uint8Array(it.reserve).fill(0xff), 1);
    expect(it.translate(DMA_BASE, 1)).to.equal(-1);
    const at = it.allocate(PAGE);
    expect(it.addressOf(at)).to.equal(DMA_BASE);
    expect(it.u8[at]).to.equal(0);
  });
});
