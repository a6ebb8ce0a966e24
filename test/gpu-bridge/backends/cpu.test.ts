import { once } from "node:events";
import { setTimeout as after } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { expect } from "chai";
import { inputBytes, type Executor, type Task } from "../../../gpu-bridge/backend.ts";
import { CpuBackend } from "../../../gpu-bridge/backends/cpu.ts";
import { startThread } from "../../../gpu-bridge/backends/cpu-thread.ts";
import { MAX_TASKS } from "../../../gpu-bridge/backends/task.ts";
import { backendAcceptance } from "./backend.acceptance.ts";
import { expectRefused, floatsOf, rejection } from "./exact.ts";

backendAcceptance("cpu", () => new CpuBackend());

describe("CpuBackend", () => {
  const signal = new AbortController().signal;
  const short: Task = { kernel: { kernel: "vadd", n: 1 }, input: Uint8Array.of(0, 0, 128, 63, 0, 0, 0, 64) };
  const long: Task = (() => {
    const kernel = { kernel: "matmul", m: 2048, k: 1024, n: 2048 } as const;
    return { kernel, input: new Uint8Array(inputBytes(kernel)) };
  })();
  /** Every thread that was started, and those that have ended. */
  const started: Worker[] = [];
  const ended = new Set<Worker>();
  let backend: CpuBackend;
  let executor: Executor;

  async function withThreads(make: () => Worker): Promise<void> {
    started.length = 0;
    ended.clear();
    backend = new CpuBackend({
      startThread: () => {
        const thread = make();
        started.push(thread);
        thread.once("exit", () => ended.add(thread));
        return thread;
      },
    });
    executor = await backend.open(backend.gpus[0]!);
  }

  afterEach(async () => {
    await backend.close();
    expect(ended.size, "threads that have ended").to.equal(started.length);
  });

  it("says that it is the processor", async () => {
    await withThreads(startThread);
    expect(backend.gpus).to.have.length(1);
    expect(backend.gpus[0]).to.include({ vendor: "CPU", backend: "cpu", id: "GPU-0" });
    expect(new CpuBackend().gpus).to.deep.equal(backend.gpus);
  });

  it("starts no thread before there is a task, and one for many that come after each other", async () => {
    await withThreads(startThread);
    expect(started).to.have.length(0);
    for (let i = 0; i < 5; i++) expect([...floatsOf(await executor.run(short, signal))]).to.deep.equal([3]);
    expect(started).to.have.length(1);
  });

  it("lets the process go on while it works, and has ended the thread of a task when its abortion is told", async () => {
    await withThreads(startThread);
    await executor.run(short, signal);
    const abort = new AbortController();
    const running = rejection(executor.run(long, abort.signal));
    // It is in the middle of seconds of work then, and this goes on all the same.
    await after(30);
    expect(ended.size).to.equal(0);
    const reason = new Error("revoked");
    abort.abort(reason);
    expect(await running).to.equal(reason);
    expect([...ended]).to.deep.equal(started);
    await executor.run(short, signal);
    expect(started).to.have.length(2);
  });

  it("never has more threads than tasks that may run, and keeps no more than there are cores", async () => {
    await withThreads(startThread);
    await Promise.all(Array.from({ length: MAX_TASKS }, () => executor.run(short, signal)));
    expect(started.length).to.be.at.most(MAX_TASKS);
    expect(started.length - ended.size).to.be.at.most(backend.gpus[0]!.smCount);
  });

  const deaths = [
    ["throws", `throw new Error("out of luck")`, "the thread that computed it died: out of luck"],
    ["ends", "process.exit(3)", "the thread that computed it ended with status 3"],
    [
      "answers something else",
      "parentPort.postMessage(new ArrayBuffer(3))",
      "the thread that computed it answered something else",
    ],
  ] as const;
  for (const [what, program, sentence] of deaths) {
    it(`tells of a thread that ${what}, and has a new one for the next task`, async () => {
      const bad = `const { parentPort } = require("node:worker_threads"); parentPort.on("message", () => { ${program}; });`;
      await withThreads(() => (started.length === 0 ? new Worker(bad, { eval: true, execArgv: [] }) : startThread()));
      await expectRefused(executor.run(short, signal), sentence);
      expect([...floatsOf(await executor.run(short, signal))]).to.deep.equal([3]);
      expect(started).to.have.length(2);
    });
  }

  it("does not mind a thread that dies with nothing to do", async () => {
    await withThreads(startThread);
    await executor.run(short, signal);
    await started[0]!.terminate();
    await executor.run(short, signal);
    const dying = started[1]!;
    dying.emit("error", new Error("heap"));
    await dying.terminate();
    if (!ended.has(dying)) await once(dying, "exit");
    await executor.run(short, signal);
    expect(started).to.have.length(3);
  });
});
