/**
 * One build at a time in a work tree: a second one waits for the first. A lock whose owner is gone is taken over.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const retryMs = 100;

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function ownerIsGone(path: string): boolean {
  let owner: number;
  try {
    owner = Number(readFileSync(path, "utf8"));
  } catch (error) {
    return hasCode(error, "ENOENT");
  }
  // A lock that holds no number yet is being written; a dead writer's stays so and is for a person to remove.
  if (!Number.isSafeInteger(owner) || owner <= 0) return false;
  try {
    process.kill(owner, 0);
    return false;
  } catch (error) {
    return hasCode(error, "ESRCH");
  }
}

/** @throws Error if the lock is not free within `patienceMs`. */
export async function withLock<T>(path: string, patienceMs: number, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(path), { recursive: true });
  const deadline = Date.now() + patienceMs;
  for (;;) {
    try {
      writeFileSync(path, `${process.pid}\n`, { flag: "wx" });
      break;
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
    }
    if (ownerIsGone(path)) {
      rmSync(path, { force: true });
      continue;
    }
    if (Date.now() > deadline) throw new Error(`another build holds ${path} (remove it if none runs)`);
    await delay(retryMs);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}
