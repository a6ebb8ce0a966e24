/** A backend by its name on the command line. */
import type { Backend } from "../backend.ts";
import { CpuBackend } from "./cpu.ts";
import { MockBackend } from "./mock.ts";
import { NvmlBackend } from "./nvml/backend.ts";

export { BackendUnavailable } from "./nvml/errors.ts";
export const BACKENDS = ["nvml", "cpu", "mock"] as const;
export type BackendName = (typeof BACKENDS)[number];
/** @throws Error with one sentence where there is none */
export type OpenBackend = (name: BackendName) => Promise<Backend>;

/**
 * @param name what discovers the GPUs and runs tasks on them, with the defaults of each
 * @throws BackendUnavailable with one sentence if this machine has nothing that it could use
 */
export async function openBackend(name: BackendName): Promise<Backend> {
  switch (name) {
    case "nvml":
      return NvmlBackend.discover();
    case "cpu":
      return new CpuBackend();
    case "mock":
      return new MockBackend();
  }
}
