import { expect } from "chai";
import { BootLog } from "../../../services/log/boot-log.ts";
import { drainLog } from "../../../services/log/log-drain.ts";
import { ManualClock, nodeBytes } from "../support/ports.ts";

describe("drainLog", () => {
  const LINE = 100;

  function drained(ringBytes: number): { log: BootLog; printed: string[]; source: ReturnType<typeof drainLog> } {
    const log = new BootLog({ clock: new ManualClock(), bytes: nodeBytes, ringBytes, lineBytes: LINE });
    const printed: string[] = [];
    return { log, printed, source: drainLog(log, nodeBytes, LINE, (line) => printed.push(line)) };
  }

  it("prints every line once, as many in a turn as the budget has lines' lengths", () => {
    const { log, printed, source } = drained(8192);
    expect(source.ready(0)).to.equal(false);
    for (const word of ["one", "two", "three"]) log.print(word);
    expect(source.ready(0)).to.equal(true);
    expect(source.serve(2 * LINE, 0)).to.equal(2 * LINE);
    expect(printed).to.deep.equal(["one", "two"]);
    source.serve(2 * LINE, 0);
    expect(printed).to.deep.equal(["one", "two", "three"]);
    expect(source.ready(0)).to.equal(false);
  });

  it("goes on at the oldest line that is left", () => {
    const { log, printed, source } = drained(1024);
    for (let i = 0; i < 1000; i++) log.print(`line ${i}`);
    source.serve(1e6, 0);
    expect(printed.at(-1)).to.equal("line 999");
    expect(printed.length).to.be.within(10, 999);
  });
});
