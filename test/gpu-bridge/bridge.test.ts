import { expect } from "chai";
import type { GpuInfo } from "../../gpu-bridge/backend.ts";
import { Bridge } from "../../gpu-bridge/bridge.ts";
import { FakeBackend, type FakeExecutor, INFO } from "./support.ts";

/** Opens so many GPUs and no more. */
class Failing extends FakeBackend {
  override open(): Promise<FakeExecutor> {
    return this.executors.length > 0 ? Promise.reject(new Error("the second is lost")) : super.open();
  }
}

async function failure(backend: FakeBackend): Promise<string> {
  try {
    await Bridge.open(backend, { said: () => undefined });
    return "none";
  } catch (error) {
    return (error as Error).message;
  }
}

describe("a bridge", () => {
  const named = (...ids: string[]): GpuInfo[] => ids.map((id) => ({ ...INFO, id }));

  it("is not opened without GPUs, or with ids that are no names or two of one, and leaves nothing open", async () => {
    for (const [backend, sentence] of [
      [new FakeBackend([]), "there is no GPU"],
      [new FakeBackend(named("GPU-0", "../x")), '"../x" is no id of a GPU'],
      [new FakeBackend(named("GPU-0", "GPU-0")), "there are two GPUs GPU-0"],
      [new Failing(named("GPU-0", "GPU-1")), "the second is lost"],
    ] as const) {
      expect(await failure(backend)).to.equal(sentence);
      expect(backend.closed, sentence).to.equal(true);
      expect(
        backend.executors.every(({ closed }) => closed),
        sentence,
      ).to.equal(true);
    }
  });
});
