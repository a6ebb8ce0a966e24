/** Which program a worker's component runs, by its first argument. */
import { GpuWorker } from "./gpu/gpu-worker.ts";
import { HeartbeatWorker } from "./heartbeat.ts";
import type { Program, WorkerPort } from "./program.ts";
import { KIND } from "./protocol.ts";

/** @throws Error if there is no such kind of worker. */
export function programOf(port: WorkerPort): Program {
  return port.args[0] === KIND.GPU ? new GpuWorker(port) : new HeartbeatWorker(port);
}
