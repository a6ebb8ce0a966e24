/** The one place that knows all backends. Each is loaded when it is asked for, so that what one needs the others do without. */

import type { Backend, GpuInfo } from "../backend.ts";

export type BackendName = GpuInfo["backend"];
export const BACKENDS: readonly BackendName[] = ["nvml", "cpu", "mock"];

/** @throws Error with one sentence where there is none */
export type OpenBackend = (name: BackendName) => Promise<Backend>;

export const openBackend: OpenBackend = (name) => {
  // `./nvml.ts`, `./cpu.ts` and `./mock.ts`, each by an import of its own.
  switch (name) {
    case "nvml":
    case "cpu":
    case "mock":
      return Promise.reject(new Error(`the ${name} backend is not built`));
  }
};
