/** Starts a bridge as its users start theirs. */

import { inRepository } from "../../scripts/lib/repository.ts";
import { RunningCohsh } from "../cohsh/cohsh-process.ts";

/** That of `fake-bridge.ts`. */
export function runBridge(args: readonly string[], env: NodeJS.ProcessEnv): RunningCohsh {
  return run(["test", "gpu-bridge", "fake-bridge.ts"], args, env);
}

/** The real one, with the backend that its arguments say. */
export function runRealBridge(args: readonly string[], env: NodeJS.ProcessEnv): RunningCohsh {
  return run(["gpu-bridge", "main.ts"], args, env);
}

/** The same, whose mock is that of `paced-bridge.ts`. */
export function runPacedBridge(args: readonly string[], env: NodeJS.ProcessEnv): RunningCohsh {
  return run(["test", "gpu-bridge", "paced-bridge.ts"], args, env);
}

function run(main: readonly string[], args: readonly string[], env: NodeJS.ProcessEnv): RunningCohsh {
  return new RunningCohsh(process.execPath, ["--import", "tsx", inRepository(...main), ...args], env);
}
