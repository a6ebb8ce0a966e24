import { expect } from "chai";
import { InterruptController } from "../../../engine/sim/interrupts.ts";

function controller(): { controller: InterruptController; raises: () => number } {
  let count = 0;
  return { controller: new InterruptController(() => count++), raises: () => count };
}

function bound(it: InterruptController, irq: number, edge: boolean): number {
  const bit = it.bind(irq, edge);
  if (typeof bit === "string") throw new Error(`not bound: ${bit}`);
  return bit;
}

describe("interrupt controller", () => {
  it("gives bits from 2 on, one a line", () => {
    const { controller: it } = controller();
    expect(bound(it, 33, false)).to.equal(2);
    expect(bound(it, 34, true)).to.equal(3);
    expect(it.bind(33, false)).to.equal("bound");
    expect(it.boundCount).to.equal(2);
  });

  it("has 28 bits", () => {
    const { controller: it } = controller();
    for (let i = 0; i < 28; i++) expect(bound(it, 100 + i, true)).to.equal(2 + i);
    expect(it.bind(200, true)).to.equal("full");
  });

  it("raises a level line once until it is acknowledged, and again while it is high", () => {
    const { controller: it, raises } = controller();
    const bit = bound(it, 33, false);
    it.set(33, true);
    it.set(33, false);
    it.set(33, true);
    expect(it.take()).to.equal(1 << bit);
    expect(it.take()).to.equal(0);
    expect(raises()).to.equal(1);
    it.acknowledge(bit);
    expect(it.take()).to.equal(1 << bit);
    it.set(33, false);
    it.acknowledge(bit);
    expect(it.take()).to.equal(0);
  });

  it("latches an edge that comes while the line is masked, and forgets how many", () => {
    const { controller: it } = controller();
    const bit = bound(it, 79, true);
    it.set(79, true);
    expect(it.take()).to.equal(1 << bit);
    for (let i = 0; i < 3; i++) {
      it.set(79, false);
      it.set(79, true);
    }
    expect(it.take()).to.equal(0);
    it.acknowledge(bit);
    expect(it.take()).to.equal(1 << bit);
    it.acknowledge(bit);
    expect(it.take()).to.equal(0);
  });

  it("does not raise an edge line because it stays high", () => {
    const { controller: it } = controller();
    const bit = bound(it, 79, true);
    it.set(79, true);
    it.take();
    it.acknowledge(bit);
    it.set(79, true);
    expect(it.take()).to.equal(0);
  });

  it("raises a line at its binding that was high before", () => {
    const { controller: it } = controller();
    it.set(33, true);
    it.set(79, true);
    const level = bound(it, 33, false);
    const edge = bound(it, 79, true);
    expect(it.take()).to.equal((1 << level) | (1 << edge));
  });

  it("refuses to acknowledge a bit that no line has", () => {
    expect(controller().controller.acknowledge(2)).to.equal(false);
  });

  it("binds nothing any more after a reset, and keeps the lines' levels", () => {
    const { controller: it } = controller();
    bound(it, 34, false);
    bound(it, 33, false);
    it.set(33, true);
    it.reset();
    expect(it.boundCount).to.equal(0);
    expect(it.take()).to.equal(0);
    expect(bound(it, 33, false)).to.equal(2);
    expect(it.take()).to.equal(1 << 2);
  });
});
