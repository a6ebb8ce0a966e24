/**
 * How the hive asks a GPU bridge on behalf of a worker. Nothing in 9P says for whom the hive asks, so the place does: a lessee is led to
 * its own part of the GPU, which it knows by the plain names, and to nobody else's.
 */
import type { Names } from "../ninedoor/mounts.ts";
import type { Client } from "../ninedoor/place.ts";

/** What of a GPU's folder each lessee has of its own. */
const OWN = ["job", "blob", "status", "status.follow"];

/** @param names of a directory from the bridge's root @returns those of what `name` leads to there */
export function leadLessee(names: Names, name: string, { who }: Client): Names {
  const [gpu] = names;
  const led = who.role === "worker-gpu" && gpu !== undefined && names.length === 1 && OWN.includes(name);
  return led ? [gpu, "lessee", who.subject, name] : [...names, name];
}

/** Whether that is a lessee's own. */
export function isLessees([first, folder, of]: Names, gpu: string, worker: string): boolean {
  return first === gpu && folder === "lessee" && of === worker;
}

/** Which writes to a bridge's file are lines of the audit log: to a `ctl` all, to a `job` those that are refused. */
export function auditsOf(names: Names): "all" | "refused" | undefined {
  const name = names.at(-1);
  if (name === "ctl" && names.length === 2) return "all";
  return name === "job" && (names.length === 2 || names.length === 4) ? "refused" : undefined;
}
