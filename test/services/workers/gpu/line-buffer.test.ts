import { expect } from "chai";
import fc from "fast-check";
import { LINE_MAX, LineBuffer } from "../../../../services/workers/gpu/line-buffer.ts";
import { nodeBytes, text, utf8 } from "../../support/ports.ts";

/** All lines of a file that comes in pieces, with their places. */
function read(file: Uint8Array, pieces: readonly number[], from = 0): (readonly [string, number])[] {
  const buffer = new LineBuffer(nodeBytes);
  buffer.restart(from);
  const lines: (readonly [string, number])[] = [];
  let at = 0;
  for (let i = 0; at < file.length; i++) {
    const length = Math.min(pieces[i % pieces.length]!, buffer.room, file.length - at);
    if (length === 0) throw new Error("it has no room left");
    buffer.put(file, at, length);
    at += length;
    while (buffer.next()) {
      lines.push([text(buffer.bytes.subarray(buffer.start, buffer.start + buffer.length)), buffer.offset]);
    }
    expect(buffer.room).to.be.at.least(LINE_MAX);
  }
  return lines;
}

describe("GPU worker's line buffer", () => {
  it("gives the lines that are not too long, each with its place, whatever pieces they come in", () => {
    const length = fc.oneof(fc.nat(30), fc.integer({ min: LINE_MAX - 2, max: LINE_MAX + 2 }), fc.nat(3 * LINE_MAX));
    const piece = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 9000 }));
    fc.assert(
      fc.property(
        fc.array(length, { minLength: 1, maxLength: 12 }),
        fc.array(piece, { minLength: 1, maxLength: 5 }),
        (lengths, pieces) => {
          const all = lengths.map((size, i) => String(i % 10).repeat(size));
          let at = 100;
          const expected: (readonly [string, number])[] = [];
          for (const line of all) {
            if (line.length <= LINE_MAX) expected.push([line, at]);
            at += line.length + 1;
          }
          expect(read(utf8(all.map((line) => `${line}\n`).join("")), pieces, 100)).to.deep.equal(expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("forgets half a line, and one that it was skipping, when it begins anew", () => {
    const buffer = new LineBuffer(nodeBytes);
    const put = (line: string): void => buffer.put(utf8(line), 0, utf8(line).length);
    for (const before of ["half a ", "x".repeat(5000)]) {
      put(before);
      expect(buffer.next()).to.equal(false);
      buffer.restart(7);
      put("line\n");
      expect([buffer.next(), buffer.length, buffer.offset]).to.deep.equal([true, 4, 7]);
    }
  });
});
