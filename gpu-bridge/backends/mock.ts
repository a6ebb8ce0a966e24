/**
 * GPUs that are not there, for tests: always the same ones, right results, and failures exactly where the constructor is told to
 * have them. Tasks are computed in the process itself, so large ones hold it up.
 */
import { endianness } from "node:os";
import { ExecutionError, type Backend, type Executor, type GpuInfo, type Task } from "../backend.ts";
import { matmul, vadd } from "./arithmetic.ts";
import { OpenExecutors, TasksInFlight } from "./task.ts";

/** What becomes of a task: its result after a while, an ExecutionError after a while, or nothing until it is aborted. */
export type MockBehaviour =
  | { readonly do: "run"; readonly delayMs?: number }
  | { readonly do: "fail"; readonly reason: string; readonly delayMs?: number }
  | { readonly do: "hang" };

export interface MockOptions {
  /** 1 to 64; 2 if absent. */
  readonly gpus?: number;
  /** Of each GPU; 8192 if absent. */
  readonly memoryMb?: number;
  /** For all tasks, or asked for each with its number, from 0 on, in the order in which the backend got them. */
  readonly behaviour?: MockBehaviour | ((task: Task, ordinal: number) => MockBehaviour);
}

/** @throws the signal's reason */
async function pause(ms: number | undefined, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    // Without a time there is nothing to wait for but the signal; the timer is what keeps the process there.
    const timer =
      ms === undefined
        ? setInterval(() => undefined, 60_000)
        : setTimeout(() => {
            signal.removeEventListener("abort", stop);
            resolve();
          }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}

/** @param input little-endian, as the machine is */
export function compute({ kernel, input }: Task): Uint8Array {
  const floats = new Float32Array(input.slice().buffer);
  const result = kernel.kernel === "vadd" ? vadd(floats, kernel.n) : matmul(floats, kernel.m, kernel.k, kernel.n);
  return new Uint8Array(result.buffer);
}

class MockExecutor implements Executor {
  readonly #tasks = new TasksInFlight();

  readonly #behave: (task: Task) => MockBehaviour;

  constructor(behave: (task: Task) => MockBehaviour) {
    this.#behave = behave;
  }

  run(task: Task, signal: AbortSignal): Promise<Uint8Array> {
    return this.#tasks.run(task, signal, async (ended) => {
      const behaviour = this.#behave(task);
      await pause(behaviour.do === "hang" ? undefined : (behaviour.delayMs ?? 0), ended);
      if (behaviour.do === "fail") throw new ExecutionError(behaviour.reason);
      return compute(task);
    });
  }

  close(): Promise<void> {
    return this.#tasks.close();
  }
}

export class MockBackend implements Backend {
  readonly gpus: readonly GpuInfo[];
  readonly #behaviour: Exclude<MockOptions["behaviour"], undefined>;
  readonly #executors = new OpenExecutors();
  #ordinal = 0;

  constructor({ gpus = 2, memoryMb = 8192, behaviour = { do: "run" } }: MockOptions = {}) {
    if (!Number.isInteger(gpus) || gpus < 1 || gpus > 64) throw new RangeError(`1 to 64 GPUs, not ${gpus}`);
    if (endianness() !== "LE") throw new Error("tasks are little-endian, and this machine is not");
    this.gpus = Array.from({ length: gpus }, (_, index) => ({
      id: `GPU-${index}`,
      vendor: "Cohesix",
      name: "Mock GPU",
      uuid: `MOCK-00000000-0000-0000-0000-${String(index).padStart(12, "0")}`,
      memoryMb,
      smCount: 16,
      driver: "mock",
      runtime: "mock",
      backend: "mock",
    }));
    this.#behaviour = behaviour;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is to be a rejection
  async open(gpu: GpuInfo): Promise<Executor> {
    if (!this.gpus.some(({ id }) => id === gpu.id)) throw new Error(`there is no ${gpu.id}`);
    const behave = (task: Task): MockBehaviour => {
      const ordinal = this.#ordinal++;
      return typeof this.#behaviour === "function" ? this.#behaviour(task, ordinal) : this.#behaviour;
    };
    return this.#executors.add(() => new MockExecutor(behave));
  }

  close(): Promise<void> {
    return this.#executors.close();
  }
}
