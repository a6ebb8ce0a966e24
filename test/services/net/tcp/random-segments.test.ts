import { expect } from "chai";
import * as fc from "fast-check";
import { socketListen, socketTimeWait, STATES } from "./fixture.ts";

const near = fc.oneof(
  fc.integer({ min: -5, max: 30 }),
  fc.constantFrom(8191, 8192, 16_383, 16_384, 16_385, 0x7fffffff),
  fc.integer(),
);
const range = fc.tuple(near, near);
const segments = fc.record(
  {
    seq: near,
    ack: near,
    flags: fc.constantFrom("", "", "", "P", "F", "S", "R", "SF", "SR", "FP", "SFRP"),
    window: fc.constantFrom(0, 1, 500, 8192, 65_535),
    data: fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 20 }),
    mss: fc.constantFrom(0, 1, 536, 1460, 65_535),
    scale: fc.constantFrom(0, 14),
    sackPermitted: fc.boolean(),
    stamps: fc.tuple(near, near),
    options: fc.uint8Array({ maxLength: 12 }).map((raw) => [...raw]),
    corrupt: fc.constantFrom(false, false, false, true),
  },
  { requiredKeys: ["seq"] },
);
const sacks = fc.record({ seq: near, ack: near, sacks: fc.array(range, { minLength: 1, maxLength: 4 }) });
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ peer: fc.oneof(segments, sacks) }) },
    { weight: 2, arbitrary: fc.record({ wait: fc.constantFrom(1, 40_000, 1_000_000, 70_000_000) }) },
    { weight: 2, arbitrary: fc.record({ write: fc.integer({ min: 1, max: 3000 }) }) },
    { weight: 1, arbitrary: fc.record({ call: fc.constantFrom("shutdown", "close", "abort", "read", "read") }) },
  ),
  { maxLength: 25 },
);

/** fast-check prints the seed of a run that failed. */
describe("TCP, random segments", () => {
  for (const [name, make] of [["listen", socketListen], ...STATES, ["time-wait", socketTimeWait]] as typeof STATES) {
    it(`in ${name}: never throw, are each counted once, and leave nothing behind`, () => {
      fc.assert(
        fc.property(steps, (list) => {
          const rig = make({ sockets: 3, halfOpen: 3, timeWait: 2 });
          for (const step of list) {
            if ("peer" in step) rig.peer(step.peer);
            else if ("wait" in step) rig.wait(step.wait);
            else if (rig.socket === undefined) rig.socket = rig.listener.accept();
            else if ("write" in step) rig.write(step.write);
            else if (step.call === "read") rig.read();
            else rig.socket[step.call]();
            const { socket } = rig;
            expect(socket?.readable ?? 0).to.be.within(0, 16_384);
            expect(socket?.writable ?? 0).to.be.within(0, 16_384);
            rig.balanced();
          }
          rig.socket?.close();
          for (let one = rig.listener.accept(); one !== undefined; one = rig.listener.accept()) one.abort();
          rig.wait(400_000_000);
          expect([rig.tcp.sockets, rig.tcp.halfOpen, rig.tcp.timeWait]).to.deep.equal([0, 0, 0]);
          expect(rig.tcp.nextUs()).to.equal(Infinity);
          rig.balanced();
        }),
        { numRuns: 60 },
      );
    });
  }
});
