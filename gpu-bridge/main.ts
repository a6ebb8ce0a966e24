/** The program `gpu-bridge`. */

import { configFile, readConfig, readEnvironment } from "../cohsh/settings.ts";
import { openBackend } from "./backends/open.ts";
import { runGpuBridge } from "./run.ts";

const layers = {
  environment: () => readEnvironment(process.env),
  config: () => readConfig(configFile(process.env)),
};
// What a backend may have left running does not hold the process.
process.exit(await runGpuBridge(process.argv.slice(2), layers, openBackend));
