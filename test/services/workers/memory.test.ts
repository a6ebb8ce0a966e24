import { expect } from "chai";
import { ASCII_BYTES, QuickJs } from "../support/quickjs.ts";
import { QUICKJS_HIVE } from "../support/quickjs-hive.ts";

/** A worker's program runs until it waits, and is then forgotten. */
const ROOT = `
import { HeartbeatWorker } from "./services/workers/heartbeat.ts";
${QUICKJS_HIVE}
globalThis.spawn = (count) => {
  for (let i = 0; i < count; i++) {
    const spawned = hive.workers.spawn({ verb: "spawn", kind: "heartbeat", heartbeats: undefined, budget: {}, priority: "worker" });
    if (spawned.worker === undefined) throw new Error("refused");
    const worker = new HeartbeatWorker({ bytes, frame, args: [1, 0, 1000, 0] });
    let answer = [0, 0];
    while (answer !== undefined) {
      const [label, word] = worker.step(...answer);
      replies.delete(last);
      events.push({ id: last, kind: "call", label, words: [word, 0, 0, 0] });
      supervisor.raise();
      supervisor.serve(16, clock.us);
      answer = replies.get(last);
    }
  }
  return hive.workers.size;
};
globalThis.fill = () => {
  const record = new Uint8Array(1000).fill(65);
  for (const { id } of hive.workers.list()) {
    const { telemetry, trace, result } = hive.namespace.workers.find(id);
    for (const ring of [telemetry, trace, result]) for (let i = 0; i < 100; i++) ring.append(record, 0, 1000);
  }
};
globalThis.kill = () => {
  for (const { id } of hive.workers.list()) hive.workers.kill({ worker: id });
  events = [];
  replies.clear();
  return hive.workers.size;
};
`;

/** A worker's program against the smallest root that answers it: Rwrite for every Twrite. */
const WORKER = `
import { HeartbeatWorker } from "./services/workers/heartbeat.ts";
${ASCII_BYTES}
const frame = new Uint8Array(16384);
const worker = new HeartbeatWorker({ bytes, frame, args: [1, 0, 1000, 0] });
const u32 = (at) => frame[at] | (frame[at + 1] << 8) | (frame[at + 2] << 16) | (frame[at + 3] << 24);
const put = (bytes) => { frame.set(bytes); return bytes.length; };
let call = worker.step(0, 0);
call = worker.step(0x201, 1);
globalThis.step = () => {
  const [tag, tagHigh] = [frame[5], frame[6]];
  let length = 0;
  switch (frame[4]) {
    case 100: length = put([21, 0, 0, 0, 101, 255, 255, 0, 8, 0, 0, 8, 0, 57, 80, 50, 48, 48, 48, 46, 76]); break;
    case 104: length = put([20, 0, 0, 0, 105, tag, tagHigh, ...new Array(13).fill(0)]); break;
    case 110: length = put([48, 0, 0, 0, 111, tag, tagHigh, 3, 0, ...new Array(39).fill(0)]); break;
    case 12: length = put([24, 0, 0, 0, 13, tag, tagHigh, ...new Array(17).fill(0)]); break;
    case 118: {
      const count = u32(19);
      length = put([11, 0, 0, 0, 119, tag, tagHigh, count, 0, 0, 0]);
      break;
    }
    default: throw new Error("request " + frame[4]);
  }
  call = worker.step(0x202, length);
};
globalThis.steps = (count) => { for (let i = 0; i < count; i++) step(); };
`;

/** A GPU worker's against one that gives it a job whenever it asks, takes each, and tells its three states at its next read. */
const GPU_WORKER = `
import { GpuWorker } from "./services/workers/gpu/gpu-worker.ts";
${ASCII_BYTES}
const frame = new Uint8Array(16384);
const worker = new GpuWorker({ bytes, frame, args: [2, 0, 0, 0] });
const u32 = (at) => frame[at] | (frame[at + 1] << 8) | (frame[at + 2] << 16) | (frame[at + 3] << 24);
const number = (value, size) => Array.from({ length: size }, (_, i) => (value / 2 ** (8 * i)) & 255);
const message = (type, tag, ...body) => [...number(7 + body.length, 4), type, ...tag, ...body];
const ascii = (text) => Array.from(text, (c) => c.charCodeAt(0));
let jobs = 0, wanted, due = "", out = [];
const states = (id) => ["QUEUED", "RUNNING", "OK"].map((state) =>
  JSON.stringify({ job: id, worker: "worker-1", state, detail: "inline", ts_ms: 1, result_b64: "A".repeat(40), result_hash: "h" }) + "\\n").join("");
const read = (tag, text) => out.push(...message(117, tag, ...number(text.length, 4), ...ascii(text)));
function answer(at) {
  const tag = [frame[at + 5], frame[at + 6]];
  const fid = u32(at + 7);
  switch (frame[at + 4]) {
    case 100: return out.push(...message(101, tag, ...number(8192, 4), 8, 0, ...ascii("9P2000.L")));
    case 104: return out.push(...message(105, tag, ...number(0, 13)));
    case 110: {
      const names = frame[at + 15];
      return out.push(...message(111, tag, names, 0, ...number(0, 13 * names)));
    }
    case 12: return out.push(...message(13, tag, ...number(0, 17)));
    case 24: return out.push(...message(25, tag, ...number(0, 153)));
    case 118:
      if (fid === 5) due += states("jid-" + jobs);
      return out.push(...message(119, tag, ...number(u32(at + 19), 4)));
    case 116:
      if (fid === 3) return read(tag, '{"job":"jid-' + ++jobs + '","payload_b64":"' + "A".repeat(40) + '"}\\n');
      wanted = tag;
      return undefined;
    default: throw new Error("request " + frame[at + 4]);
  }
}
let call = worker.step(0, 0);
frame.set(ascii("ticket\\nGPU-0"));
call = worker.step(0x201, 12);
globalThis.steps = (count) => {
  for (let i = 0; i < count; i++) {
    for (let at = 0; at < call[1]; at += u32(at)) answer(at);
    if (wanted !== undefined && due !== "") {
      read(wanted, due);
      wanted = undefined;
      due = "";
    }
    if (out.length === 0) throw new Error("it waits with a job at hand");
    frame.set(out);
    const length = out.length;
    out = [];
    call = worker.step(0x202, length);
  }
  return jobs;
};
`;

const KIB = 1024;

describe("workers' memory, in QuickJS", () => {
  it("in the root is small for each of 64 that live, and at most its rings when they are full", async function () {
    this.timeout(120_000);
    const vm = await QuickJs.load(ROOT);
    try {
      vm.run("spawn(1); kill()");
      const before = vm.heapUsed;
      expect(vm.run("spawn(64)")).to.equal(64);
      const alive = (vm.heapUsed - before) / 64;
      vm.run("fill()");
      const full = (vm.heapUsed - before) / 64;
      // 88 KiB of rings.
      expect(alive, "KiB of one that has started").to.be.below(56 * KIB);
      expect(full - alive).to.be.below(88 * KIB);
      expect(64 * full, "all of them").to.be.below(9 * KIB * KIB);
      expect(vm.run("kill()")).to.equal(0);
      // What is left until cycles are collected is no ring.
      const left = (vm.heapUsed - before) / 64;
      expect(left, "left of one that has ended").to.be.below(32 * KIB);
    } finally {
      vm.dispose();
    }
  });

  it("in its arena does not grow while it beats, and leaves most of it free", async function () {
    this.timeout(60_000);
    const vm = await QuickJs.load(WORKER);
    try {
      vm.run("steps(100)");
      const before = vm.heapUsed;
      vm.run("steps(20000)");
      expect(vm.heapUsed - before).to.be.below(2 * KIB);
      expect(vm.heapUsed).to.be.below(768 * KIB);
    } finally {
      vm.dispose();
    }
  });

  it("in its arena does not grow while a GPU worker does jobs, and leaves most of it free", async function () {
    this.timeout(60_000);
    const vm = await QuickJs.load(GPU_WORKER);
    try {
      // It remembers 256 that ended.
      expect(vm.run("steps(1200)")).to.be.above(300);
      const before = vm.heapUsed;
      expect(vm.run("steps(2400)")).to.be.above(900);
      expect(vm.heapUsed - before).to.be.below(4 * KIB);
      expect(vm.heapUsed).to.be.below(768 * KIB);
    } finally {
      vm.dispose();
    }
  });
});
