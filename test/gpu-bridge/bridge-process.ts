/** Starts the bridge of `fake-bridge.ts` as its users start theirs. */

import { inRepository } from "../../scripts/lib/repository.ts";
import { RunningCohsh } from "../cohsh/cohsh-process.ts";

export function runBridge(args: readonly string[], env: NodeJS.ProcessEnv): RunningCohsh {
  const main = inRepository("test", "gpu-bridge", "fake-bridge.ts");
  return new RunningCohsh(process.execPath, ["--import", "tsx", main, ...args], env);
}
