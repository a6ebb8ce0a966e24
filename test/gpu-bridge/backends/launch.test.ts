import { expect } from "chai";
import fc from "fast-check";
import { ExecutionError, type Dimensions, type Kernel } from "../../../gpu-bridge/backend.ts";
import { launchOf, type LaunchLimits } from "../../../gpu-bridge/backends/nvml/launch.ts";

const LIMITS: LaunchLimits = { threads: 1024, block: [1024, 1024, 64], grid: [2147483647, 65535, 65535] };
const vadd: Kernel = { kernel: "vadd", n: 1000 };
const matmul: Kernel = { kernel: "matmul", m: 30, k: 7, n: 100 };

function launch(kernel: Kernel, grid?: Dimensions, block?: Dimensions): ReturnType<typeof launchOf> {
  const stated = { ...(grid === undefined ? {} : { grid }), ...(block === undefined ? {} : { block }) };
  return launchOf({ kernel, input: new Uint8Array(), ...stated }, LIMITS);
}

describe("launchOf", () => {
  it("chooses what the task does not state", () => {
    expect(launch(vadd)).to.deep.equal({ grid: [4, 1, 1], block: [256, 1, 1] });
    expect(launch(matmul)).to.deep.equal({ grid: [7, 2, 1], block: [16, 16, 1] });
    expect(launch(vadd, undefined, [100, 1, 1])).to.deep.equal({ grid: [10, 1, 1], block: [100, 1, 1] });
    expect(launch(matmul, [7, 2, 1])).to.deep.equal({ grid: [7, 2, 1], block: [16, 16, 1] });
  });

  it("takes the launch that docs/INTERFACES.md shows", () => {
    const kernel: Kernel = { kernel: "matmul", m: 512, k: 512, n: 512 };
    expect(launch(kernel, [32, 32, 1], [16, 16, 1])).to.deep.equal({ grid: [32, 32, 1], block: [16, 16, 1] });
  });

  const refused: readonly [string, Kernel, Dimensions | undefined, Dimensions | undefined, string][] = [
    ["a block of no threads", vadd, undefined, [0, 1, 1], "block.x is 0, and the GPU takes 1 to 1024"],
    ["half a thread", vadd, undefined, [1, 1.5, 1], "block.y is 1.5, and the GPU takes 1 to 1024"],
    ["a block that is too deep", vadd, undefined, [1, 1, 65], "block.z is 65, and the GPU takes 1 to 64"],
    [
      "a block of too many threads",
      matmul,
      undefined,
      [64, 32, 1],
      "block 64×32×1 has 2048 threads, and the GPU takes 1024",
    ],
    [
      "a matrix's block for vectors",
      vadd,
      undefined,
      [16, 16, 1],
      "block 16×16×1 does not fit vadd, which has one axis",
    ],
    ["a block with depth", matmul, undefined, [8, 8, 2], "block 8×8×2 does not fit matmul, which has two axes"],
    [
      "a grid that leaves something out",
      matmul,
      [6, 2, 1],
      [16, 16, 1],
      "grid 6×2×1 does not fit: with blocks of 16×16×1 matmul of that size takes 7×2×1",
    ],
    [
      "a grid that would keep the GPU busy with nothing",
      vadd,
      [2147483647, 65535, 1],
      [256, 1, 1],
      "grid 2147483647×65535×1 does not fit: with blocks of 256×1×1 vadd of that size takes 4×1×1",
    ],
    [
      "a block with which the grid is too high for the GPU",
      { kernel: "matmul", m: 65536, k: 1, n: 1 },
      undefined,
      [16, 1, 1],
      "grid.y is 65536, and the GPU takes 1 to 65535",
    ],
  ];
  for (const [what, kernel, grid, block, sentence] of refused) {
    it(`refuses ${what}`, () => {
      expect(() => launch(kernel, grid, block)).to.throw(ExecutionError, new RegExp(`^${sentence}$`));
    });
  }

  it("always finds one for what a task may be, and no larger than it has to be", () => {
    const side = fc.integer({ min: 1, max: 2 ** 22 - 1 });
    const matrices = fc
      .record({ m: side, n: side })
      .map(({ m, n }): Kernel => ({ kernel: "matmul", m, k: 1, n: Math.max(1, Math.min(n, Math.floor(2 ** 22 / m))) }));
    const vectors = fc.integer({ min: 1, max: 2 ** 21 }).map((n): Kernel => ({ kernel: "vadd", n }));
    fc.assert(
      fc.property(fc.oneof(matrices, vectors), (kernel) => {
        const { grid, block } = launch(kernel);
        const needed = kernel.kernel === "vadd" ? [kernel.n, 1, 1] : [kernel.n, kernel.m, 1];
        needed.forEach((need, axis) => {
          const covered = grid[axis as 0] * block[axis as 0];
          expect(covered).to.be.within(need, need + block[axis as 0] - 1);
        });
      }),
    );
  });
});
