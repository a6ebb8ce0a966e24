import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { inputBytes, outputBytes, type Dimensions, type Kernel } from "../../../gpu-bridge/backend.ts";
import { launchOf } from "../../../gpu-bridge/backends/nvml/launch.ts";
import { MODULE } from "../../../gpu-bridge/backends/nvml/ptx.ts";
import { Random } from "../../fuzz/random.ts";
import { SEED } from "../../fuzz/seed.ts";
import { bytesOf, expectResult, randomFloats } from "./exact.ts";
import { parseEntries, PtxThread } from "./ptx-machine.ts";

const LIMITS = { threads: 1024, block: [1024, 1024, 64], grid: [2147483647, 65535, 65535] } as const;
/** Around input and result in the GPU's memory; nothing may touch it. */
const GUARD = 64;
const UNTOUCHED = 0xa5;

describe("the kernels in PTX", () => {
  const entries = parseEntries(MODULE);
  const random = new Random(SEED);

  /** Every thread of the launch, the last one first, as no order is promised. */
  function launch(kernel: Kernel, input: Uint8Array, grid: Dimensions, block: Dimensions): Uint8Array {
    const entry = entries.get(kernel.kernel)!;
    const output = outputBytes(kernel);
    const bytes = new Uint8Array(input.length + output + 3 * GUARD).fill(UNTOUCHED);
    bytes.set(input, GUARD);
    const from = BigInt(GUARD);
    const to = input.length + 2 * GUARD;
    const sizes = kernel.kernel === "vadd" ? [kernel.n] : [kernel.m, kernel.k, kernel.n];
    const second = 4 * (kernel.kernel === "vadd" ? kernel.n : kernel.m * kernel.k);
    const parameters = [from, from + BigInt(second), BigInt(to), ...sizes.map(BigInt)];
    const memory = new DataView(bytes.buffer);
    const columns = grid[0] * block[0];
    for (let thread = columns * grid[1] * block[1] - 1; thread >= 0; thread--) {
      const [x, y] = [thread % columns, Math.floor(thread / columns)];
      const special = {
        ...{ "%ctaid.x": Math.floor(x / block[0]), "%ntid.x": block[0], "%tid.x": x % block[0] },
        ...{ "%ctaid.y": Math.floor(y / block[1]), "%ntid.y": block[1], "%tid.y": y % block[1] },
      };
      new PtxThread(entry, parameters, special, memory).run();
    }
    const result = bytes.slice(to, to + output);
    bytes.fill(UNTOUCHED, to, to + output);
    const untouched = new Uint8Array(bytes.length).fill(UNTOUCHED);
    untouched.set(input, GUARD);
    expect(bytes, "what is not the result's").to.deep.equal(untouched);
    return result;
  }

  it("are two, with the parameters that they are launched with", () => {
    const types = [...entries].map(([name, { parameters }]) => [name, parameters.map(([, type]) => type).join(" ")]);
    expect(types).to.deep.equal([
      ["vadd", "u64 u64 u64 u32"],
      ["matmul", "u64 u64 u64 u32 u32 u32"],
    ]);
  });

  const cases: readonly (readonly [Kernel, Dimensions?])[] = [
    [{ kernel: "vadd", n: 1 }],
    [{ kernel: "vadd", n: 1000 }],
    [{ kernel: "vadd", n: 37 }, [5, 1, 1]],
    [{ kernel: "matmul", m: 1, k: 1, n: 1 }],
    [{ kernel: "matmul", m: 17, k: 5, n: 19 }],
    [{ kernel: "matmul", m: 3, k: 40, n: 2 }, [1, 2, 1]],
    [{ kernel: "matmul", m: 40, k: 3, n: 1 }],
    [{ kernel: "matmul", m: 1, k: 200, n: 9 }, [4, 4, 1]],
  ];
  for (const [kernel, block] of cases) {
    const { kernel: name, ...sizes } = kernel;
    it(`compute ${name} of ${JSON.stringify(sizes)} in blocks of ${block?.join("×") ?? "our choice"}`, () => {
      const floats = randomFloats(random, inputBytes(kernel) / 4);
      const input = bytesOf(floats);
      const chosen = launchOf({ kernel, input, ...(block === undefined ? {} : { block }) }, LIMITS);
      expectResult(kernel, floats, launch(kernel, input, chosen.grid, chosen.block));
    });
  }

  it("are what NVIDIA's compiler takes", function () {
    const version = spawnSync("ptxas", ["--version"]);
    if (version.status !== 0) {
      console.log("      skipped: ptxas of the CUDA toolkit is not installed");
      this.skip();
    }
    const folder = mkdtempSync(join(tmpdir(), "gpu-ptx-"));
    try {
      const source = join(folder, "module.ptx");
      writeFileSync(source, MODULE);
      const { status, stderr } = spawnSync("ptxas", ["-arch=sm_75", source, "-o", join(folder, "module.cubin")], {
        encoding: "utf8",
      });
      expect(stderr).to.equal("");
      expect(status).to.equal(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
