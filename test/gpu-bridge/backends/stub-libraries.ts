/**
 * The stub libraries of `stubs/`, built with the machine's C compiler for the tests that load them, and the handles by which a
 * test asks them what is left and tells them what to fail with.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ffiOfThisMachine, type Native } from "../../../gpu-bridge/backends/nvml/ffi.ts";
import { inRepository } from "../../../scripts/lib/repository.ts";

const FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"];
/** No fused multiply-add, which the machine may have and our PTX forbids. */
const EXACT = ["-fvisibility=hidden", "-ffp-contract=off"];

/** What a test may set, and what {@link StubLibraries.reset} takes away again. */
export const SETTINGS = ["FAIL", "GPUS", "CUDA_GPUS", "POLLS", "MEMORY"] as const;
export type Setting = (typeof SETTINGS)[number];

export class StubLibraries {
  readonly nvmlLibrary: string;
  readonly cudaLibrary: string;
  readonly #folder: string;
  readonly #functions = new Map<string, Native>();

  private constructor(folder: string) {
    this.#folder = folder;
    this.nvmlLibrary = join(folder, "nvml.so");
    this.cudaLibrary = join(folder, "cuda.so");
  }

  /** Why they cannot be built or loaded here, if they cannot. */
  static async missing(): Promise<string | undefined> {
    if (spawnSync("cc", ["--version"]).status !== 0) return "there is no C compiler (cc)";
    try {
      await ffiOfThisMachine();
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  }

  static async build(): Promise<StubLibraries> {
    const libraries = new StubLibraries(mkdtempSync(join(tmpdir(), "gpu-stubs-")));
    for (const name of ["nvml", "cuda"] as const) {
      const source = inRepository("test", "gpu-bridge", "backends", "stubs", `${name}.c`);
      const target = name === "nvml" ? libraries.nvmlLibrary : libraries.cudaLibrary;
      const { status, stderr } = spawnSync("cc", [...FLAGS, ...EXACT, source, "-o", target], { encoding: "utf8" });
      if (status !== 0) throw new Error(`cc: ${stderr}`);
    }
    const ffi = await ffiOfThisMachine();
    const handles = {
      nvml: [libraries.nvmlLibrary, ["live", "reset", "count_anew"]],
      cuda: [libraries.cudaLibrary, ["live", "live_work", "orphans", "waits", "current", "reset", "count_anew"]],
    } as const;
    for (const [name, [path, functions]] of Object.entries(handles)) {
      const library = ffi.load(path);
      for (const each of functions)
        libraries.#functions.set(`${name}.${each}`, library.func(`stub_${each}`, "int", []));
    }
    return libraries;
  }

  set(setting: Setting, value: string | number): void {
    process.env[`COHESIX_STUB_${setting}`] = String(value);
  }

  /** @param rule e.g. `cuMemAlloc_v2=2`, or `cuMemAlloc_v2=2@3` for the third call from now on alone */
  fail(rule: string): void {
    this.set("FAIL", rule);
  }

  /** Calls that a rule counts are counted from here. */
  countAnew(): void {
    this.ask("nvml.count_anew");
    this.ask("cuda.count_anew");
  }

  unset(setting: Setting): void {
    delete process.env[`COHESIX_STUB_${setting}`];
  }

  /** Nothing is live, nothing fails. */
  reset(): void {
    for (const setting of SETTINGS) this.unset(setting);
    this.ask("nvml.reset");
    this.ask("cuda.reset");
  }

  ask(
    what:
      `${"nvml" | "cuda"}.${"live" | "reset" | "count_anew"}` | `cuda.${"live_work" | "orphans" | "waits" | "current"}`,
  ): number {
    return this.#functions.get(what)?.() ?? NaN;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
