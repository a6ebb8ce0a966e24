/** A bridge for tests: time that passes when it is told to, and a backend that computes at once or when it is told to. */

import { createHash } from "node:crypto";
import type { Backend, Executor, GpuInfo, Kernel, Task } from "../../gpu-bridge/backend.ts";
import { Bridge } from "../../gpu-bridge/bridge.ts";
import type { BridgeClock } from "../../gpu-bridge/clock.ts";
import type { BridgeLimits } from "../../gpu-bridge/limits.ts";

export class ManualClock implements BridgeClock {
  #nowMs = 0;
  #timers: { atMs: number; then: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  unixMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(ms: number, then: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, then };
    this.#timers.push(timer);
    return () => (this.#timers = this.#timers.filter((other) => other !== timer));
  }

  get timers(): number {
    return this.#timers.length;
  }

  pass(ms: number): void {
    const end = this.#nowMs + ms;
    for (;;) {
      const [next] = this.#timers.filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#nowMs = next.atMs;
      this.#timers = this.#timers.filter((other) => other !== next);
      next.then();
    }
    this.#nowMs = end;
  }
}

/** What a kernel should come to, computed here. */
export function compute(kernel: Kernel, input: Uint8Array): Uint8Array {
  const floats = new Float32Array(input.buffer, input.byteOffset, input.length / 4);
  if (kernel.kernel === "vadd") {
    const { n } = kernel;
    return bytesOf(Array.from({ length: n }, (_, i) => floats[i]! + floats[n + i]!));
  }
  const { m, k, n } = kernel;
  const result = new Float32Array(m * n);
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += floats[row * k + i]! * floats[m * k + i * n + column]!;
      result[row * n + column] = sum;
    }
  }
  return new Uint8Array(result.buffer);
}

export function bytesOf(floats: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(floats).buffer);
}

export function hashed(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** A task that waits to be told how it ends. */
export interface HeldTask {
  readonly task: Task;
  readonly signal: AbortSignal;
  finish(result?: Uint8Array): void;
  fail(error: unknown): void;
}

export class FakeExecutor implements Executor {
  /** Whether tasks wait in {@link held}; they are done at once otherwise. */
  holding = false;
  /** Whether a task that is aborted goes on. */
  stubborn = false;
  readonly held: HeldTask[] = [];
  most = 0;
  closed = false;
  #running = 0;

  async run(task: Task, signal: AbortSignal): Promise<Uint8Array> {
    this.most = Math.max(this.most, ++this.#running);
    try {
      if (!this.holding) return compute(task.kernel, task.input);
      return await new Promise<Uint8Array>((resolve, reject) => {
        if (!this.stubborn) signal.addEventListener("abort", () => reject(signal.reason as Error));
        const finish = (result = compute(task.kernel, task.input)): void => resolve(result);
        this.held.push({ task, signal, finish, fail: reject });
      });
    } finally {
      this.#running--;
    }
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

export const INFO: GpuInfo = {
  id: "GPU-0",
  vendor: "None",
  name: "Fake GPU",
  uuid: "GPU-00000000-0000-0000-0000-000000000000",
  memoryMb: 1024,
  smCount: 4,
  driver: "1.0",
  runtime: "2.0",
  backend: "mock",
};

export class FakeBackend implements Backend {
  readonly gpus: readonly GpuInfo[];
  readonly executors: FakeExecutor[] = [];
  closed = false;

  constructor(gpus: readonly GpuInfo[] = [INFO]) {
    this.gpus = gpus;
  }

  open(): Promise<FakeExecutor> {
    const executor = new FakeExecutor();
    this.executors.push(executor);
    return Promise.resolve(executor);
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

export interface TestBridge {
  readonly bridge: Bridge;
  readonly clock: ManualClock;
  readonly executor: FakeExecutor;
  readonly said: string[];
}

export async function testBridge(limits: Partial<BridgeLimits> = {}, gpus = [INFO]): Promise<TestBridge> {
  const clock = new ManualClock();
  const backend = new FakeBackend(gpus);
  const said: string[] = [];
  const bridge = await Bridge.open(backend, { clock, limits, said: (sentence) => said.push(sentence) });
  return { bridge, clock, said, executor: backend.executors[0]! };
}

/** A job's fields: a vector addition of [1, 2] and [10, 20], unless it is said otherwise. */
export function vadd(job: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  const input = bytesOf([1, 2, 10, 20]);
  return {
    job,
    kernel: "vadd",
    params: { n: 2 },
    bytes_hash: hashed(input),
    payload_b64: Buffer.from(input).toString("base64"),
    outputs: ["inline"],
    timeout_ms: 5000,
    ...more,
  };
}

export interface StatusLine {
  readonly job: string;
  readonly worker: string;
  readonly state: string;
  readonly detail: string;
  readonly ts_ms: number;
  readonly result_b64?: string;
  readonly result_hash?: string;
}

export function linesOf<T>(text: string): T[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as T);
}

/** Let everything that was promised happen. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}
