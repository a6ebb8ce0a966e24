import { expect } from "chai";
import { Checks, ensure, Skipped } from "../../../scripts/lib/checks.ts";

describe("checks", () => {
  let lines: string[];
  const log = console.log;
  beforeEach(() => {
    lines = [];
    console.log = (line: string): void => void lines.push(line);
  });
  afterEach(() => {
    console.log = log;
  });

  it("counts what passed, failed and was skipped, says why, and sums up last", async () => {
    const checks = new Checks();
    await checks.run("one", () => "5 ms");
    await checks.run("two", () => Promise.resolve(""));
    await checks.run("three", () => {
      ensure(false, "it is not so");
      return "";
    });
    await checks.run("four", () => {
      throw new Skipped("no tun device");
    });
    const status = checks.finish();
    console.log = log;
    expect(lines).to.deep.equal([
      "ok       one: 5 ms",
      "ok       two",
      "FAILED   three: it is not so",
      "SKIPPED  four: no tun device",
      "2 passed, 1 failed, 1 skipped",
    ]);
    expect(status).to.equal(1);
  });

  it("is fine if nothing failed", async () => {
    const checks = new Checks();
    await checks.run("four", () => Promise.reject(new Skipped("no root")));
    const status = checks.finish();
    console.log = log;
    expect(status).to.equal(0);
  });
});
