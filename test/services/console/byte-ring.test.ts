import { expect } from "chai";
import fc from "fast-check";
import { ByteRing } from "../../../services/console/byte-ring.ts";
import { nodeBytes, TestLine, text, utf8 } from "../support/ports.ts";

describe("byte ring", () => {
  it("holds what it says, takes all of a piece or nothing, and counts what it left out", () => {
    const ring = new ByteRing(nodeBytes, 4, 16);
    expect(ring.append(utf8("abc"), 0, 3)).to.equal(true);
    expect(ring.text("de")).to.equal(false);
    expect(ring.cut).to.equal(1);
    expect(ring.put(0x64)).to.equal(true);
    expect(ring.put(0x65)).to.equal(false);
    expect([ring.length, ring.free, ring.highWater]).to.deep.equal([4, 0, 4]);
  });

  it("takes a text up to its measure in bytes, not in characters", () => {
    const ring = new ByteRing(nodeBytes, 64, 6);
    expect(ring.text("öäü")).to.equal(true);
    expect(ring.text("öäüö")).to.equal(false);
    expect(ring.text("abcdef")).to.equal(true);
    expect(ring.text("abcdefg")).to.equal(false);
    expect(ring.text("\u{1f600}a")).to.equal(true);
    expect(ring.cut).to.equal(2);
  });

  it("keeps order and content through any mix of filling and draining", () => {
    const step = fc.record({
      kind: fc.constantFrom("append", "put", "fill", "drain", "take"),
      size: fc.nat({ max: 20 }),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 24 }), fc.array(step, { maxLength: 100 }), (capacity, steps) => {
        const ring = new ByteRing(nodeBytes, capacity);
        const producer = new TestLine();
        const consumer = new TestLine();
        let next = 0;
        const model: number[] = [];
        const fresh = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => next++ & 0xff);
        for (const { kind, size } of steps) {
          if (kind === "append") {
            const piece = fresh(size);
            const fits = size <= capacity - model.length;
            expect(ring.append(piece, 0, size)).to.equal(fits);
            if (fits) model.push(...piece);
          } else if (kind === "put") {
            const byte = next++ & 0xff;
            const fits = model.length < capacity;
            expect(ring.put(byte)).to.equal(fits);
            if (fits) model.push(byte);
          } else if (kind === "fill") {
            const piece = fresh(size);
            producer.type(piece);
            const before = producer.readable();
            const taken = ring.fill(producer, size);
            expect(taken).to.equal(Math.min(size, before, capacity - model.length));
            model.push(...piece.subarray(0, taken));
            // What was not taken is not part of this test's stream.
            producer.read(new Uint8Array(64), 0, 64);
          } else if (kind === "drain") {
            consumer.sendRoom = size;
            const taken = ring.drain(consumer, 1 + size);
            expect([...consumer.output()]).to.deep.equal(model.splice(0, taken));
            expect(taken).to.be.at.most(size);
          } else {
            expect(ring.take()).to.equal(model.shift() ?? -1);
          }
          expect(ring.length).to.equal(model.length);
        }
      }),
    );
  });

  it("drains at most its budget", () => {
    const ring = new ByteRing(nodeBytes, 16, 16);
    const line = new TestLine();
    ring.text("0123456789");
    expect(ring.drain(line, 4)).to.equal(4);
    expect(text(line.output())).to.equal("0123");
  });
});
