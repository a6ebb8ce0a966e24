/**
 * Micro-benchmarks as a bundle that both engines boot. Each runs for at least a fifth of a second and reports one line
 * `bench NAME OPERATIONS MICROSECONDS` on the debug console; then the machine ends.
 */
import type { Benchmark } from "./benchmark.ts";
import { codecBenchmarks } from "./codec.ts";
import { nineDoorBenchmarks } from "./ninedoor.ts";

/** Longest packet of an Ethernet without its headers. */
const packet = new Uint8Array(1460);
const target = new Uint8Array(1460);
for (let index = 0; index < packet.length; index++) packet[index] = (index * 7) & 0xff;
const record = JSON.stringify({
  job: "jid-42",
  kernel: "vadd",
  params: { n: 4, m: [1, 2, 3, 4] },
  bytes_hash: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  outputs: ["inline"],
  timeout_ms: 5000,
});
const text = "heartbeat 42: all is well, and the line has some length to it. ".repeat(4);
const encoded = new Uint8Array(text.length * 3);
const leastUs = 200_000;

/** Twenty thousand live objects, a few times what a hive holds, for the collector to walk. */
const live = Array.from({ length: 20_000 }, (_, index) => ({ index, next: {} }));
live.reduce((before, object) => {
  before.next = object;
  return object;
});

let sink = 0;

function add(a: number, b: number): number {
  return a + b;
}

/** RFC 1071 without the engine's help. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let index = 0; index + 1 < bytes.length; index += 2) sum += ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

const benchmarks: readonly Benchmark[] = [
  {
    name: "js-call",
    batch: 10_000,
    run: (count) => {
      for (let index = 0; index < count; index++) sink = add(sink, index) & 0xffff;
    },
  },
  {
    name: "host-call",
    batch: 1000,
    run: (count) => {
      for (let index = 0; index < count; index++) host.barrier(0);
    },
  },
  {
    name: "host-now",
    batch: 1000,
    run: (count) => {
      for (let index = 0; index < count; index++) sink = host.nowUs() & 0xffff;
    },
  },
  {
    name: "checksum-1460-js",
    batch: 20,
    run: (count) => {
      for (let index = 0; index < count; index++) sink = checksum(packet);
    },
  },
  {
    name: "checksum-1460-host",
    batch: 1000,
    run: (count) => {
      for (let index = 0; index < count; index++) sink = host.checksum(packet, 0, packet.length, 0);
    },
  },
  {
    name: "copy-1460-js",
    batch: 20,
    run: (count) => {
      for (let index = 0; index < count; index++) {
        for (let byte = 0; byte < packet.length; byte++) target[byte] = packet[byte] ?? 0;
      }
    },
  },
  {
    name: "copy-1460-host",
    batch: 1000,
    run: (count) => {
      for (let index = 0; index < count; index++) host.copy(target, 0, packet, 0, packet.length);
    },
  },
  {
    name: "utf8-encode-256",
    batch: 500,
    run: (count) => {
      for (let index = 0; index < count; index++) sink = host.utf8Encode(text, encoded, 0);
    },
  },
  {
    name: "utf8-decode-256",
    batch: 500,
    run: (count) => {
      for (let index = 0; index < count; index++) sink = host.utf8Decode(encoded, 0, text.length).length;
    },
  },
  {
    name: "pause-collect-20000",
    batch: 1,
    run: (count) => {
      for (let index = 0; index < count; index++) sink = host.gc() & 0xffff;
    },
  },
  {
    name: "json-parse-200",
    batch: 100,
    run: (count) => {
      for (let index = 0; index < count; index++) sink = Object.keys(JSON.parse(record) as object).length;
    },
  },
  ...codecBenchmarks,
  ...nineDoorBenchmarks,
];

let next = 0;

/** One turn, one benchmark; see {@link Bundle}. */
export function turn(): number {
  const benchmark = benchmarks[next++];
  if (benchmark === undefined) return host.halt("the benchmarks are done");
  benchmark.run(benchmark.batch);
  const start = host.nowUs();
  let done = 0;
  let elapsed = 0;
  while (elapsed < leastUs) {
    benchmark.run(benchmark.batch);
    done += benchmark.batch;
    elapsed = host.nowUs() - start;
  }
  host.log(`bench ${benchmark.name} ${done} ${elapsed}\n`);
  const { also } = benchmark;
  if (also !== undefined) host.log(`bench ${also.name} ${done * also.each} ${elapsed}\n`);
  return 0;
}
