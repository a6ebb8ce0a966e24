/**
 * Appends a worker's records to its telemetry and its results, as many in a write as there are. A result is written before the
 * telemetry that tells of it, so whoever reads there that a job has ended finds its result.
 */
import type { Bytes } from "../../ports/index.ts";
import type { Client } from "../../secure9p/client.ts";
import type { Done } from "../../secure9p/client-calls.ts";
import { accept, send } from "../program.ts";

/** Longest record of either, newline not counted. */
export const TELEMETRY_MAX = 1024;
export const RESULT_MAX = 4096;
const TELEMETRY_BYTES = 4096;
const RESULT_BYTES = 8000;
const NEWLINE = 0x0a;

export interface OutletOptions {
  readonly client: Client;
  readonly bytes: Bytes;
  /** Fids that are open for writing when the first record comes. */
  readonly telemetry: number;
  readonly result: number;
}

export class Outlet {
  readonly #telemetry: Records;
  readonly #result: Records;

  constructor({ client, bytes, telemetry, result }: OutletOptions) {
    this.#telemetry = new Records(client, bytes, telemetry, TELEMETRY_BYTES);
    this.#result = new Records(client, bytes, result, RESULT_BYTES);
  }

  /** Whether it takes another record for each. */
  get ready(): boolean {
    return this.#telemetry.room > TELEMETRY_MAX && this.#result.room > RESULT_MAX;
  }

  /** @param record of at most {@link TELEMETRY_MAX} bytes */
  telemetry(record: string): void {
    this.#telemetry.add(record);
  }

  /** @param record of at most {@link RESULT_MAX} bytes */
  result(record: string): void {
    this.#result.add(record);
  }

  /** Write what there is, unless a write is under way. */
  flush(): void {
    if (this.#telemetry.writing || this.#result.writing) return;
    if (this.#result.flush()) this.#telemetry.flush();
  }
}

/** Those of one file. */
class Records {
  writing = false;
  readonly #client: Client;
  readonly #bytes: Bytes;
  readonly #fid: number;
  readonly #lines: Uint8Array;
  #used = 0;

  constructor(client: Client, bytes: Bytes, fid: number, size: number) {
    this.#client = client;
    this.#bytes = bytes;
    this.#fid = fid;
    this.#lines = new Uint8Array(size);
  }

  get room(): number {
    return this.#lines.length - this.#used;
  }

  add(record: string): void {
    this.#used += this.#bytes.encode(record, this.#lines, this.#used);
    this.#lines[this.#used++] = NEWLINE;
  }

  /** @returns whether all is on its way. */
  flush(): boolean {
    if (this.#used === 0) return true;
    const { iounit } = this.#client;
    this.writing = true;
    send(this.#client.write(this.#fid, 0, this.#lines, 0, Math.min(this.#used, iounit), this.#wrote));
    return this.#used <= iounit;
  }

  readonly #wrote: Done = ({ count }, error) => {
    this.writing = false;
    accept("take a record", error, error !== undefined || count > 0);
    this.#used -= count;
    this.#bytes.copy(this.#lines, 0, this.#lines, count, this.#used);
  };
}
