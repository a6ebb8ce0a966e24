/**
 * A GPU to have jobs done by, wherever it is: lines are written, ends are read, blobs are filled and fetched. It looks at each
 * result, so nothing that runs jobs can be fast by being wrong.
 */
import type { Kernel } from "../../gpu-bridge/backend.ts";
import { hashOf } from "../../gpu-bridge/jobs/input.ts";
import { O_RDONLY, O_RDWR } from "../../services/secure9p/constants.ts";
import type { Nine } from "./nine.ts";

const TIMEOUT_MS = 60_000;
const NEWLINE = 0x0a;

/** A kernel's job: what goes in and what has to come out. */
export interface BenchJob {
  readonly kernel: Kernel;
  readonly input: Uint8Array;
  readonly result: Uint8Array;
}

/** A line that tells of a job, as far as it is looked at. */
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

export interface BenchGpuPlaces {
  /** A file that takes jobs, open, and what stands before a job in it. */
  readonly jobs: { readonly nine: Nine; readonly fid: number; readonly prefix: string };
  /** A file that tells of their ends and waits for more, open. */
  readonly ends: { readonly nine: Nine; readonly fid: number };
  /** The folder of the blobs. */
  readonly blobs: { readonly nine: Nine; readonly folder: string };
}

export class BenchGpu {
  readonly #places: BenchGpuPlaces;
  readonly #waiting = new Map<string, Waiting>();
  #in = -1;
  #number = 0;

  private constructor(places: BenchGpuPlaces) {
    this.#places = places;
  }

  /** Whoever has the places closes them, and that ends it. */
  static async at(places: BenchGpuPlaces): Promise<BenchGpu> {
    const gpu = new BenchGpu(places);
    gpu.#in = await places.blobs.nine.open(`${places.blobs.folder}/0/in`, O_RDWR);
    void gpu.#follow();
    return gpu;
  }

  /** Have a job done whose input and result are in its lines. */
  inline({ kernel, input, result }: BenchJob): Promise<void> {
    const payload_b64 = Buffer.from(input).toString("base64");
    const fields = { bytes_hash: hashOf(input), payload_b64, outputs: ["inline"] };
    return this.#submit(kernel, fields, hashOf(result), Buffer.from(result).toString("base64"));
  }

  /** Have a job done whose input is put into a blob before, and whose result is read from one after, so many requests at once. */
  async byBlobs({ kernel, input, result }: BenchJob, atOnce = 1): Promise<void> {
    await this.put(input, atOnce);
    const fields = { bytes_hash: hashOf(input), inputs: ["blob/0"], outputs: ["blob/1"] };
    await this.#submit(kernel, fields, hashOf(result));
    const { nine, folder } = this.#places.blobs;
    const out = await nine.open(`${folder}/1/out`, O_RDONLY);
    const got = new Uint8Array(result.length);
    await nine.readAll(out, got, atOnce);
    await nine.clunk(out);
    if (Buffer.compare(got, result) !== 0) throw new Error("the blob has another result");
  }

  /** Write all of it to a blob, so many writes at once. @returns bytes */
  put(bytes: Uint8Array, atOnce: number): Promise<number> {
    return this.#places.blobs.nine.writeAll(this.#in, bytes, atOnce);
  }

  /** Fill `into` with what was {@link put}, so many reads at once. @returns bytes */
  get(into: Uint8Array, atOnce: number): Promise<number> {
    return this.#places.blobs.nine.readAll(this.#in, into, atOnce);
  }

  #submit(kernel: Kernel, fields: Record<string, unknown>, hash: string, inline?: string): Promise<void> {
    const { kernel: name, ...params } = kernel;
    const job = `jid-${++this.#number}`;
    const line = { job, kernel: name, params, ...fields, timeout_ms: TIMEOUT_MS };
    const { nine, fid, prefix } = this.#places.jobs;
    const bytes = Buffer.from(`${prefix}${JSON.stringify(line)}\n`);
    return new Promise((settle, fail) => {
      this.#waiting.set(job, { hash, inline, settle, fail });
      nine.write(fid, 0, bytes).catch((error: unknown) => {
        this.#waiting.delete(job);
        fail(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }

  /** Until it is closed. */
  async #follow(): Promise<void> {
    const { nine, fid } = this.#places.ends;
    let offset = 0;
    let rest = Buffer.alloc(0);
    try {
      for (;;) {
        const part = await nine.read(fid, offset, nine.iounit);
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
