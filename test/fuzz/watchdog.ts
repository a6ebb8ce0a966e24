/**
 * Ends the process when a fuzz run stands still: a thread of its own looks at a counter that the run keeps moving. A hang is
 * a failure like any other, and says where it happened.
 */
import { Worker } from "node:worker_threads";

const PATIENCE_MS = 20_000;

/** What the thread does; it may use nothing of the process but its shared memory. */
const THREAD = `
const { workerData } = require("node:worker_threads");
const { writeSync } = require("node:fs");
const words = new Int32Array(workerData.shared);
let seen = -1;
let since = Date.now();
setInterval(() => {
  const now = Atomics.load(words, 0);
  if (now !== seen) {
    seen = now;
    since = Date.now();
  } else if (Date.now() - since > workerData.patienceMs) {
    writeSync(2, "fuzz: nothing has moved for " + workerData.patienceMs + " ms (" + workerData.what + ", seed " + (Atomics.load(words, 1) >>> 0) + ")\\n");
    process.kill(process.pid, "SIGKILL");
  }
}, 500).unref();
setInterval(() => {}, 1000);
`;

export class Watchdog {
  readonly #words: Int32Array;
  readonly #thread: Worker;

  constructor(what: string, patienceMs = PATIENCE_MS) {
    const shared = new SharedArrayBuffer(8);
    this.#words = new Int32Array(shared);
    this.#thread = new Worker(THREAD, { eval: true, workerData: { shared, what, patienceMs } });
    this.#thread.unref();
  }

  /** Still going. @param seed of what is under way */
  moved(seed: number): void {
    Atomics.store(this.#words, 1, seed | 0);
    Atomics.add(this.#words, 0, 1);
  }

  async end(): Promise<void> {
    await this.#thread.terminate();
  }
}
