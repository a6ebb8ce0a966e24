import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import type { Executor, Task } from "../../../gpu-bridge/backend.ts";
import { MockBackend, type MockBehaviour } from "../../../gpu-bridge/backends/mock.ts";
import { backendAcceptance } from "./backend.acceptance.ts";
import { expectRefused, floatsOf, rejection } from "./exact.ts";

let behaviour: MockBehaviour = { do: "run" };
backendAcceptance("mock", () => new MockBackend({ behaviour: () => behaviour }), {
  hold: () => {
    behaviour = { do: "hang" };
    return () => {
      behaviour = { do: "run" };
    };
  },
});

describe("MockBackend", () => {
  const signal = new AbortController().signal;
  const task: Task = { kernel: { kernel: "vadd", n: 1 }, input: Uint8Array.of(0, 0, 128, 63, 0, 0, 0, 64) };

  async function open(backend: MockBackend): Promise<Executor> {
    return backend.open(backend.gpus[0]!);
  }

  it("has as many GPUs as it is told, always the same ones", () => {
    const [first, second] = [new MockBackend({ gpus: 3 }).gpus, new MockBackend({ gpus: 3 }).gpus];
    expect(first.map(({ id }) => id)).to.deep.equal(["GPU-0", "GPU-1", "GPU-2"]);
    expect(second).to.deep.equal(first);
    expect(new MockBackend({ memoryMb: 100 }).gpus[1]).to.include({ memoryMb: 100, backend: "mock" });
    for (const gpus of [0, 65, 1.5]) expect(() => new MockBackend({ gpus })).to.throw(RangeError);
  });

  it("fails with the reason that it is told, after the time that it is told", async () => {
    const executor = await open(new MockBackend({ behaviour: { do: "fail", reason: "fell off the bus", delayMs: 2 } }));
    await expectRefused(executor.run(task, signal), "fell off the bus");
    await executor.close();
  });

  it("is slow if it is told to be, and no slower than until it is aborted", async () => {
    const backend = new MockBackend({
      behaviour: (_, ordinal) => ({ do: "run", delayMs: ordinal === 0 ? 10 : 100_000 }),
    });
    const executor = await open(backend);
    expect([...floatsOf(await executor.run(task, signal))]).to.deep.equal([3]);
    const abort = new AbortController();
    const running = executor.run(task, abort.signal);
    abort.abort(new Error("over"));
    expect(await rejection(running)).to.have.property("message", "over");
    await backend.close();
  });

  it("is asked about each task in turn, over all its GPUs", async () => {
    const seen: [number, Task][] = [];
    const backend = new MockBackend({
      behaviour: (each, ordinal) => {
        seen.push([ordinal, each]);
        return ordinal === 1 ? { do: "hang" } : { do: "run" };
      },
    });
    const [one, two] = await Promise.all(backend.gpus.map((gpu) => backend.open(gpu)));
    await one!.run(task, signal);
    let over = false;
    const hanging = rejection(two!.run(task, signal)).finally(() => {
      over = true;
    });
    await one!.run(task, signal);
    await nextTurn();
    expect(over).to.equal(false);
    await backend.close();
    expect(await hanging).to.have.property("message", "the executor was closed");
    expect(seen).to.deep.equal([0, 1, 2].map((ordinal) => [ordinal, task]));
  });
});
