/**
 * Well-formed frames to start from: requests on a namespace as a client makes them, with numbers from the edges of their
 * fields, and replies. They lie in one array, so that a mutation starts with one copy.
 */
import { NOFID } from "../../../services/secure9p/constants.ts";
import { Random } from "../random.ts";
import { emit, fields, LAYOUTS, message, type Value } from "../../services/secure9p/layouts.ts";
import { utf8 } from "../../services/support/ports.ts";

/** Numbers at which something may change its mind. */
export const EDGES = [
  0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 63, 64, 127, 128, 255, 256, 511, 512, 4096, 8168, 8169, 8181, 8192, 8193, 0x7fff,
  0x8000, 0xfffe, 0xffff, 0x10000, 0x10001, 0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffffe, 0xffffffff,
];
const WIDE = [0, 0, 0, 1, 5, 100, 4096, 0x7fffffff, 0xffffffff, 0x100000000, Number.MAX_SAFE_INTEGER];
const TEXTS = [
  "proc", "boot", "log", "queen.log", "queen.log.follow", "queen", "ctl", "worker", "worker-1", "worker-2", "self", "telemetry",
  "telemetry.follow", "status", ".", "..", "", "none", "a/b", "größe", "工人", "x".repeat(255), "x".repeat(256), "9P2000.L",
].map((text) => [...utf8(text)]); // prettier-ignore
const PATHS = [
  [], ["proc", "boot"], ["log", "queen.log"], ["log", "queen.log.follow"], ["queen", "ctl"], ["worker"], ["worker", "worker-1"],
  ["worker", "worker-1", "telemetry"], ["worker", "worker-1", "telemetry.follow"], ["worker", "self", "yield"], [".."], ["log", ".."],
].map((path) => path.map((name) => [...utf8(name)])); // prettier-ignore
const DATA = [
  "a line\n", "half a line", '{"spawn":"heartbeat"}\n', '{"kill":"worker-1"}\n', '{"kill":"worker-2"}\n', '{"spawn":"gpu"}\n',
  '{"budget":{"ttl_s":10}}\n', "100\n", "", "\n\n\n", "x".repeat(300), "x".repeat(8169),
].map((text) => [...utf8(text)]); // prettier-ignore
/** Types that do something, more often than the others. */
const BUSY = new Set([104, 110, 12, 116, 118, 40, 24, 108, 120]);

function value(random: Random, anames: readonly string[], type: number, width: string, path: string): Value {
  if (path === "version") return [...utf8(random.int(8) === 0 ? "9P2000" : "9P2000.L")];
  if (path === "msize") return random.of([8192, 8192, 8192, 512, 65536]);
  if (path === "afid") return NOFID;
  if (path === "aname") return [...utf8(random.of(anames))];
  if (/fid$/.test(path)) return random.int(random.of([4, 10, 10, 80]));
  if (width === "*s") return random.of(PATHS);
  if (width === "d") return random.of(DATA);
  if (width === "s") return random.of(TEXTS);
  if (width === "13") return { type: 0x80, version: random.of(EDGES), path: random.of(WIDE) };
  if (width === "*13") return [{ type: 0, version: 1, path: 2 }];
  if (width === "8") return random.of(WIDE);
  if (width === "m") return random.of([0x7ff, 0x3fff, 0xffffffff]);
  if (width === "1") return random.int(256);
  if (width === "2") return random.int(20);
  if (path === "flags" && type === 12) return random.of([0, 0, 1, 1, 2, 0o1001, 0o2001, 0o200000, 3]);
  return random.of(EDGES);
}

export class Pool {
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
  readonly lengths: Int32Array;

  constructor(anames: readonly string[], seed = 0x39503230) {
    const random = new Random(seed);
    const frames = LAYOUTS.flatMap(([type, , layout]) => {
      const list = fields(layout);
      // Tversion ends everything, and replies get the same answer all: a few of each will do.
      const count = BUSY.has(type) ? 60 : type === 100 ? 2 : type % 2 === 1 ? 3 : 8;
      return Array.from({ length: count }, () =>
        message(
          type,
          random.int(20),
          list.flatMap(({ width, path }) => emit(width, value(random, anames, type, width, path))),
        ),
      );
    });
    this.bytes = new Uint8Array(frames.reduce((sum, { length }) => sum + length, 0));
    this.starts = new Int32Array(frames.length);
    this.lengths = new Int32Array(frames.length);
    let at = 0;
    frames.forEach((frame, i) => {
      this.bytes.set(frame, at);
      this.starts[i] = at;
      this.lengths[i] = frame.length;
      at += frame.length;
    });
  }

  get size(): number {
    return this.starts.length;
  }
}
