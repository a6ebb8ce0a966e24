/** The worked example of docs/ARCHITECTURE.md, "Adding a source to the pump", which shows the code between the marks. */
import { expect } from "chai";
import { Pump, type Source } from "../../../services/pump/pump.ts";
import { SCHEDULE, stageIndex } from "../../../services/pump/schedule.ts";
import { LineLog, ManualClock } from "../support/ports.ts";

// example: port
/** A thermometer as the core sees it: readings that wait, oldest first. */
interface Thermometer {
  readonly waiting: number;
  /** The oldest, which waits no more. */
  take(): number;
}
// end

// example: source
/** Hands readings on, as many as the stage allows, and none for which its consumer has no room. */
function readings(port: Thermometer, consumer: { readonly free: number; put(reading: number): void }): Source {
  let refused = 0;
  return {
    serve(budget) {
      let done = 0;
      while (done < budget && port.waiting > 0 && consumer.free > 0) {
        consumer.put(port.take());
        done++;
      }
      if (done < budget && port.waiting > 0) refused++;
      return done;
    },
    ready: () => port.waiting > 0 && consumer.free > 0,
    backlog: () => port.waiting,
    refused: () => refused,
  };
}
// end

class Setup {
  readonly clock = new ManualClock();
  readonly log = new LineLog();
  readonly pump = new Pump({
    clock: this.clock,
    log: this.log,
    heap: { usedBytes: () => 0, collect: () => 0 },
    describe: String,
    tickUs: 10_000,
  });
  /** Readings that wait, and those that the consumer has and has room for. */
  readonly waiting: number[] = [];
  readonly taken: number[] = [];
  room = Infinity;

  constructor() {
    const { waiting, taken, pump } = this;
    const port: Thermometer = {
      get waiting() {
        return waiting.length;
      },
      take: () => waiting.shift()!,
    };
    const free = (): number => this.room - taken.length;
    const consumer = {
      get free() {
        return free();
      },
      put: (reading: number) => void taken.push(reading),
    };
    pump.attach("serial-rx", "thermometer", readings(port, consumer));
  }

  /** What the stage counts. */
  get stage(): { done: number; deferred: number; refused: number } {
    const { done, deferred, refused } = this.pump.stages()[stageIndex("serial-rx")]!;
    return { done, deferred, refused };
  }
}

describe("a source that was added to the pump", () => {
  const budget = SCHEDULE[stageIndex("serial-rx")]!.budget;
  const many = Array.from({ length: budget + 5 }, (_, i) => i);

  it("does its budget in a turn, asks for another at once, and then for none", () => {
    const { pump, clock, waiting, taken, ...setup } = new Setup();
    waiting.push(...many);
    expect(pump.turn(clock.us)).to.equal(clock.us);
    expect(taken).to.have.length(budget);
    expect(pump.turn(clock.us)).to.be.greaterThan(clock.us);
    expect(taken).to.deep.equal(many);
    expect(setup.room).to.equal(Infinity);
  });

  it("leaves with the device what its consumer has no room for, counts that, and wants no turn for it", () => {
    const setup = new Setup();
    const { pump, clock, waiting, taken } = setup;
    setup.room = 3;
    waiting.push(1, 2, 3, 4);
    expect(pump.turn(clock.us)).to.be.greaterThan(clock.us);
    expect([taken, waiting]).to.deep.equal([[1, 2, 3], [4]]);
    expect(setup.stage).to.deep.equal({ done: 3, deferred: 0, refused: 1 });
    setup.room = 4;
    pump.turn(clock.us);
    expect([taken, waiting]).to.deep.equal([[1, 2, 3, 4], []]);
  });

  it("is stopped when it throws a fourth time within a minute, and the others go on", () => {
    const { pump, clock, log, waiting } = new Setup();
    let others = 0;
    pump.attach("serial-rx", "other", { serve: () => 0 * ++others, ready: () => false });
    Object.defineProperty(waiting, "shift", {
      value: () => {
        throw new Error("no reading");
      },
    });
    waiting.push(1);
    for (let turn = 1; turn <= 6; turn++) pump.turn(clock.us);
    expect(log.lines.filter((line) => line.includes("source thermometer failed"))).to.have.length(3);
    expect(log.lines.filter((line) => line.includes("source thermometer stopped"))).to.have.length(1);
    expect(others).to.equal(6);
  });
});
