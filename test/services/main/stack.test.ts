import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { bundle, Hive } from "./hive.ts";

const entry = join(import.meta.dirname, "throwing-job.ts");

describe("an exception in a job", () => {
  it("is logged with a stack in TypeScript's files and lines, and the machine goes on", async function () {
    this.timeout(60_000);
    const hive = new Hive(await bundle(true, entry));
    await hive.terminal.expect("pump: job loose stopped: TypeError: the cable is loose\n");
    await hive.machine.runFor(1000);
    const line =
      1 +
      readFileSync(entry, "utf8")
        .split("\n")
        .findIndex((text) => text.includes("throw new TypeError"));
    expect(hive.terminal.transcript).to.contain(`test/services/main/throwing-job.ts:${line}`);
    expect(hive.terminal.transcript).to.match(/services\/pump\/jobs\.ts:\d+/);
    expect(hive.terminal.transcript).to.not.contain("main.js");
    expect(hive.machine.restarts).to.equal(0);
    expect(hive.machine.haltReason).to.equal(undefined);
  });
});
