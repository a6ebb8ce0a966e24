/** Starts a bridge as its users start theirs. */

import { RunningCohsh } from "../cohsh/cohsh-process.ts";
import { GPU_BRIDGE, testProgram } from "../scripts/host-tools.ts";

const FAKE = await testProgram("test/gpu-bridge/fake-bridge.ts", "fake-bridge");
const PACED = await testProgram("test/gpu-bridge/paced-bridge.ts", "paced-bridge");

/** That of `fake-bridge.ts`. */
export function runBridge(args: readonly string[], env: NodeJS.ProcessEnv): RunningCohsh {
  return run(FAKE, args, env);
}

/** The real one, with the backend that its arguments say. */
export function runRealBridge(args: readonly string[], env: NodeJS.ProcessEnv): RunningCohsh {
  return run(GPU_BRIDGE, args, env);
}

/** The same, whose mock is that of `paced-bridge.ts`. */
export function runPacedBridge(args: readonly string[], env: NodeJS.ProcessEnv): RunningCohsh {
  return run(PACED, args, env);
}

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv): RunningCohsh {
  return new RunningCohsh(process.execPath, [program, ...args], env);
}
