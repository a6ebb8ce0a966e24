import { expect } from "chai";
import { Tick } from "../../../services/pump/tick.ts";

describe("pump tick", () => {
  it("stands still until there is work", () => {
    const tick = new Tick(10_000);
    expect(tick.nextUs).to.equal(Infinity);
    expect(tick.observe(1e9)).to.equal(false);
    tick.work(5_000);
    expect(tick.nextUs).to.equal(15_000);
  });

  it("measures lateness from when it was due, and keeps its phase", () => {
    const tick = new Tick(10_000);
    tick.work(0);
    expect(tick.observe(9_999)).to.equal(false);
    expect(tick.observe(10_700)).to.equal(true);
    expect(tick.nextUs).to.equal(20_000);
    expect(tick.lateness.max).to.equal(700);
    expect(tick.missed).to.equal(0);
  });

  it("counts the pulses that a long turn swallowed", () => {
    const tick = new Tick(10_000);
    tick.work(0);
    expect(tick.observe(45_000)).to.equal(true);
    expect(tick.missed).to.equal(3);
    expect(tick.nextUs).to.equal(50_000);
    expect(tick.lateness.max).to.equal(35_000);
  });

  it("counts quiet pulses, and work ends the quiet", () => {
    const tick = new Tick(10);
    tick.work(0);
    tick.observe(10);
    expect(tick.quiet).to.equal(0);
    tick.observe(20);
    tick.observe(30);
    expect(tick.quiet).to.equal(2);
    tick.work(35);
    tick.observe(40);
    expect(tick.quiet).to.equal(0);
  });
});
