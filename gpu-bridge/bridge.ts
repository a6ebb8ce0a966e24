/** A backend's GPUs, each with an executor, as one tree. What is open is closed again if the rest cannot be opened. */

import type { Backend } from "./backend.ts";
import { Memory } from "./blobs/memory.ts";
import { type BridgeClock, systemClock } from "./clock.ts";
import { Gpu } from "./gpu.ts";
import { type BridgeLimits, LIMITS } from "./limits.ts";
import { GpuTree } from "./tree/tree.ts";

/** As the hive knows a GPU's id (`spawn gpu`). */
const GPU_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export interface BridgeOptions {
  /** Told in a sentence what becomes of leases. */
  readonly said: (sentence: string) => void;
  readonly clock?: BridgeClock;
  readonly limits?: Partial<BridgeLimits>;
}

export class Bridge {
  readonly tree: GpuTree;
  readonly gpus: readonly Gpu[];
  readonly memory: Memory;
  readonly #backend: Backend;

  private constructor(backend: Backend, gpus: readonly Gpu[], memory: Memory) {
    this.#backend = backend;
    this.gpus = gpus;
    this.memory = memory;
    this.tree = new GpuTree(gpus);
  }

  /** Take the backend, which is closed with the bridge, or if there is none. @throws Error with one sentence */
  static async open(backend: Backend, options: BridgeOptions): Promise<Bridge> {
    const { said, clock = systemClock } = options;
    const limits = { ...LIMITS, ...options.limits };
    const memory = new Memory(limits.memoryBytes);
    const gpus: Gpu[] = [];
    try {
      if (backend.gpus.length === 0) throw new Error("there is no GPU");
      for (const info of backend.gpus) {
        if (!GPU_ID.test(info.id)) throw new Error(`${JSON.stringify(info.id)} is no id of a GPU`);
        if (gpus.some((gpu) => gpu.info.id === info.id)) throw new Error(`there are two GPUs ${info.id}`);
        gpus.push(new Gpu({ info, executor: await backend.open(info), clock, memory, limits, said }));
      }
      return new Bridge(backend, gpus, memory);
    } catch (error) {
      await closeAll(gpus, backend);
      throw error;
    }
  }

  /** End all leases and what runs. */
  close(): Promise<void> {
    return closeAll(this.gpus, this.#backend);
  }
}

async function closeAll(gpus: readonly Gpu[], backend: Backend): Promise<void> {
  await Promise.allSettled(gpus.map((gpu) => gpu.close()));
  await backend.close();
}
