import { expect } from "chai";
import fc from "fast-check";
import { Ring } from "../../../services/ninedoor/ring.ts";
import { nodeBytes, text, utf8 } from "../support/ports.ts";

const append = (ring: Ring, record: string): boolean => ring.append(utf8(record), 0, utf8(record).length);

function read(ring: Ring, offset: number, count = Infinity): string {
  let all = "";
  ring.send(
    {
      put(bytes, start, length) {
        all += text(bytes.slice(start, start + length));
        return length;
      },
    },
    offset,
    count,
  );
  return all;
}

describe("ring", () => {
  it("keeps records with a newline each, at offsets since boot", () => {
    const ring = new Ring(nodeBytes, 64, 16);
    append(ring, "one");
    append(ring, "");
    append(ring, "three");
    expect([ring.start, ring.end, ring.appends]).to.deep.equal([0, 11, 3]);
    expect(read(ring, 0)).to.equal("one\n\nthree\n");
    expect(read(ring, 5, 3)).to.equal("thr");
    expect(read(ring, 11)).to.equal("");
  });

  it("forgets whole records, oldest first, and gives nothing before what it keeps", () => {
    const ring = new Ring(nodeBytes, 10, 9);
    for (const record of ["aaaa", "bbbb", "c"]) append(ring, record);
    expect([ring.start, ring.end, ring.overwritten]).to.deep.equal([5, 12, 5]);
    expect(read(ring, 5)).to.equal("bbbb\nc\n");
    expect(read(ring, 4)).to.equal("");
    append(ring, "123456789");
    expect([ring.start, ring.end]).to.deep.equal([12, 22]);
    expect(read(ring, 12)).to.equal("123456789\n");
  });

  it("copies a record whole, also around the ring's end, into what is long enough", () => {
    const ring = new Ring(nodeBytes, 10, 9);
    for (const record of ["aaaa", "bbbb", "cdefg"]) append(ring, record);
    const into = new Uint8Array(9);
    expect(ring.record(ring.start, into)).to.equal(5);
    expect(text(into.slice(0, 5))).to.equal("cdefg");
    expect(() => ring.record(ring.start, new Uint8Array(4))).to.throw(RangeError);
  });

  it("refuses what is no record and changes nothing", () => {
    const ring = new Ring(nodeBytes, 10, 5);
    append(ring, "kept");
    expect(append(ring, "longer")).to.equal(false);
    expect(append(ring, "a\nb")).to.equal(false);
    expect([ring.refused, ring.appends, ring.end]).to.deep.equal([2, 1, 5]);
    // A newline of somebody else, behind the record, is none of its own.
    expect(ring.append(utf8("ab\ncd"), 0, 2)).to.equal(true);
    expect(read(ring, 5)).to.equal("ab\n");
  });

  it("refuses records that could never fit", () => {
    expect(() => new Ring(nodeBytes, 16, 16)).to.throw(RangeError, "16 bytes and its newline do not fit 16");
  });

  it("stops where the reader takes no more", () => {
    const ring = new Ring(nodeBytes, 8, 7);
    for (const record of ["abc", "defg"]) append(ring, record);
    const taken: number[] = [];
    const sent = ring.send({ put: (_bytes, _start, length) => (taken.push(length), 2) }, 4, 5);
    expect([sent, taken]).to.deep.equal([2, [4]]);
  });

  it("tells its watchers of every append, and lets them go while it does", () => {
    const ring = new Ring(nodeBytes, 16, 8);
    const ends: number[] = [];
    const leaving = {
      appended: () => {
        ends.push(-ring.end);
        ring.unwatch(leaving);
      },
    };
    ring.watch(leaving);
    ring.watch({ appended: () => ends.push(ring.end) });
    append(ring, "a");
    append(ring, "too long for it");
    append(ring, "bc");
    expect(ends).to.deep.equal([-2, 2, 5]);
  });

  it("takes memory as it fills, up to its bound, and keeps what it has when it grows", () => {
    const ring = new Ring(nodeBytes, 10_000, 2000);
    const taken = new Set([ring.taken]);
    let all = "";
    for (let i = 0; i < 300; i++) {
      const record = `${i} `.repeat(1 + ((i * 7) % 40));
      append(ring, record);
      all += `${record}\n`;
      taken.add(ring.taken);
      expect(read(ring, ring.start)).to.equal(all.slice(ring.start));
      if (ring.taken < ring.capacity) expect(ring.start).to.equal(0);
    }
    expect([...taken]).to.deep.equal([1024, 2048, 4096, 8192, 10_000]);
    expect(new Ring(nodeBytes, 64, 16).taken).to.equal(64);
    const large = new Ring(nodeBytes, 10_000, 5000);
    append(large, "x".repeat(5000));
    expect(large.taken).to.equal(8192);
  });

  it("is the tail of everything ever appended, cut at a record, for any records and size", () => {
    const record = fc.string({ maxLength: 12 }).filter((value) => !value.includes("\n"));
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 80 }),
        fc.integer({ min: 49, max: 90 }),
        fc.nat(),
        (records, size, at) => {
          const ring = new Ring(nodeBytes, size, 48);
          let all = new Uint8Array(0);
          const starts = new Set([0]);
          for (const value of records) {
            expect(append(ring, value)).to.equal(true);
            all = Uint8Array.from([...all, ...utf8(`${value}\n`)]);
            starts.add(all.length);
            expect(ring.end).to.equal(all.length);
            expect(starts.has(ring.start)).to.equal(true);
            expect(ring.end - ring.start).to.be.at.most(size);
            expect(ring.overwritten).to.equal(ring.start);
          }
          // It keeps as many as fit: the one before the oldest would not.
          const before = [...starts].filter((start) => start < ring.start).pop();
          if (before !== undefined) expect(ring.end - before).to.be.greaterThan(size);
          expect(read(ring, ring.start)).to.equal(text(all.slice(ring.start)));
          const from = ring.start + (at % (ring.end - ring.start + 1));
          const tail: number[] = [];
          ring.send(
            { put: (bytes, start, length) => (tail.push(...bytes.slice(start, start + length)), length) },
            from,
            7,
          );
          expect(tail).to.deep.equal([...all.slice(from, from + 7)]);
        },
      ),
    );
  });
});
