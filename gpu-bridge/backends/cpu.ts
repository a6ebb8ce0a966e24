/**
 * The machine's processor as the GPU of a machine that has none. Each task has a thread to itself, so the process goes on, and an
 * aborted one ends at once with its thread. Arithmetic and its tolerance are those of `arithmetic.ts`.
 */
import { createHash } from "node:crypto";
import { availableParallelism, cpus, endianness, hostname, totalmem } from "node:os";
import type { Worker } from "node:worker_threads";
import { ExecutionError, outputBytes, type Backend, type Executor, type GpuInfo, type Task } from "../backend.ts";
import { startThread, type Work } from "./cpu-thread.ts";
import { OpenExecutors, TasksInFlight } from "./task.ts";

export interface CpuOptions {
  /** Starts a thread; one that runs the kernels if absent. */
  readonly startThread?: () => Worker;
}

const MIB = 1024 * 1024;

/** Threads of one executor: one for each task that runs, of which as many are kept for the next ones as there are cores. */
class Threads {
  readonly #start: () => Worker;
  readonly #idle: Worker[] = [];
  readonly #keep = availableParallelism();

  constructor(start: () => Worker) {
    this.#start = start;
  }

  /** @returns one that keeps the process there while it works */
  take(): Worker {
    const thread = this.#idle.pop() ?? this.#new();
    thread.ref();
    return thread;
  }

  #new(): Worker {
    const thread = this.#start();
    const forget = (): void => {
      const at = this.#idle.indexOf(thread);
      if (at >= 0) this.#idle.splice(at, 1);
    };
    thread.once("exit", forget);
    // What it died of is told to the task that it has; one that has none is no loss, and without a listener it ended the process.
    thread.on("error", forget);
    return thread;
  }

  async giveBack(thread: Worker): Promise<void> {
    if (this.#idle.length >= this.#keep) {
      await thread.terminate();
      return;
    }
    thread.unref();
    this.#idle.push(thread);
  }

  async end(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((thread) => thread.terminate()));
  }
}

/**
 * Has a thread do one task.
 * @returns its result; the thread is ready for another one then
 * @throws ExecutionError if the thread dies, or the signal's reason; the thread is of no more use then
 */
function work(thread: Worker, { kernel, input }: Task, signal: AbortSignal): Promise<ArrayBuffer> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void): void => {
      thread.off("message", answered).off("error", died).off("messageerror", died).off("exit", exited);
      signal.removeEventListener("abort", aborted);
      end();
    };
    const answered = (result: unknown): void => {
      settle(() => {
        if (result instanceof ArrayBuffer && result.byteLength === outputBytes(kernel)) resolve(result);
        else reject(new ExecutionError("the thread that computed it answered something else"));
      });
    };
    const died = (error: Error): void => {
      settle(() => reject(new ExecutionError(`the thread that computed it died: ${error.message}`)));
    };
    const exited = (status: number): void => {
      settle(() => reject(new ExecutionError(`the thread that computed it ended with status ${status}`)));
    };
    const aborted = (): void => {
      settle(() => reject(signal.reason as Error));
    };
    thread.on("message", answered).on("error", died).on("messageerror", died).on("exit", exited);
    signal.addEventListener("abort", aborted);
    const own = input.slice().buffer;
    thread.postMessage({ kernel, input: own } satisfies Work, [own]);
  });
}

class CpuExecutor implements Executor {
  readonly #threads: Threads;
  readonly #tasks = new TasksInFlight();

  constructor(start: () => Worker) {
    this.#threads = new Threads(start);
  }

  run(task: Task, signal: AbortSignal): Promise<Uint8Array> {
    return this.#tasks.run(task, signal, async (ended) => {
      const thread = this.#threads.take();
      try {
        const result = await work(thread, task, ended);
        await this.#threads.giveBack(thread);
        return new Uint8Array(result);
      } catch (error) {
        await thread.terminate();
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await this.#tasks.close();
    await this.#threads.end();
  }
}

/** The same for as long as machine and processor are. */
function uuidOf(name: string): string {
  const hex = createHash("sha256").update(`${hostname()}\n${name}`).digest("hex").slice(0, 32);
  return `CPU-${hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")}`;
}

function describeProcessor(): GpuInfo {
  const name = cpus()[0]?.model.trim() || process.arch;
  return {
    id: "GPU-0",
    vendor: "CPU",
    name,
    uuid: uuidOf(name),
    memoryMb: Math.floor(totalmem() / MIB),
    smCount: availableParallelism(),
    driver: `node ${process.versions.node}`,
    runtime: `v8 ${process.versions.v8}`,
    backend: "cpu",
  };
}

export class CpuBackend implements Backend {
  readonly gpus: readonly GpuInfo[];
  readonly #start: () => Worker;
  readonly #executors = new OpenExecutors();

  constructor(options: CpuOptions = {}) {
    if (endianness() !== "LE") throw new Error("tasks are little-endian, and this machine is not");
    this.gpus = [describeProcessor()];
    this.#start = options.startThread ?? startThread;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is to be a rejection
  async open(gpu: GpuInfo): Promise<Executor> {
    if (gpu.id !== this.gpus[0]?.id) throw new Error(`there is no ${gpu.id}`);
    return this.#executors.add(() => new CpuExecutor(this.#start));
  }

  close(): Promise<void> {
    return this.#executors.close();
  }
}
