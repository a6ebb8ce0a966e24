/** Follows a file of a hive over 9P from its beginning, as lines of JSON. */
import type { NineClient } from "./nine-client.ts";

const PATIENCE_MS = 60_000;

/** A line about a job, wherever it stands. */
export interface JobLine {
  readonly job: string;
  readonly worker?: string;
  readonly state: "QUEUED" | "RUNNING" | "OK" | "ERR";
  readonly detail: string;
  readonly result_hash?: string;
  readonly result_b64?: string;
}

export class Follower {
  /** All that came. */
  text = "";
  /** Why it goes no further, e.g. `!ESHUTDOWN`. */
  over: string | undefined;
  readonly #path: string;
  #changed: () => void = () => undefined;

  /** @param path e.g. `/worker/worker-1/telemetry.follow` */
  static async open(client: NineClient, path: string): Promise<Follower> {
    return new Follower(client, path, await client.opened(path));
  }

  private constructor(client: NineClient, path: string, fid: number) {
    this.#path = path;
    void this.#follow(client, fid);
  }

  /** Whole lines that came. */
  get lines(): string[] {
    return this.text.split("\n").slice(0, -1);
  }

  get jobs(): JobLine[] {
    return this.lines.map((line) => JSON.parse(line) as JobLine);
  }

  /** States of one job, each with its detail. */
  statesOf(job: string): string[] {
    return this.jobs.filter((line) => line.job === job).map(({ state, detail }) => `${state} ${detail}`);
  }

  /** Wait until something has come, or it goes no further. @throws Error if that does not come */
  async until<T>(look: () => T | undefined | false, what: string): Promise<T> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const found = look();
      if (found !== undefined && found !== false) return found;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`${this.#path}: no ${what} in ${this.over ?? ""}\n${this.text}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Wait for a job's end, or for another state of it. */
  job(job: string, pattern = /^(OK|ERR)$/): Promise<JobLine> {
    return this.until(
      () => this.jobs.find((line) => line.job === job && pattern.test(line.state)),
      `${String(pattern)} of ${job}`,
    );
  }

  /** Wait until it goes no further. @returns why */
  ended(): Promise<string> {
    return this.until(() => this.over, "end");
  }

  async #follow(client: NineClient, fid: number): Promise<void> {
    for (let offset = 0; this.over === undefined;) {
      const part = await client.read(fid, offset);
      if (typeof part === "string") this.over = part;
      else if (part.length === 0) this.over = "an empty read";
      else {
        this.text += part.toString("utf8");
        offset += part.length;
      }
      this.#changed();
    }
  }
}
