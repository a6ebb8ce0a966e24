/**
 * How workers are run; the manifest may say otherwise.
 */
import { type Budget, MAXIMUM_BUDGET } from "../roles/budget.ts";

export interface WorkerRules {
  /** File of the image that a worker's component is made from. */
  readonly image: string;
  /** Of the kernel's scheduler. Which worker runs is decided by `scheduler.ts`, so all have the same. */
  readonly priority: number;
  readonly arenaBytes: number;
  /** More calls than that in one second end it. */
  readonly callsPerSecond: number;
  /** Milliseconds between two heartbeats. */
  readonly heartbeatMs: number;
  /** What a heartbeat looks like: `heartbeat <n>`, or `{"tick":n,"ts_ms":m}`. */
  readonly telemetry: "line" | "json";
  /** Most that a budget may be. */
  readonly maximum: Budget;
  readonly quantumUs: number;
  /** Quanta that it may run without making a call. */
  readonly stuckQuanta: number;
}

export const WORKER_RULES: WorkerRules = {
  image: "worker.elf",
  priority: 90,
  arenaBytes: 1_048_576,
  callsPerSecond: 2000,
  heartbeatMs: 1000,
  telemetry: "line",
  maximum: MAXIMUM_BUDGET,
  quantumUs: 10_000,
  stuckQuanta: 100,
};
