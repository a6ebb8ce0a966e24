import { readFileSync } from "node:fs";
import { expect } from "chai";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import { hiveGpuFigures } from "../../scripts/lib/gpu-bench.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import { inSimulator, type ListeningHive } from "./listening-hive.ts";

const FEW = { vadds: 2, matmuls: 1, blobBytes: 20_000 };

describe(`benchmark of jobs of a hive ${inSimulator.name}`, function () {
  this.timeout(60_000);
  let hive: ListeningHive;
  before(async () => (hive = await inSimulator.start()));
  after(() => hive.end());

  it("measures them from the Queen to the result, and says what that is beside the executor alone", async () => {
    const { token, tickets } = readCredentials(readFileSync(credentialsPath, "utf8"));
    const keys = { token, ticket: tickets.queen ?? "" };
    let seconds = 0;
    // A hive that takes a second between two looks at its clock, which are before and after the jobs.
    const figures = await hiveGpuFigures({ port: hive.port, keys, cpuSeconds: () => seconds++ }, FEW);
    expect(figures.map(({ name, unit }) => `${name} ${unit}`).filter((name) => name.includes("hive"))).to.deep.equal([
      "gpu: vadd of 4 through the hive p50 ms",
      "gpu: vadd of 4 through the hive, 1 at once /s",
      "gpu: vadd of 4 through the hive, 4 at once /s",
      "gpu: matmul of 256 through the hive, blobs included, p50 ms",
      "gpu: matmul of 256 through the hive, blobs included MB/s",
      "gpu: writes of a blob through the hive, 1 at once MB/s",
      "gpu: reads of a blob through the hive, 1 at once MB/s",
      "gpu: writes of a blob through the hive, 4 at once MB/s",
      "gpu: reads of a blob through the hive, 4 at once MB/s",
      "gpu: vadd of 4 through the hive, processor of the hive ms",
      "gpu: vadd of 4 through the hive, of the executor alone times",
      "gpu: matmul of 256 through the hive, of the executor alone times",
    ]);
    for (const { name, value } of figures) expect(value, name).to.be.within(Number.MIN_VALUE, Number.MAX_VALUE);
    const value = (name: string): number => figures.find((figure) => figure.name === name)!.value;
    expect(value("gpu: vadd of 4 through the hive, processor of the hive")).to.equal(1000 / FEW.vadds);
    expect(value("gpu: vadd of 4 through the hive, of the executor alone")).to.equal(
      value("gpu: vadd of 4 through the hive p50") / value("gpu: vadd of 4, the executor alone p50"),
    );
  });
});
