/** `gpu-bridge` with the tests' own backend in the place of mock, and none in that of the others. */

import { configFile, readConfig, readEnvironment } from "../../cohsh/settings.ts";
import { runGpuBridge } from "../../gpu-bridge/run.ts";
import { FakeBackend, INFO } from "./support.ts";

const layers = {
  environment: () => readEnvironment(process.env),
  config: () => readConfig(configFile(process.env)),
};
process.exit(
  await runGpuBridge(process.argv.slice(2), layers, (name) =>
    name === "mock"
      ? Promise.resolve(new FakeBackend([INFO, { ...INFO, id: "GPU-1", name: "Another\nGPU", memoryMb: 8 }]))
      : Promise.reject(new Error(`there is no ${name} here`)),
  ),
);
