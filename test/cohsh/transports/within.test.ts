import { expect } from "chai";
import { spawnSync } from "node:child_process";
import { within } from "../../../cohsh/transports/within.ts";
import { inRepository } from "../../../scripts/lib/repository.ts";

const aborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));

describe("a time within which something has to be", () => {
  it("ends by itself", async () => {
    // Nothing else holds this process.
    const held = setInterval(() => undefined, 1000);
    await aborted(within(10));
    clearInterval(held);
  });

  it("ends with any other signal, also one that has ended", async () => {
    const [one, two] = [new AbortController(), new AbortController()];
    const both = within(60_000, one.signal, two.signal);
    const ended = aborted(both);
    two.abort();
    await ended;
    expect(within(60_000, one.signal, two.signal).aborted).to.equal(true);
    expect(within(60_000, one.signal).aborted).to.equal(false);
  });

  it("ends though nobody but who waits knows of it, and memory is collected meanwhile", () => {
    const program = `
      import { within } from ${JSON.stringify(inRepository("cohsh", "transports", "within.ts"))};
      const make = () => AbortSignal.any([within(50, new AbortController().signal), new AbortController().signal]);
      const late = setTimeout(() => process.exit(1), 5000);
      make().addEventListener("abort", () => process.exit(0));
      global.gc();
    `;
    const args = ["--expose-gc", "--import", "tsx", "--input-type=module", "--eval", program];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 20_000 });
    expect(status, stderr).to.equal(0);
  }).timeout(20_000);
});
