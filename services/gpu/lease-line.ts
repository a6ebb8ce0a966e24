/**
 * A line of a bridge's `lease`, and what the hive writes to its `ctl`. What the bridge says is not trusted: a line that is not exactly
 * one of that form is none.
 */

/** A lease's new state. */
export interface LeaseEvent {
  readonly state: "ACTIVE" | "RELEASED" | "EXPIRED";
  readonly worker: string;
  readonly memMb: number;
  readonly streams: number;
  readonly ttlS: number;
  readonly priority: number;
}

/** Longest id of a worker, in characters. */
const ID_LENGTH = 32;
const U32_MAX = 0xffff_ffff;

/** @returns undefined for anything else. Never throws. */
export function readLeaseLine(text: string, gpu: string): LeaseEvent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const line = value as Readonly<Record<string, unknown>>;
  const { schema, state, gpu_id: id, worker_id: worker } = line;
  if (schema !== "gpu-lease/v1" || id !== gpu || !isWorkerId(worker)) return undefined;
  if (state !== "ACTIVE" && state !== "RELEASED" && state !== "EXPIRED") return undefined;
  const memMb = numberOf(line["mem_mb"]);
  const streams = numberOf(line["streams"]);
  const ttlS = numberOf(line["ttl_s"]);
  const priority = numberOf(line["priority"]);
  if (memMb === undefined || streams === undefined || ttlS === undefined || priority === undefined) return undefined;
  return { state, worker, memMb, streams, ttlS, priority };
}

/** Whether it can be a GPU's id. */
export function isGpuId(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text);
}

/** Whether it can be a worker's id: what is no name in a line of `ctl` cannot be one. */
export function isWorkerId(text: unknown): text is string {
  return typeof text === "string" && text.length <= ID_LENGTH && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text);
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= U32_MAX ? value : undefined;
}
