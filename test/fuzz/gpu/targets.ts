/** What a bridge is written to under fuzz: jobs, and the Queen's commands with time passing between them. */

import { BLOB_BYTES, inputBytes, outputBytes } from "../../../gpu-bridge/backend.ts";
import { Blobs } from "../../../gpu-bridge/blobs/blobs.ts";
import { Memory } from "../../../gpu-bridge/blobs/memory.ts";
import { Gpu } from "../../../gpu-bridge/gpu.ts";
import { readJob } from "../../../gpu-bridge/jobs/descriptor.ts";
import { hashOf, takeInput } from "../../../gpu-bridge/jobs/input.ts";
import { LIMITS } from "../../../gpu-bridge/limits.ts";
import type { Refused } from "../../../gpu-bridge/refused.ts";
import { bytesOf, FakeExecutor, hashed, INFO, ManualClock, vadd } from "../../gpu-bridge/support.ts";
import { target } from "../cohsh/taken.ts";
import { Random } from "../random.ts";
import { atLeast, atMost, must, type Target } from "../target.ts";
import { damaged, damageJson, PRINTABLE } from "../text/texts.ts";

const JOB_WORDS = [
  "job", "kernel", "params", "grid", "block", "bytes_hash", "payload_b64", "inputs", "outputs", "timeout_ms", "vadd", "matmul", "m", "k", "n",
  "inline", "blob/0", "blob/1", "blob/8", "sha256:", "AAAA", "__proto__", "constructor", "worker",
]; // prettier-ignore
const CTL_WORDS = [
  "LEASE", "RELEASE", "PRIORITY", "RESET", "mem_mb=", "mem_mb=256", "streams=1", "ttl_s=1", "priority=9", "worker-1", "worker-2", "worker-3",
  "toString=1", "__proto__=1", " ", "=",
]; // prettier-ignore

const input = bytesOf([1, 2, 10, 20]);
const JOBS: readonly object[] = [
  vadd("jid-1"),
  {
    ...vadd("jid-2", { kernel: "matmul", params: { m: 1, k: 2, n: 1 }, grid: [1, 1, 1], block: [16, 16, 1] }),
    timeout_ms: 600_000,
  },
  { ...vadd("jid-3", { inputs: ["blob/0"], outputs: ["blob/7"] }), payload_b64: undefined },
  { ...vadd("jid-4", { inputs: ["blob/1", "blob/2"], bytes_hash: hashed(input) }), payload_b64: undefined },
];

/** Held to what every refusal promises. @returns false, as for what is not taken */
function refused({ why, sentence }: Refused): false {
  must(["Invalid", "Busy", "NotFound"].includes(why.name), () => `refused with ${why.name}`);
  must(PRINTABLE.test(sentence) && sentence.length <= 400, () => `refused with ${JSON.stringify(sentence)}`);
  return false;
}

const memory = new Memory(1 << 20);
const blobs = new Blobs(memory);
blobs.slots[0]!.in.write(0, input, 0, 16);
blobs.slots[1]!.in.write(0, input, 0, 4);
blobs.slots[2]!.in.write(0, input, 4, 12);
const HELD = memory.used;

const job = target(
  "gpu-job",
  "damaged jobs at a bridge's reader, and what is taken at the check of its input",
  { run: 2048, short: 2 * 2048 },
  (random, counts) => {
    let value: unknown = random.of(JOBS);
    for (let times = random.int(3); times > 0; times--) value = damageJson(value, JOB_WORDS, random);
    const text = JSON.stringify(value) ?? "";
    const line = random.once(3) ? damaged(text, JOB_WORDS, random) : text;
    const read = readJob(line);
    if ("sentence" in read) return refused(read);
    const { kernel, output, timeoutMs, id, hash } = read.job;
    for (const bytes of [inputBytes(kernel), outputBytes(kernel)]) {
      must(Number.isInteger(bytes) && bytes > 0 && bytes <= BLOB_BYTES, () => `${bytes} bytes: ${line}`);
    }
    must(output === "inline" ? outputBytes(kernel) <= 2048 : output >= 0 && output < 8, () => `output ${output}`);
    must(timeoutMs >= 1 && timeoutMs <= 600_000, () => `timeout ${timeoutMs}`);
    must(/^[\w.-]{1,64}$/.test(id) && /^sha256:[0-9a-f]{64}$/.test(hash), () => `${id} ${hash}`);
    const taken = takeInput(read.job, blobs);
    if ("sentence" in taken) {
      counts["another"] = (counts["another"] ?? 0) + 1;
      refused(taken);
    } else {
      must(taken.bytes.length === inputBytes(kernel) && hashOf(taken.bytes) === hash, () => `another input: ${line}`);
      taken.release();
    }
    must(memory.used === HELD, () => `${memory.used} bytes are held: ${line}`);
    return true;
  },
);

/** A GPU and what it is promised to hold. */
class Leased {
  readonly clock = new ManualClock();
  readonly memory = new Memory(LIMITS.memoryBytes);
  readonly gpu = new Gpu({
    info: INFO,
    executor: new FakeExecutor(),
    clock: this.clock,
    memory: this.memory,
    limits: LIMITS,
    said: (sentence) => must(PRINTABLE.test(sentence) && sentence.length < 500, () => `said ${sentence}`),
  });

  control(line: string): boolean {
    const { gpu, clock } = this;
    const before = [...gpu.leases].map((lease) => ({ lease, priority: lease.priority }));
    const lines = gpu.leaseRing.appends;
    const why = gpu.control(line);
    if (why !== undefined) {
      const after = [...gpu.leases];
      const same = before.every(({ lease, priority }, i) => after[i] === lease && lease.priority === priority);
      must(same && after.length === before.length, () => `refused and done: ${line}`);
      must(gpu.leaseRing.appends === lines, () => `refused and told: ${line}`);
    }
    let [memoryMb, streams] = [0, 0];
    for (const lease of gpu.leases) {
      memoryMb += lease.memMb;
      streams += lease.streams;
      must(lease.state === "ACTIVE" && !lease.life.ended, () => `${lease.worker} is ${lease.state}`);
    }
    must(memoryMb <= INFO.memoryMb && streams <= LIMITS.streams, () => `${memoryMb} MiB, ${streams} streams: ${line}`);
    must(clock.timers === gpu.leases.size, () => `${clock.timers} timers of ${gpu.leases.size} leases`);
    return why === undefined;
  }
}

const ctl: Target = {
  name: "gpu-ctl",
  what: "damaged commands of the Queen at a GPU, and time that passes",
  run: 2048,
  short: 2 * 2048,
  counts: () => ({ inputs: 0, taken: 0, other: 0, expired: 0 }),
  fuzz(seed, inputs, counts) {
    const random = new Random(seed);
    const leased = new Leased();
    for (let n = 0; n < inputs; n++) {
      const worker = `worker-${1 + random.int(6)}`;
      const line = random.of([
        `LEASE ${worker} mem_mb=${1 + random.int(600)} streams=${1 + random.int(8)} ttl_s=${1 + random.int(20)}`,
        `LEASE ${worker} mem_mb=1 streams=1 ttl_s=${1 + random.int(5)} priority=${random.int(300)}`,
        `RELEASE ${worker}`,
        `PRIORITY ${worker} ${random.int(256)}`,
        random.once(8) ? "RESET" : `RELEASE ${worker}`,
      ]);
      counts["inputs"]!++;
      counts[leased.control(random.once(2) ? damaged(line, CTL_WORDS, random) : line) ? "taken" : "other"]!++;
      if (random.once(4)) leased.clock.pass(random.int(3000));
    }
    counts["expired"]! += leased.gpu.leases.counters.expired;
    leased.gpu.leases.releaseAll();
    must(leased.clock.timers === 0 && leased.memory.used === 0, () => "something is left");
  },
  reached(counts) {
    atLeast(counts, "taken", 0.05, "inputs");
    atMost(counts, "taken", 0.95, "inputs");
    atLeast(counts, "expired", 0.01, "inputs");
  },
};

export const GPU_TARGETS: readonly Target[] = [job, ctl];
