/**
 * Throughput in virtual time, compared with the committed snapshot to the byte, and with smoltcp's published figures. What is
 * cheap runs always; `NETSIM=all` runs every cell, `NETSIM=update` does so and writes the snapshot anew.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { fairness, manyFlows, oneFlow } from "./flows.ts";
import { BUFFERS, LOSSES, SMOLTCP } from "./smoltcp.ts";

const SNAPSHOT = "test/services/net/netsim/snapshot.txt";
const TEN_MIB = 10 * 1024 * 1024;
const TWO_MIB = 2 * 1024 * 1024;
const mode = process.env["NETSIM"] ?? "";
const all = mode === "all" || mode === "update";
const snapshot = existsSync(SNAPSHOT) ? readFileSync(SNAPSHOT, "utf8").split("\n") : [];
const fresh: string[] = [];

/** A line of the snapshot must be what it was. */
function same(line: string): void {
  fresh.push(line);
  if (mode === "update") return;
  const name = line.slice(0, 32);
  expect(
    snapshot.find((old) => old.slice(0, 32) === name),
    "the snapshot's line; NETSIM=update writes it anew",
  ).to.equal(line);
}

function row(name: string, cells: readonly string[]): string {
  return name.padEnd(32) + cells.map((cell) => cell.padStart(11)).join("");
}

describe("netsim, one flow of 10 MiB", function () {
  this.timeout(600_000);

  for (const buffer of BUFFERS) {
    if (!all && buffer < 16_384) continue;
    it(`buffers of ${buffer} bytes: at or above smoltcp at every loss`, () => {
      const ours = LOSSES.map((loss) => oneFlow(buffer, loss, TEN_MIB, "rate"));
      const theirs = SMOLTCP[buffer]!;
      same(
        row(
          `rate ${buffer}`,
          ours.map((rate) => rate.toFixed(2)),
        ),
      );
      same(
        row(
          `  of smoltcp ${buffer}`,
          ours.map((rate, i) => (rate / theirs[i]!).toFixed(2)),
        ),
      );
      ours.forEach((rate, i) =>
        expect(rate.toFixed(2), `loss ${LOSSES[i]}`).to.satisfy(() => rate >= theirs[i]! - 0.005),
      );
    });
  }

  for (const buffer of [8192, 32_768]) {
    it(`buffers of ${buffer} bytes: the classic control, for comparison`, () => {
      const ours = LOSSES.map((loss) => oneFlow(buffer, loss, TEN_MIB, "newreno"));
      same(
        row(
          `newreno ${buffer}`,
          ours.map((rate) => rate.toFixed(2)),
        ),
      );
      // Mathis: what a control that halves for each loss can reach at all.
      expect(ours[4]!).to.be.lessThan(82_000);
    });
  }

  for (const [rttMs, buffer] of [
    [10, 32_768],
    [10, 131_072],
    [100, 131_072],
    [100, 1_048_576],
  ] as const) {
    it(`round trips of ${rttMs} ms, buffers of ${buffer} bytes with window scaling, for our own record`, () => {
      const losses = [0, 0.01, 0.05];
      const ours = losses.map((loss) => oneFlow(buffer, loss, TEN_MIB, "rate", rttMs * 1000));
      same(
        row(
          `rate ${buffer} at ${rttMs} ms`,
          ours.map((rate) => rate.toFixed(2)),
        ),
      );
    });
  }
});

describe("netsim, several flows over one link of 200 Mbit/s", function () {
  this.timeout(600_000);

  for (const control of ["rate", "newreno"] as const) {
    for (const count of [1, 2, 4, 16, 32, 64]) {
      if (!all && count > 16) continue;
      it(`${count} under ${control}`, () => {
        const { received, seconds, dropped } = manyFlows(count, TWO_MIB, control);
        const total = received.reduce((sum, bytes) => sum + bytes, 0) / seconds;
        const jain = fairness(received);
        same(
          row(`${control}, flows ${count}`, [
            total.toFixed(0),
            (Math.min(...received) / seconds).toFixed(0),
            (Math.max(...received) / seconds).toFixed(0),
            jain.toFixed(3),
            dropped.toFixed(4),
          ]),
        );
        if (control !== "rate") return;
        if (count === 1) expect(total).to.be.greaterThan(1_500_000);
        if (count === 64) expect(total).to.be.greaterThan(15_000_000);
        expect(jain).to.be.greaterThan(count === 64 ? 0.9 : 0.85);
      });
    }
  }

  after(() => {
    if (mode !== "update") return;
    const head = [
      "Bytes per virtual second. NETSIM=update npx mocha test/services/net/netsim/netsim.test.ts",
      row(
        "one flow: control, buffer; loss",
        LOSSES.map((loss) => `${loss * 100} %`),
      ),
      row("flows: control, number", ["aggregate", "slowest", "fastest", "fairness", "dropped"]),
    ];
    writeFileSync(SNAPSHOT, [...head, ...fresh, ""].join("\n"));
  });
});
