import { expect } from "chai";
import { spawnSync } from "node:child_process";
import { getEventListeners } from "node:events";
import { within } from "../../../cohsh/transports/within.ts";
import { inRepository } from "../../../scripts/lib/repository.ts";

const aborted = (signal: AbortSignal): Promise<string> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve("aborted");
    else signal.addEventListener("abort", () => resolve("aborted"), { once: true });
  });

describe("work with a deadline", () => {
  it("is told when its time is over", async () => {
    // Nothing else holds this process.
    const held = setInterval(() => undefined, 1000);
    expect(await within(10, [], aborted)).to.equal("aborted");
    clearInterval(held);
  });

  it("is told when any other signal aborts, also one that has", async () => {
    const [one, two] = [new AbortController(), new AbortController()];
    const work = within(60_000, [one.signal, two.signal], aborted);
    two.abort();
    expect(await work).to.equal("aborted");
    expect(await within(60_000, [one.signal, two.signal], aborted)).to.equal("aborted");
  });

  it("gives what it comes to, good or bad, and leaves nobody listening", async () => {
    const { signal } = new AbortController();
    const heard: AbortSignal[] = [];
    const work = (inner: AbortSignal): Promise<number> => {
      heard.push(inner);
      expect(getEventListeners(signal, "abort")).to.have.length(1);
      return heard.length < 2 ? Promise.resolve(7) : Promise.reject(new Error("bad"));
    };
    expect(await within(60_000, [signal], work)).to.equal(7);
    const failure = await within(60_000, [signal], work).catch((error: unknown) => error);
    expect(failure).to.have.property("message", "bad");
    expect(getEventListeners(signal, "abort")).to.deep.equal([]);
    expect(heard.some((inner) => inner.aborted)).to.equal(false);
  });

  it("is told though memory is collected meanwhile", () => {
    const program = `
      import { within } from ${JSON.stringify(inRepository("cohsh", "transports", "within.ts"))};
      const work = (signal) => new Promise((resolve) => {
        AbortSignal.any([signal, new AbortController().signal]).addEventListener("abort", resolve);
        global.gc();
      });
      setTimeout(() => process.exit(1), 5000);
      await within(50, [new AbortController().signal], work);
      process.exit(0);
    `;
    const args = ["--expose-gc", "--import", "tsx", "--input-type=module", "--eval", program];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 20_000 });
    expect(status, stderr).to.equal(0);
  }).timeout(20_000);
});
