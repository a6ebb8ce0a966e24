/**
 * Runs tasks on one GPU by CUDA. Each has a stream and memory of its own, which are given back however it ends. A kernel that was
 * started cannot be stopped, so an aborted task is over when its kernel is; the largest ones take some tens of milliseconds.
 * After an error that spoils the context, what runs in it ends and the next task has a new one.
 */
import { setImmediate as nextTurn, setTimeout as after } from "node:timers/promises";
import { ExecutionError, outputBytes, type Executor, type Kernel, type Task } from "../../backend.ts";
import { TasksInFlight } from "../task.ts";
import type { Cuda, Handle, Parameter } from "./cuda.ts";
import { CONTEXT_IS_LOST, CUDA_ERROR_NOT_READY } from "./cuda-errors.ts";
import { CudaError } from "./errors.ts";
import { type Launch, launchOf, type LaunchLimits } from "./launch.ts";
import { MODULE } from "./ptx.ts";

/** How often a stream is asked in consecutive turns before there is a millisecond between two questions. */
const EAGER_POLLS = 50;
const POLL_MS = 1;

/** A context with our kernels in it, and how many tasks use it. */
class Context {
  readonly #cuda: Cuda;
  readonly #handle: Handle;
  readonly kernels: Readonly<Record<Kernel["kernel"], Handle>>;
  users = 0;
  spoiled = false;

  /** @throws CudaError; nothing is left of it then */
  constructor(cuda: Cuda, device: number) {
    this.#cuda = cuda;
    this.#handle = cuda.createContext(device);
    try {
      const module = cuda.loadModule(MODULE);
      this.kernels = { vadd: cuda.functionOf(module, "vadd"), matmul: cuda.functionOf(module, "matmul") };
      cuda.pop();
    } catch (error) {
      cuda.destroyContext(this.#handle);
      throw error;
    }
  }

  /** Has the context current while the work lasts, which must not wait for anything. @throws CudaError */
  within<T>(work: () => T): T {
    try {
      this.#cuda.push(this.#handle);
      let result: T;
      try {
        result = work();
      } catch (error) {
        this.#popAfterFailure();
        throw error;
      }
      this.#cuda.pop();
      return result;
    } catch (error) {
      if (error instanceof CudaError && CONTEXT_IS_LOST.has(error.code)) this.spoiled = true;
      throw error;
    }
  }

  /** The first failure is the one to tell. */
  #popAfterFailure(): void {
    try {
      this.#cuda.pop();
    } catch {
      this.spoiled = true;
    }
  }

  destroy(): void {
    this.#cuda.destroyContext(this.#handle);
  }
}

/** What a task has on the GPU. */
interface Held {
  stream?: Handle;
  readonly memory: Handle[];
}

function parameters(kernel: Kernel, input: Handle, result: Handle): readonly Parameter[] {
  if (kernel.kernel === "vadd") return [input, input + BigInt(4 * kernel.n), result, kernel.n];
  const { m, k, n } = kernel;
  return [input, input + BigInt(4 * m * k), result, m, k, n];
}

export interface CudaExecutorOptions {
  /** How long the kernel of an aborted task may still run before the GPU is given up. */
  readonly endMs: number;
}

export class CudaExecutor implements Executor {
  readonly #cuda: Cuda;
  readonly #device: number;
  readonly #limits: LaunchLimits;
  readonly #endMs: number;
  readonly #tasks = new TasksInFlight();
  #context: Context | undefined;
  #givenUp: string | undefined;

  /** @throws CudaError */
  constructor(cuda: Cuda, device: number, { endMs }: CudaExecutorOptions) {
    this.#cuda = cuda;
    this.#device = device;
    this.#endMs = endMs;
    this.#limits = cuda.limits(device);
    this.#context = new Context(cuda, device);
  }

  run(task: Task, signal: AbortSignal): Promise<Uint8Array> {
    return this.#tasks.run(task, signal, (ended) => this.#execute(task, ended));
  }

  async close(): Promise<void> {
    await this.#tasks.close();
    if (this.#givenUp === undefined) this.#context?.destroy();
    this.#context = undefined;
  }

  #usableContext(): Context {
    if (this.#givenUp !== undefined) throw new ExecutionError(this.#givenUp);
    if (this.#context?.spoiled === true) this.#context = undefined;
    return (this.#context ??= new Context(this.#cuda, this.#device));
  }

  async #execute(task: Task, signal: AbortSignal): Promise<Uint8Array> {
    const launch = launchOf(task, this.#limits);
    const context = this.#usableContext();
    const held: Held = { memory: [] };
    context.users++;
    try {
      const result = context.within(() => this.#start(context, held, task, launch));
      await this.#idle(context, held, signal);
      signal.throwIfAborted();
      const bytes = new Uint8Array(outputBytes(task.kernel));
      context.within(() => this.#cuda.copyOut(bytes, result, held.stream ?? 0n));
      await this.#idle(context, held, signal);
      signal.throwIfAborted();
      return bytes;
    } finally {
      this.#release(context, held);
    }
  }

  /** @returns where the result will be */
  #start(context: Context, held: Held, { kernel, input }: Task, { grid, block }: Launch): Handle {
    const cuda = this.#cuda;
    const allocate = (bytes: number): Handle => {
      const memory = cuda.allocate(bytes);
      held.memory.push(memory);
      return memory;
    };
    const stream = cuda.createStream();
    held.stream = stream;
    const from = allocate(input.length);
    const to = allocate(outputBytes(kernel));
    cuda.copyIn(from, input, stream);
    cuda.launch(context.kernels[kernel.kernel], grid, block, stream, parameters(kernel, from, to));
    return to;
  }

  /** Waits without holding the process up, aborted or not. @throws CudaError, ExecutionError if an aborted one goes on and on */
  async #idle(context: Context, { stream = 0n }: Held, signal: AbortSignal): Promise<void> {
    let endBy: number | undefined;
    for (let polls = 0; ; polls++) {
      const code = context.within(() => this.#cuda.query(stream));
      if (code === 0) return;
      if (code !== CUDA_ERROR_NOT_READY) {
        if (CONTEXT_IS_LOST.has(code)) context.spoiled = true;
        throw this.#cuda.failure("cuStreamQuery", code);
      }
      if (signal.aborted) {
        endBy ??= performance.now() + this.#endMs;
        if (performance.now() > endBy) this.#giveUp();
      }
      await (polls < EAGER_POLLS ? nextTurn() : after(POLL_MS));
    }
  }

  /** Whatever touched the GPU's memory now would wait for the kernel, so it stays as it is. */
  #giveUp(): never {
    this.#givenUp = `a kernel did not end within ${this.#endMs} ms after it was aborted; the bridge has to be started again`;
    throw new ExecutionError(this.#givenUp);
  }

  #release(context: Context, { stream, memory }: Held): void {
    if (this.#givenUp !== undefined) return;
    const each = [...memory.map((at) => () => this.#cuda.free(at))];
    if (stream !== undefined) each.push(() => this.#cuda.destroyStream(stream));
    try {
      context.within(() => {
        for (const give of each) {
          try {
            give();
          } catch {
            // Destroying the context gives it back.
            context.spoiled = true;
          }
        }
      });
    } catch {
      context.spoiled = true;
    }
    context.users--;
    if (!context.spoiled || context.users > 0) return;
    context.destroy();
    if (this.#context === context) this.#context = undefined;
  }
}
