/**
 * What every backend refuses before it starts anything, so that a task is accepted by all of them or by none.
 */
import { setMaxListeners } from "node:events";
import {
  BLOB_BYTES,
  ExecutionError,
  inputBytes,
  outputBytes,
  type Executor,
  type Kernel,
  type Task,
} from "../backend.ts";

/** How many tasks an executor runs at once. Whoever asks for more keeps the others in a queue of its own. */
export const MAX_TASKS = 16;

function dimensionsOf(kernel: Kernel): Readonly<Record<string, number>> {
  if (kernel.kernel === "vadd") return { n: kernel.n };
  return { m: kernel.m, k: kernel.k, n: kernel.n };
}

/** @throws ExecutionError if a dimension is not a whole number from 1 on, or input, its length or the result is not allowed */
export function checkTask({ kernel, input }: Task): void {
  for (const [name, value] of Object.entries(dimensionsOf(kernel))) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new ExecutionError(`${name} is ${value}, not a whole number from 1 on`);
  }
  const takes = inputBytes(kernel);
  const gives = outputBytes(kernel);
  if (!(takes <= BLOB_BYTES))
    throw new ExecutionError(`${kernel.kernel} of that size takes ${takes} bytes, more than ${BLOB_BYTES}`);
  if (!(gives <= BLOB_BYTES))
    throw new ExecutionError(`${kernel.kernel} of that size gives ${gives} bytes, more than ${BLOB_BYTES}`);
  if (input.length !== takes) throw new ExecutionError(`${kernel.kernel} takes ${takes} bytes, not ${input.length}`);
}

/** The tasks that an executor runs now: how many there may be, what ends them all, and when none is left. */
export class TasksInFlight {
  /** Each with what ends it. Not AbortSignal.any, which keeps something of every task for as long as the executor lives. */
  readonly #running = new Map<Promise<unknown>, AbortController>();
  #closed = false;

  /**
   * @param work gets a signal for the task's own one and for the end of the executor
   * @throws ExecutionError if the task is not allowed, the executor closed or full; the signal's reason if it is aborted
   */
  async run(task: Task, signal: AbortSignal, work: (signal: AbortSignal) => Promise<Uint8Array>): Promise<Uint8Array> {
    signal.throwIfAborted();
    if (this.#closed) throw closed();
    checkTask(task);
    if (this.#running.size >= MAX_TASKS) throw new ExecutionError(`${MAX_TASKS} tasks run already`);
    const end = new AbortController();
    const aborted = (): void => end.abort(signal.reason);
    // One signal may well be that of all tasks of a lease; each takes its listener away again.
    setMaxListeners(0, signal);
    signal.addEventListener("abort", aborted, { once: true });
    // The promise is in the map before the work's first turn ends, so that close() never misses one.
    const running = work(end.signal);
    this.#running.set(running, end);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
      signal.removeEventListener("abort", aborted);
    }
  }

  /** Aborts what runs and waits for its end; whatever is asked for later is refused. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const end of this.#running.values()) end.abort(closed());
    await Promise.allSettled(this.#running.keys());
  }
}

function closed(): ExecutionError {
  return new ExecutionError("the executor was closed");
}

/** The executors that a backend has open, so that closing it closes them. */
export class OpenExecutors {
  readonly #open = new Set<Executor>();
  #closed = false;

  /** @param make is not called once the backend is closed */
  add(make: () => Executor): Executor {
    if (this.#closed) throw new Error("the backend was closed");
    const executor = make();
    const tracked: Executor = {
      run: (task, signal) => executor.run(task, signal),
      close: async () => {
        await executor.close();
        this.#open.delete(tracked);
      },
    };
    this.#open.add(tracked);
    return tracked;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#open].map((executor) => executor.close()));
  }
}
