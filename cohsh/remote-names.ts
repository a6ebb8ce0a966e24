/**
 * Directories of the hive for completion: asked of it once in a while, kept for a moment, and bounded in number, so that a key
 * that is held down does not flood the line. Whatever goes wrong, the answer is silence.
 */

import type { Listing } from "./completion.ts";

/** How long an answer is good for, and how long one is waited for, in milliseconds. */
const FRESH_MS = 2000;
export const PATIENCE_MS = 1000;
/** Directories that are kept. */
const KEPT = 32;

interface Kept {
  readonly names: readonly string[] | undefined;
  readonly untilMs: number;
}

/**
 * @param ask the hive; settles within its patience
 * @param nowMs monotonic
 */
export function remembering(ask: Listing, nowMs: () => number): Listing {
  const kept = new Map<string, Kept>();
  return async (directory) => {
    const known = kept.get(directory);
    if (known !== undefined && nowMs() < known.untilMs) return known.names;
    const names = await ask(directory).catch(() => undefined);
    kept.delete(directory);
    kept.set(directory, { names, untilMs: nowMs() + FRESH_MS });
    const [oldest] = kept.keys();
    if (kept.size > KEPT && oldest !== undefined) kept.delete(oldest);
    return names;
  };
}
