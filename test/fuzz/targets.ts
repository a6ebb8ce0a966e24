/** Everything that can be fuzzed. */
import { frames } from "./9p/frames.ts";
import { sequences } from "./9p/sequences.ts";
import type { Target } from "./target.ts";

export const TARGETS: readonly Target[] = [frames, sequences];
