/**
 * A GPU of a hive, as its operators have it: a bridge that is a process of its own has dialled in, a worker has a lease of it, the
 * Queen gives the worker jobs over 9P and reads their results, and a session of the worker's role has the blobs.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { mintTicket, parseTicketOptions } from "../../cohsh/tickets/mint.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import { O_RDONLY, O_WRONLY } from "../../services/secure9p/constants.ts";
import { BenchGpu } from "./bench-gpu.ts";
import { credentialsPath } from "./credentials.ts";
import { type Keys, logIn } from "./door-measures.ts";
import { acknowledged, DoorWire, frames } from "./door-wire.ts";
import { inRepository } from "./repository.ts";
import { WireNine } from "./wire-nine.ts";

const PATIENCE_MS = 30_000;
/** Of the worker, and of who has its blobs: more than any benchmark needs. */
const BUDGET = { ttl_s: 3600, ops: 1_000_000, ticks: 1_000_000 };

export interface HiveGpuOptions {
  /** Of the loopback, where the hive's console is. */
  readonly port: number;
  readonly keys: Keys;
  readonly memMb: number;
  /** Jobs that may run at once. */
  readonly streams: number;
}

/** Does something with a GPU of the processor's; nothing is left when it is done. */
export async function withHiveGpu<T>(options: HiveGpuOptions, work: (gpu: BenchGpu) => Promise<T>): Promise<T> {
  const { port, keys } = options;
  const bridge = new BridgeProcess(port);
  const nines: WireNine[] = [];
  const open = async (as: Keys): Promise<WireNine> => {
    const wire = await DoorWire.open(port);
    await logIn(wire, as);
    const nine = await WireNine.on(wire);
    nines.push(nine);
    return nine;
  };
  try {
    const id = await bridge.offers();
    const worker = await spawned(options, id);
    const queen = await open(keys);
    const lessee = await open({ ...keys, role: "worker-gpu", ticket: ticketOf(worker) });
    return await work(
      await BenchGpu.at({
        jobs: { nine: queen, fid: await queen.open(`worker/${worker}/ctl`, O_WRONLY), prefix: "job " },
        ends: { nine: queen, fid: await queen.open(`worker/${worker}/result.follow`, O_RDONLY) },
        blobs: { nine: lessee, folder: `gpu/${id}/blob` },
      }),
    );
  } finally {
    for (const nine of nines) nine.close();
    bridge.kill();
  }
}

/** The built program, with the processor as its GPU. */
class BridgeProcess {
  readonly #child: ChildProcess;
  #said = "";
  readonly kill = (): void => void this.#child.kill("SIGKILL");

  constructor(port: number) {
    const words = ["serve", "--backend", "cpu", "--hive", `127.0.0.1:${port}`, "--credentials", credentialsPath];
    this.#child = spawn(process.execPath, [inRepository("out", "host", "gpu-bridge.mjs"), ...words], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (bytes: Buffer) => (this.#said += bytes.toString("utf8")));
    }
    process.once("exit", this.kill);
    this.#child.once("close", () => process.off("exit", this.kill));
  }

  /** @returns the id of the GPU that the hive may lease now */
  async offers(): Promise<string> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const id = / may lease (\S+) /.exec(this.#said)?.[1];
      if (id !== undefined) return id;
      if (this.#child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`gpu-bridge says: ${this.#said}`);
      }
      await delay(10);
    }
  }
}

/** @returns the id of a worker that has the lease; until the hive has looked at the bridge it refuses to make one */
async function spawned({ port, keys, memMb, streams }: HiveGpuOptions, gpu: string): Promise<string> {
  const lease = { gpu_id: gpu, mem_mb: memMb, streams, ttl_s: BUDGET.ttl_s, priority: 1 };
  const line = frames(`SPAWN ${JSON.stringify({ spawn: "gpu", lease, budget: BUDGET })}`);
  const wire = await DoorWire.open(port);
  try {
    await logIn(wire, keys);
    const deadline = performance.now() + PATIENCE_MS;
    for (let id: string | undefined; ; await delay(20)) {
      await wire.ask(line, (answer) => {
        if (performance.now() > deadline) acknowledged(answer);
        id = /^OK SPAWN id=(\S+)/.exec(answer)?.[1];
        return true;
      });
      if (id !== undefined) return id;
    }
  } finally {
    wire.close();
  }
}

/** As the hive gives one to the worker, with a budget for whoever moves its blobs. */
function ticketOf(subject: string): string {
  const { ttl_s: ttl, ops } = BUDGET;
  const options = { role: "worker-gpu", subject, ttl: String(ttl), ops: String(ops) };
  return mintTicket(readCredentials(readFileSync(credentialsPath, "utf8")), parseTicketOptions(options, Date.now()));
}
