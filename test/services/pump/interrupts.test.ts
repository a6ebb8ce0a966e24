import { expect } from "chai";
import { Interrupts } from "../../../services/pump/interrupts.ts";
import { Pump } from "../../../services/pump/pump.ts";
import { LineLog, ManualClock } from "../support/ports.ts";

function setup() {
  const log = new LineLog();
  const pump = new Pump({
    clock: new ManualClock(),
    log,
    heap: { usedBytes: () => 0, collect: () => 0 },
    describe: (error) => (error instanceof Error ? error.message : "?"),
    tickUs: 10_000,
  });
  return { log, pump, interrupts: new Interrupts(pump) };
}

describe("interrupt lines", () => {
  it("are served once for all that was raised since the last turn, each by its own bit", () => {
    const { pump, interrupts } = setup();
    const served: string[] = [];
    interrupts.attach("net-rx", "net", 5, () => served.push("net"));
    interrupts.attach("serial-rx", "uart", 31, () => served.push("uart"));
    pump.turn(0);
    expect(served).to.deep.equal([]);
    interrupts.raise(1 << 5);
    interrupts.raise(1 << 5);
    pump.turn(1);
    expect(served).to.deep.equal(["net"]);
    interrupts.raise((1 << 5) | (1 << 31) | (1 << 7));
    pump.turn(2);
    // In the order of the stages, not in that of the bits.
    expect(served).to.deep.equal(["net", "uart", "net"]);
    pump.turn(3);
    expect(served).to.have.length(3);
  });

  it("ask for no turn of their own", () => {
    const { pump, interrupts } = setup();
    interrupts.attach("serial-rx", "uart", 4, () => undefined);
    interrupts.raise(1 << 4);
    expect(pump.turn(0)).to.equal(Infinity);
  });

  it("are heard again after a driver threw", () => {
    const { log, pump, interrupts } = setup();
    let served = 0;
    interrupts.attach("serial-rx", "uart", 4, () => {
      if (++served === 1) throw new Error("broken");
    });
    interrupts.raise(1 << 4);
    pump.turn(0);
    expect(log.lines).to.deep.equal(["pump: source uart failed: broken"]);
    interrupts.raise(1 << 4);
    pump.turn(1);
    expect(served).to.equal(2);
  });
});
