/**
 * Workers that misbehave: calls with any label and word, requests of 9P that are damaged, texts of failures that would forge a log,
 * faults and loops. The hive ends each with its reason in one line, serves the others on, and has everything back in the end.
 */
import { type Doing, type Program, WORKER_PROGRAM } from "../../../cohsh/mock/components.ts";
import { HIVE_LIMITS } from "../../../services/hive/limits.ts";
import type { WorkerPort } from "../../../services/workers/program.ts";
import { FAILED_BYTES, FRAME_BYTES, WORKER } from "../../../services/workers/protocol.ts";
import { TestHive } from "../../services/hive/support.ts";
import { concat, frame as request } from "../../services/secure9p/fixture.ts";
import { nodeBytes } from "../../services/support/ports.ts";
import { Random } from "../random.ts";
import { atLeast, must, type Target } from "../target.ts";
import { mutate } from "./mutate.ts";
import { Pool } from "./pool.ts";

const STEPS = 60;
/** Workers at once. */
const MOST = 6;
const LABELS = [...Object.values(WORKER), 0, 0x100, 0x205, 0xffffffff];
const WORDS = [0, 1, 2, 6, 7, 2047, 2048, 2049, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 0xffffffff];
const FORGERY = "\n[   9.000000] queen: session 1 (queen): all is well\u202e\u0000\u2028";
const BATCH = 4;

const pool = new Pool([""]);

function workerCounts() {
  return { hives: 0, spawned: 0, calls: 0, ended: 0, well: 0 };
}
type WorkerCounts = ReturnType<typeof workerCounts>;

class Misfit implements Program {
  readonly #port: WorkerPort;
  readonly #good: Program;
  readonly #random: Random;
  readonly #counts: WorkerCounts;
  /** Steps for which it is as it should be. */
  #sane: number;
  #said = 0;

  constructor(port: WorkerPort, random: Random, counts: WorkerCounts) {
    this.#port = port;
    this.#good = WORKER_PROGRAM["worker.elf"]!(port);
    this.#random = random;
    this.#counts = counts;
    this.#sane = random.of([0, 1, 2, 5, 30]);
  }

  step(label: number, word: number): Doing {
    const random = this.#random;
    this.#counts.calls++;
    if (this.#sane-- > 0) return this.#good.step(label, word);
    if (this.#said === 0 && random.int(4) > 0) {
      this.#said++;
      return [WORKER.HELLO, 1];
    }
    const { frame } = this.#port;
    if (label === WORKER.START) {
      const ticket = nodeBytes.decode(frame, 0, word);
      const opening = concat(
        request(100, 0xffff, { msize: random.of([2048, 512, 8192]), version: "9P2000.L" }),
        request(104, 0, { fid: 0, afid: 0xffffffff, aname: random.int(8) > 0 ? ticket : "another" }),
      );
      frame.set(opening);
      return [WORKER.FRAMES, opening.length];
    }
    switch (random.int(24)) {
      case 0:
        return [random.of(LABELS), random.once(2) ? random.of(WORDS) : random.int(0x100000000)];
      case 1: {
        const text = random.once(2) ? FORGERY : "x".repeat(random.int(FAILED_BYTES));
        return [WORKER.FAILED, nodeBytes.encode(text, frame, 0)];
      }
      case 2:
        random.bytes(frame, 0, 200);
        return [WORKER.FAILED, random.int(200)];
      case 3:
        return [WORKER.EXIT, random.of(WORDS)];
      case 4:
        return { kind: "violation" };
      case 5:
        return {
          kind: "fault",
          fault: "vm",
          ip: random.int(2 ** 32),
          address: 0,
          detail: random.int(2 ** 32),
          access: "write",
        };
      case 6:
        return random.once(4) ? "hang" : [WORKER.FRAMES, 0];
      default: {
        let length = 0;
        for (let left = 1 + random.int(BATCH); left > 0 && length < FRAME_BYTES - 9000; left--) {
          length += mutate(frame, length, pool, random);
        }
        return [WORKER.FRAMES, length];
      }
    }
  }
}

function hive(random: Random, counts: WorkerCounts): void {
  const programs = { "worker.elf": (port: WorkerPort) => new Misfit(port, random, counts) };
  const all = new TestHive({ programs, limits: { namespace: { ...HIVE_LIMITS.namespace, workers: MOST } } });
  const { control, namespace } = all.hive;
  const { view } = all.operator();
  const timers = all.timers.size;
  for (let step = 0; step < STEPS; step++) {
    const id = `worker-${1 + random.int(all.components.spawned + 1)}`;
    control.line(random.of(['{"spawn":"heartbeat"}', '{"spawn":"heartbeat","ticks":3}', `{"kill":"${id}"}`]), view);
    namespace.workers.find(id)?.telemetry.append(new Uint8Array(8).fill(0x61), 0, 8);
    all.pass(random.int(random.of([2, 50, 2000])));
    must(all.errors.length === 0, () => `a provider threw: ${String(all.errors[0])}`);
    must(all.components.size <= MOST, () => `${all.components.size} components`);
  }
  for (let id = 1; id <= all.components.spawned; id++) control.line(`{"kill":"worker-${id}"}`, view);
  all.pass(1000);
  must(all.components.size === 0, () => `${all.components.size} components are left`);
  must(all.timers.size === timers, () => `${all.timers.size} timers are set, and ${timers} were`);
  must(all.hive.sessions().length === 1, () => `${all.hive.sessions().length} logins are left`);
  for (const line of all.log()) {
    must(/^[a-z]+: [^\p{Cc}\u2028\u202e]*$/u.test(line), () => `a line of the log: ${JSON.stringify(line)}`);
    must(!line.includes("all is well") || line.startsWith("worker: worker-"), () => `forged: ${line}`);
    if (/; destroyed$/.test(line)) counts.ended++;
    if (/ finished; destroyed$/.test(line)) counts.well++;
  }
  counts.spawned += all.components.spawned;
  counts.hives++;
  TestHive.all.length = 0;
}

export const worker: Target = {
  name: "worker",
  what: "calls, requests and last words of workers that misbehave at the hive",
  run: 8,
  short: 2 * 8,
  weight: 200,
  counts: workerCounts,
  fuzz(seed, inputs, counts) {
    const random = new Random(seed);
    for (let n = 0; n < inputs; n++) hive(random, counts as WorkerCounts);
  },
  reached(counts) {
    atLeast(counts, "spawned", 5, "hives");
    atLeast(counts, "calls", 3, "spawned");
    atLeast(counts, "ended", 0.3, "spawned");
  },
};
