/**
 * A lessee of a bridge's GPU in this process: jobs by their lines, and their ends as `status.follow` tells them. It looks at each
 * result, so a bridge cannot be fast by being wrong.
 */
import { hashOf } from "../../gpu-bridge/jobs/input.ts";
import type { GpuTree } from "../../gpu-bridge/tree/tree.ts";
import { O_RDONLY, O_RDWR, O_WRONLY } from "../../services/secure9p/constants.ts";
import type { Kernel } from "../../gpu-bridge/backend.ts";
import { LocalNine } from "./local-nine.ts";

const WORKER = "worker-1";
const TIMEOUT_MS = 60_000;
const NEWLINE = 0x0a;

/** A kernel's job: what goes in and what has to come out. */
export interface BenchJob {
  readonly kernel: Kernel;
  readonly input: Uint8Array;
  readonly result: Uint8Array;
}

/** A line of `status`, as far as it is looked at. */
interface State {
  readonly job: string;
  readonly state: string;
  readonly detail: string;
  readonly result_hash?: string;
  readonly result_b64?: string;
}

interface Waiting {
  /** What the line of its end has to have. */
  readonly hash: string;
  readonly inline: string | undefined;
  readonly settle: () => void;
  readonly fail: (error: Error) => void;
}

export class BridgedGpu {
  readonly #nine: LocalNine;
  readonly #gpu: string;
  readonly #waiting = new Map<string, Waiting>();
  #job = -1;
  #in = -1;
  #number = 0;

  private constructor(nine: LocalNine, gpu: string) {
    this.#nine = nine;
    this.#gpu = gpu;
  }

  /** @param streams jobs that may run at once */
  static async lease(tree: GpuTree, gpu: string, memMb: number, streams: number): Promise<BridgedGpu> {
    const bridged = new BridgedGpu(await LocalNine.to(tree), gpu);
    const nine = bridged.#nine;
    const ctl = await nine.open(`${gpu}/ctl`, O_WRONLY);
    await nine.write(ctl, 0, Buffer.from(`LEASE ${WORKER} mem_mb=${memMb} streams=${streams} ttl_s=3600\n`));
    bridged.#job = await bridged.#open("job", O_WRONLY);
    bridged.#in = await bridged.#open("blob/0/in", O_RDWR);
    void bridged.#follow(await bridged.#open("status.follow", O_RDONLY));
    return bridged;
  }

  /** Have a job done whose input and result are in its lines. */
  inline({ kernel, input, result }: BenchJob): Promise<void> {
    const payload_b64 = Buffer.from(input).toString("base64");
    const fields = { bytes_hash: hashOf(input), payload_b64, outputs: ["inline"] };
    return this.#submit(kernel, fields, hashOf(result), Buffer.from(result).toString("base64"));
  }

  /** Have a job done whose input is put into a blob before, and whose result is read from one after. */
  async byBlobs({ kernel, input, result }: BenchJob): Promise<void> {
    await this.put(input, 1);
    const fields = { bytes_hash: hashOf(input), inputs: ["blob/0"], outputs: ["blob/1"] };
    await this.#submit(kernel, fields, hashOf(result));
    const out = await this.#open("blob/1/out", O_RDONLY);
    const got = new Uint8Array(result.length);
    await this.#read(out, got, 1);
    await this.#nine.clunk(out);
    if (Buffer.compare(got, result) !== 0) throw new Error("the blob has another result");
  }

  /** Write all of it to a blob, so many writes at once. @returns bytes */
  put(bytes: Uint8Array, atOnce: number): Promise<number> {
    return spread(bytes.length, this.#nine.iounit, atOnce, (offset, length) =>
      this.#nine.write(this.#in, offset, bytes.subarray(offset, offset + length)),
    );
  }

  /** Fill `into` with what was {@link put}, so many reads at once. @returns bytes */
  get(into: Uint8Array, atOnce: number): Promise<number> {
    return this.#read(this.#in, into, atOnce);
  }

  close(): void {
    this.#nine.close();
  }

  #open(file: string, flags: number): Promise<number> {
    return this.#nine.open(`${this.#gpu}/lessee/${WORKER}/${file}`, flags);
  }

  #read(fid: number, into: Uint8Array, atOnce: number): Promise<number> {
    return spread(into.length, this.#nine.iounit, atOnce, async (offset, length) => {
      const part = await this.#nine.read(fid, offset, length);
      into.set(part, offset);
      return part.length;
    });
  }

  #submit(kernel: Kernel, fields: Record<string, unknown>, hash: string, inline?: string): Promise<void> {
    const { kernel: name, ...params } = kernel;
    const job = `jid-${++this.#number}`;
    const line = { job, kernel: name, params, ...fields, timeout_ms: TIMEOUT_MS };
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    return new Promise((settle, fail) => {
      this.#waiting.set(job, { hash, inline, settle, fail });
      this.#nine.write(this.#job, 0, bytes).catch((error: unknown) => {
        this.#waiting.delete(job);
        fail(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }

  /** Until it is closed. */
  async #follow(fid: number): Promise<void> {
    let offset = 0;
    let rest = Buffer.alloc(0);
    try {
      for (;;) {
        const part = await this.#nine.read(fid, offset, this.#nine.iounit);
        offset += part.length;
        const bytes = Buffer.concat([rest, part]);
        const end = bytes.lastIndexOf(NEWLINE) + 1;
        rest = bytes.subarray(end);
        for (const line of bytes.toString("utf8", 0, end).split("\n")) if (line !== "") this.#told(line);
      }
    } catch (error) {
      for (const { fail } of this.#waiting.values()) fail(error as Error);
      this.#waiting.clear();
    }
  }

  #told(line: string): void {
    const { job, state, detail, result_hash, result_b64 } = JSON.parse(line) as State;
    const waiting = this.#waiting.get(job);
    if (waiting === undefined || (state !== "OK" && state !== "ERR")) return;
    this.#waiting.delete(job);
    if (state === "ERR") waiting.fail(new Error(`${job} came to nothing: ${detail}`));
    else if (result_hash !== waiting.hash || result_b64 !== waiting.inline)
      waiting.fail(new Error(`${job} has another result`));
    else waiting.settle();
  }
}

/** Move that many bytes in parts, so many at once. @param move says how many bytes of a part it moved. @returns all that were moved */
async function spread(
  length: number,
  part: number,
  atOnce: number,
  move: (offset: number, length: number) => Promise<number>,
): Promise<number> {
  let next = 0;
  let moved = 0;
  const lane = async (): Promise<void> => {
    while (next < length) {
      const from = next;
      const to = Math.min(length, from + part);
      next = to;
      for (let at = from; at < to;) {
        const count = await move(at, to - at);
        if (count === 0) return;
        at += count;
        moved += count;
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return moved;
}
