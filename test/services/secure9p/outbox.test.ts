import { expect } from "chai";
import * as fc from "fast-check";
import { Outbox } from "../../../services/secure9p/outbox.ts";
import { nodeBytes } from "../support/ports.ts";

function drain(out: Outbox, count: number): number[] {
  const taken: number[] = [];
  while (taken.length < count && out.length > 0) {
    const run = Math.min(out.run, count - taken.length);
    taken.push(...out.bytes.subarray(out.start, out.start + run));
    out.drop(run);
  }
  return taken;
}

describe("Outbox", () => {
  it("gives back what was put in, in order, whatever wraps, grows or is patched", () => {
    const step = fc.oneof(
      fc.record({ put: fc.array(fc.uint8Array({ maxLength: 1500 }), { maxLength: 4 }), keep: fc.boolean() }),
      fc.record({ drop: fc.integer({ min: 0, max: 9000 }) }),
      fc.record({ room: fc.uint8Array({ maxLength: 1500 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const out = new Outbox(nodeBytes, 20000);
        let model: number[] = [];
        for (const s of steps) {
          if ("drop" in s) {
            expect(drain(out, s.drop)).to.deep.equal(model.splice(0, s.drop));
            continue;
          }
          if ("room" in s) {
            const at = out.room(s.room.length);
            if (at < 0) continue;
            out.bytes.set(s.room, at);
            out.add(s.room.length);
            model = model.concat([...s.room]);
            continue;
          }
          const frame: number[] = [];
          for (const piece of s.put) {
            const fits = model.length + frame.length + piece.length <= 20000;
            expect(out.put(piece, 0, piece.length)).to.equal(fits);
            if (fits) frame.push(...piece);
          }
          if (frame.length >= 6) {
            out.patch(2, 0x04030201);
            frame.splice(2, 4, 1, 2, 3, 4);
          }
          if (s.keep) {
            out.close();
            model = model.concat(frame);
          } else out.abandon();
          expect(out.length).to.equal(model.length);
          expect(out.highWater).to.be.at.least(model.length);
        }
        expect(drain(out, Infinity)).to.deep.equal(model);
      }),
    );
  });

  it("has room in a row up to its end, beside what is held, and none within an open frame", () => {
    const out = new Outbox(nodeBytes, 100000);
    expect([out.room(4096), out.room(4097)]).to.deep.equal([0, -1]);
    out.add(4000);
    expect([out.room(96), out.room(97)]).to.deep.equal([4000, -1]);
    out.drop(3000);
    expect(out.room(97)).to.equal(-1);
    out.add(96);
    expect([out.room(3000), out.room(3001)]).to.deep.equal([0, -1]);
    out.add(3000);
    expect([out.length, out.highWater, out.room(1)]).to.deep.equal([4096, 4096, -1]);
    out.drop(100);
    out.put(Uint8Array.of(1), 0, 1);
    expect(out.room(1)).to.equal(-1);
  });

  it("is small before it is used, and again when it is empty", () => {
    const out = new Outbox(nodeBytes, 100000);
    expect(out.bytes.length).to.equal(4096);
    out.put(new Uint8Array(90000), 0, 90000);
    out.close();
    expect(out.bytes.length).to.equal(100000);
    drain(out, 89999);
    expect(out.bytes.length).to.equal(100000);
    drain(out, 1);
    expect(out.bytes.length).to.equal(4096);
  });

  it("shows no frame before it is whole", () => {
    const out = new Outbox(nodeBytes, 100);
    out.put(Uint8Array.of(1, 2, 3), 0, 3);
    expect([out.length, out.run, out.free]).to.deep.equal([0, 0, 97]);
    out.close();
    expect([out.length, out.run, out.free]).to.deep.equal([3, 3, 97]);
  });

  it("refuses to drop or patch what is not there", () => {
    const out = new Outbox(nodeBytes, 100);
    out.put(Uint8Array.of(1, 2, 3, 4), 0, 4);
    expect(() => out.drop(1)).to.throw(RangeError, "Outbox.drop: 1 of 0 bytes");
    expect(() => out.drop(-1)).to.throw(RangeError);
    expect(() => out.patch(1, 0)).to.throw(RangeError, "Outbox.patch: 1 of 4 bytes");
  });
});
