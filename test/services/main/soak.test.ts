import { expect } from "chai";
import { bundle, Hive } from "./hive.ts";

describe("hive soak", () => {
  it("has after 100,000 console lines the heap that it had after 1,000, to within 1 %", async function () {
    this.timeout(900_000);
    const hive = new Hive(await bundle());
    await hive.boot();
    const { machine, terminal } = hive;
    // One of each kind: answered, refused by every rule, edited, dropped, with many lines of answer.
    const kinds = [
      "ping",
      "nonsense",
      "",
      "pi\x01ng",
      "pinh\x08g",
      "gone\x15ping",
      "mem",
      "ö漢\x7f",
      "ping me",
      "caps",
    ];
    const batch = `${kinds.join("\r")}\r`.repeat(100);
    let lines = 0;
    const run = async (until: number): Promise<number> => {
      for (; lines < until; lines += 1000) {
        const before = machine.serial.sent;
        terminal.type(batch);
        await hive.quiet();
        expect(machine.serial.sent).to.be.greaterThan(before + 1000 * 11);
        // A terminal that remembers everything is not what is measured here.
        terminal.transcript = "";
      }
      return machine.heapUsed;
    };
    const early = await run(1_000);
    const late = await run(100_000);
    expect(early).to.be.greaterThan(100_000);
    expect(Math.abs(late - early) / early).to.be.lessThan(0.01);
    expect(machine.restarts).to.equal(0);
    terminal.type("ps\r");
    await hive.quiet();
    const rows = terminal.transcript.split("\r\n");
    // Of ten lines five are run and five refused before; and the one that asked.
    expect(rows.find((row) => row.startsWith("console "))).to.match(/^console lines=50001 refused=50000 cancelled=0 /);
  });
});
