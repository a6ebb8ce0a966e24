import { expect } from "chai";
import { Pl031 } from "../../../services/drivers/pl031.ts";
import { deviceNode, FakeMachine } from "./machine.ts";

/** Identification as DDI 0224 §3.3.9 and §3.3.10 give it. */
const ID = [0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

function probe(id: number[], seconds: number): Pl031 | undefined {
  const machine = new FakeMachine();
  machine.place(0x9010000, {
    read(offset, width) {
      expect(width).to.equal(4);
      if (offset === 0) return seconds;
      return id[(offset - 0xfe0) / 4] ?? 0;
    },
    write() {
      throw new Error("written");
    },
  });
  const node = deviceNode({ name: "pl031@9010000", compatible: "arm,pl031", base: 0x9010000, size: 0x1000, irq: 34 });
  return Pl031.probe(machine, node);
}

describe("Pl031", () => {
  it("reads the seconds, also those after 2038", () => {
    expect(probe(ID, 1_700_000_000)?.unixSeconds()).to.equal(1_700_000_000);
    expect(probe(ID, 0xfffffffe)?.unixSeconds()).to.equal(0xfffffffe);
  });

  it("takes any revision", () => {
    expect(probe([0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1], 5)?.unixSeconds()).to.equal(5);
  });

  it("does not take another cell for a clock", () => {
    expect(probe([0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1], 5)).to.equal(undefined);
    expect(probe([0x31, 0x10, 0x04, 0x00, 0, 0, 0, 0], 5)).to.equal(undefined);
    expect(probe([], 5)).to.equal(undefined);
  });
});
