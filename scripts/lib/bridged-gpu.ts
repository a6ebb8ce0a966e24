/** A GPU of a bridge in this process, as a lessee has it whose hive costs nothing. */
import type { GpuTree } from "../../gpu-bridge/tree/tree.ts";
import { O_RDONLY, O_WRONLY } from "../../services/secure9p/constants.ts";
import { BenchGpu } from "./bench-gpu.ts";
import { LocalNine } from "./local-nine.ts";

const WORKER = "worker-1";

export interface BridgedGpu {
  readonly gpu: BenchGpu;
  close(): void;
}

/** @param streams jobs that may run at once */
export async function bridgedGpu(tree: GpuTree, gpu: string, memMb: number, streams: number): Promise<BridgedGpu> {
  const nine = await LocalNine.to(tree);
  const ctl = await nine.open(`${gpu}/ctl`, O_WRONLY);
  await nine.write(ctl, 0, Buffer.from(`LEASE ${WORKER} mem_mb=${memMb} streams=${streams} ttl_s=3600\n`));
  const own = `${gpu}/lessee/${WORKER}`;
  return {
    gpu: await BenchGpu.at({
      jobs: { nine, fid: await nine.open(`${own}/job`, O_WRONLY), prefix: "" },
      ends: { nine, fid: await nine.open(`${own}/status.follow`, O_RDONLY) },
      blobs: { nine, folder: `${own}/blob` },
    }),
    close: () => nine.close(),
  };
}
