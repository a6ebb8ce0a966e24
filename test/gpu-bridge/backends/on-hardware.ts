/**
 * `npm run test:gpu`: the suite that all backends pass, on this machine's NVIDIA GPU. Where there is none it says why, counts as
 * skipped and ends with status 0; with COHESIX_GPU_REQUIRED=1 it fails instead, so a machine that has one can insist on it.
 */

import { expect } from "chai";
import { NvmlBackend } from "../../../gpu-bridge/backends/nvml/backend.ts";
import { BackendUnavailable } from "../../../gpu-bridge/backends/nvml/errors.ts";
import { backendAcceptance } from "./backend.acceptance.ts";

async function whyNot(): Promise<string | undefined> {
  try {
    const backend = await NvmlBackend.discover();
    for (const { id, name, driver, runtime } of backend.gpus)
      console.log(`${id}: ${name}, driver ${driver}, ${runtime}`);
    for (const sentence of backend.unusable) console.log(sentence);
    await backend.close();
    return undefined;
  } catch (error) {
    if (!(error instanceof BackendUnavailable)) throw error;
    return error.message;
  }
}

const skip = await whyNot();
backendAcceptance("nvml and CUDA on this machine's GPU", () => NvmlBackend.discover(), { skip });
if (skip !== undefined) {
  console.log(`test:gpu: skipped: ${skip}`);
  if (process.env["COHESIX_GPU_REQUIRED"] === "1") {
    it("finds a GPU, as COHESIX_GPU_REQUIRED=1 wants", () => expect.fail(skip));
  }
}
