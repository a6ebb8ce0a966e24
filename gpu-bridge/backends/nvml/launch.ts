/** Grid and block of a launch: checked against the GPU and the kernel where the task states them, chosen where it does not. */
import { ExecutionError, type Dimensions, type Kernel, type Task } from "../../backend.ts";

/** What the GPU allows. */
export interface LaunchLimits {
  /** In a block. */
  readonly threads: number;
  readonly block: Dimensions;
  readonly grid: Dimensions;
}

export interface Launch {
  readonly grid: Dimensions;
  readonly block: Dimensions;
}

const AXES = ["x", "y", "z"] as const;
const BLOCK_THREADS = 256;

/** How many threads the kernel needs on each axis: vadd one for each element by x, matmul columns by x and rows by y. */
function threadsNeeded(kernel: Kernel): Dimensions {
  return kernel.kernel === "vadd" ? [kernel.n, 1, 1] : [kernel.n, kernel.m, 1];
}

/** Sixteen by sixteen for a matrix; one with fewer columns gets a higher block, as grids are not as high as they are wide. */
function chooseBlock(kernel: Kernel, { threads, block: [maxX, maxY] }: LaunchLimits): Dimensions {
  const all = Math.min(BLOCK_THREADS, threads);
  if (kernel.kernel === "vadd") return [Math.min(all, maxX), 1, 1];
  const x = Math.min(16, kernel.n, all, maxX);
  return [x, Math.min(Math.max(1, Math.floor(all / x)), maxY), 1];
}

function text(dimensions: Dimensions): string {
  return dimensions.join("×");
}

function checkRange(what: "grid" | "block", dimensions: Dimensions, limits: Dimensions): void {
  for (const [axis, name] of AXES.entries()) {
    const value = dimensions[axis as 0 | 1 | 2];
    const limit = limits[axis as 0 | 1 | 2];
    if (Number.isSafeInteger(value) && value >= 1 && value <= limit) continue;
    throw new ExecutionError(`${what}.${name} is ${value}, and the GPU takes 1 to ${limit}`);
  }
}

/** @throws ExecutionError if the grid does not cover the result, has a block that is outside it, or the GPU does not take it */
export function launchOf({ kernel, grid, block }: Task, limits: LaunchLimits): Launch {
  const chosen = block ?? chooseBlock(kernel, limits);
  checkRange("block", chosen, limits.block);
  const threads = chosen[0] * chosen[1] * chosen[2];
  if (threads > limits.threads) {
    throw new ExecutionError(`block ${text(chosen)} has ${threads} threads, and the GPU takes ${limits.threads}`);
  }
  const [x, y, z] = threadsNeeded(kernel);
  const covering: Dimensions = [Math.ceil(x / chosen[0]), Math.ceil(y / chosen[1]), Math.ceil(z / chosen[2])];
  if (chosen[2] !== 1 || (kernel.kernel === "vadd" && chosen[1] !== 1)) {
    const axes = kernel.kernel === "vadd" ? "one axis" : "two axes";
    throw new ExecutionError(`block ${text(chosen)} does not fit ${kernel.kernel}, which has ${axes}`);
  }
  if (grid !== undefined && text(grid) !== text(covering)) {
    const why = `with blocks of ${text(chosen)} ${kernel.kernel} of that size takes ${text(covering)}`;
    throw new ExecutionError(`grid ${text(grid)} does not fit: ${why}`);
  }
  checkRange("grid", covering, limits.grid);
  return { grid: covering, block: chosen };
}
