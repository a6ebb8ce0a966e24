import { expect } from "chai";
import * as fc from "fast-check";
import { RANGES_MAX, ReceiveBuffer } from "../../../../services/net/tcp/receive-buffer.ts";
import { bytes } from "../fixture.ts";

function make(capacity = 64): ReceiveBuffer {
  return new ReceiveBuffer(bytes, capacity);
}

/** Bytes numbered by where they belong. */
function data(from: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (from + i) & 0xff);
}

function readAll(buffer: ReceiveBuffer): number[] {
  const into = new Uint8Array(buffer.length + 1);
  const got = buffer.read(into, 1, buffer.length);
  return [...into.subarray(1, 1 + got)];
}

function ranges(buffer: ReceiveBuffer): number[][] {
  return Array.from({ length: buffer.ranges }, (_, i) => [buffer.left[i]!, buffer.right[i]!]);
}

describe("ReceiveBuffer", () => {
  it("hands out what comes in order", () => {
    const buffer = make();
    expect(buffer.insert(0, 0, data(0, 10), 0, 10)).to.equal(10);
    expect(buffer.insert(10, 10, data(8, 5), 2, 3)).to.equal(3);
    expect([buffer.length, buffer.free]).to.deep.equal([13, 51]);
    expect(readAll(buffer)).to.deep.equal([...data(0, 13)]);
  });

  it("keeps what is behind a gap, and joins it when the gap is filled", () => {
    const buffer = make();
    expect(buffer.insert(0, 10, data(10, 5), 0, 5)).to.equal(0);
    expect(buffer.insert(0, 20, data(20, 5), 0, 5)).to.equal(0);
    expect(buffer.insert(0, 12, data(12, 9), 0, 9)).to.equal(0);
    expect(ranges(buffer)).to.deep.equal([[10, 25]]);
    expect(buffer.insert(0, 0, data(0, 11), 0, 11)).to.equal(25);
    expect(readAll(buffer)).to.deep.equal([...data(0, 25)]);
    expect(buffer.ranges).to.equal(0);
  });

  it("does not write again what is there", () => {
    const buffer = make();
    buffer.insert(0, 4, data(4, 4), 0, 4);
    expect(buffer.insert(0, 0, new Uint8Array(12).fill(0xee), 0, 12)).to.equal(12);
    expect(readAll(buffer)).to.deep.equal([0xee, 0xee, 0xee, 0xee, 4, 5, 6, 7, 0xee, 0xee, 0xee, 0xee]);
  });

  it("works across the wrap of sequence numbers", () => {
    const buffer = make();
    const next = 0x7ffffff8;
    expect(buffer.insert(next, (next + 10) | 0, data(10, 4), 0, 4)).to.equal(0);
    expect(buffer.insert(next, next, data(0, 10), 0, 10)).to.equal(14);
    expect(readAll(buffer)).to.deep.equal([...data(0, 14)]);
  });

  it("reports the range that grew last first, and no more than asked for", () => {
    const buffer = make();
    for (const at of [10, 30, 20]) buffer.insert(0, at, data(at, 2), 0, 2);
    buffer.insert(0, 32, data(32, 2), 0, 2);
    const edges = new Int32Array(8);
    expect(buffer.report(edges, 2, 3)).to.equal(3);
    expect([...edges]).to.deep.equal([0, 0, 30, 34, 20, 22, 10, 12]);
    expect(buffer.report(edges, 0, 1)).to.equal(1);
  });

  it("refuses one range more than its table has, but takes what fills or widens one", () => {
    const buffer = make(256);
    for (let i = 0; i < RANGES_MAX; i++) expect(buffer.insert(0, 2 + 4 * i, data(0, 1), 0, 1)).to.equal(0);
    expect(buffer.insert(0, 2 + 4 * RANGES_MAX, data(0, 1), 0, 1)).to.equal(-1);
    expect(buffer.insert(0, 3, data(0, 1), 0, 1)).to.equal(0);
    expect(buffer.insert(0, 0, data(0, 2), 0, 2)).to.equal(4);
    expect(buffer.ranges).to.equal(RANGES_MAX - 1);
  });

  it("gives back every byte once and in order, however it is cut, mixed and doubled", () => {
    const piece = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 30 }), fc.boolean());
    fc.assert(
      fc.property(fc.integer(), fc.array(piece, { maxLength: 200 }), (start, pieces) => {
        const buffer = make(48);
        let next = 0;
        let read = 0;
        for (const [ahead, length, drain] of pieces) {
          const offset = Math.min(ahead, buffer.free);
          const take = Math.min(length, buffer.free - offset);
          if (take > 0) {
            const grown = buffer.insert(
              (start + next) | 0,
              (start + next + offset) | 0,
              data(next + offset, take),
              0,
              take,
            );
            if (grown > 0) next += grown;
            else expect(offset).to.be.greaterThan(0);
          }
          if (drain) {
            const got = readAll(buffer);
            expect(got).to.deep.equal([...data(read, got.length)]);
            read += got.length;
          }
          expect(buffer.length).to.equal(next - read);
          for (let i = 0; i < buffer.ranges; i++) {
            const before = i === 0 ? (start + next) | 0 : buffer.right[i - 1]!;
            expect((buffer.left[i]! - before) | 0, "a gap before each").to.be.greaterThan(0);
            expect((buffer.right[i]! - buffer.left[i]!) | 0).to.be.greaterThan(0);
          }
        }
      }),
    );
  });
});
