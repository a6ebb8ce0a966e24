/** `gpu-bridge` with its own backends, whose mock takes its time over the tasks of `pace.ts`. */

import { configFile, readConfig, readEnvironment } from "../../cohsh/settings.ts";
import type { Task } from "../../gpu-bridge/backend.ts";
import { MockBackend, type MockBehaviour } from "../../gpu-bridge/backends/mock.ts";
import { openBackend } from "../../gpu-bridge/backends/open.ts";
import { runGpuBridge } from "../../gpu-bridge/run.ts";
import { HANGING, SLOW, SLOW_MS } from "./pace.ts";

const layers = {
  environment: () => readEnvironment(process.env),
  config: () => readConfig(configFile(process.env)),
};

function behaviour({ kernel }: Task): MockBehaviour {
  if (kernel.kernel === "vadd" && kernel.n === HANGING) return { do: "hang" };
  return { do: "run", delayMs: kernel.kernel === "vadd" && kernel.n === SLOW ? SLOW_MS : 0 };
}

process.exit(
  await runGpuBridge(process.argv.slice(2), layers, (name) =>
    name === "mock" ? Promise.resolve(new MockBackend({ behaviour })) : openBackend(name),
  ),
);
