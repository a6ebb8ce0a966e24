/**
 * A worker that does as others do for two heartbeats and then, by the number of heartbeats that it was asked for, what no
 * worker should. See `MISBEHAVIOURS` in the test that spawns it.
 */
import type { Bytes } from "../../../services/ports/index.ts";
import { HeartbeatWorker } from "../../../services/workers/heartbeat.ts";

const bytes: Bytes = {
  copy: (into, at, from, start, length) => sys.copy(into, at, from, start, length),
  checksum: () => {
    throw new Error("Worker: there are no checksums here.");
  },
  encode: (text, into, at) => sys.utf8Encode(text, into, at),
  decode: (from, start, length) => sys.utf8Decode(from, start, length),
  validate: (from, start, length) => sys.utf8Validate(from, start, length),
  plain: (from, start, length) => sys.plainRun(from, start, length),
};
/** Steps of a worker that has beaten twice, or nearly so. */
const STEPS = 12;
const [kind, misbehaviour, , form] = sys.args;
const worker = new HeartbeatWorker({ bytes, frame: new Uint8Array(sys.frame), args: [kind, 0, 20, form] });
const kept: Uint8Array[] = [];
let steps = 0;

function recurse(depth: number): number {
  return 1 + recurse(depth + 1);
}

function misbehave(): readonly [number, number] {
  switch (misbehaviour) {
    case 1001:
      throw new TypeError("a worker of the test gives up");
    case 1002:
      for (;;) steps++;
    case 1003:
      return [[].indexOf.call({ length: 1e15 } as never, 1 as never), 0];
    case 1004:
      for (;;) kept.push(new Uint8Array(4096));
    case 1005:
      return [recurse(0), 0];
    case 1006:
      // A version of a size that is none is answered at once, again and again.
      new Uint8Array(sys.frame).set([7, 0, 0, 0, 1, 0, 0]);
      return [0x202, 7];
    case 1007:
      return [0x200, 1];
    default:
      return [0x999, 0];
  }
}

export function step(label: number, word: number): readonly [label: number, word: number] {
  return steps++ < STEPS ? worker.step(label, word) : misbehave();
}
