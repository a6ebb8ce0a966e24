import { expect } from "chai";
import fc from "fast-check";
import {
  BROKEN,
  FALSE_LENGTH,
  LINE,
  LineFraming,
  NEED_MORE,
  OVERSIZED,
} from "../../../../services/console/door/framing.ts";
import { nodeBytes } from "../../support/ports.ts";
import { frame, lengthOf } from "./wire.ts";

const LIMIT = 64;

/** What the framing makes of pieces of a stream. */
function cut(pieces: readonly Uint8Array[]): string[] {
  const framing = new LineFraming(nodeBytes, LIMIT);
  const found: string[] = [];
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const state = framing.take(piece, at, piece.length - at);
      if (framing.taken < 0 || (framing.taken === 0 && state === NEED_MORE)) throw new Error("it does not go on");
      at += framing.taken;
      if (state === LINE)
        found.push(Buffer.from(framing.bytes.slice(framing.at, framing.at + framing.size)).toString("latin1"));
      if (state === OVERSIZED) found.push("oversized");
      if (state === BROKEN) return [...found, "broken"];
    }
  }
  return framing.partial ? [...found, "partial"] : found;
}

const bytewise = (stream: Buffer): Uint8Array[] => Array.from(stream, (byte) => Uint8Array.of(byte));
describe("framing of lines", () => {
  const cases: [what: string, stream: Buffer, found: string[]][] = [
    ["lines, empty ones too", Buffer.concat([frame("a"), frame(""), frame("bc")]), ["a", "", "bc"]],
    ["a line of the limit", frame("x".repeat(LIMIT)), ["x".repeat(LIMIT)]],
    ["one beyond it, and what follows", Buffer.concat([frame("x".repeat(LIMIT + 1)), frame("a")]), ["oversized", "a"]],
    [
      "the longest that is skipped",
      Buffer.concat([frame("x".repeat(FALSE_LENGTH - 4)), frame("a")]),
      ["oversized", "a"],
    ],
    ["a false length", Buffer.concat([frame("a"), lengthOf(FALSE_LENGTH + 1), frame("b")]), ["a", "broken"]],
    ["the falsest", Buffer.concat([lengthOf(0xffffffff), frame("b")]), ["broken"]],
    ["a length below its own", Buffer.concat([lengthOf(3), frame("b")]), ["broken"]],
    ["none", lengthOf(0), ["broken"]],
    ["half a length", Buffer.of(5, 0), ["partial"]],
    ["half a line", frame("abc").subarray(0, 6), ["partial"]],
    ["half of what is skipped", frame("x".repeat(LIMIT + 9)).subarray(0, 20), ["oversized", "partial"]],
  ];
  for (const [what, stream, found] of cases) {
    it(`finds ${what}, wherever the stream is cut`, () => {
      expect(cut([stream])).to.deep.equal(found);
      expect(cut(bytewise(stream))).to.deep.equal(found);
      for (let at = 1; at < Math.min(stream.length, 100); at++) {
        expect(cut([stream.subarray(0, at), stream.subarray(at)])).to.deep.equal(found);
      }
    });
  }

  it("uses a whole frame where it lies", () => {
    const framing = new LineFraming(nodeBytes, LIMIT);
    const stream = frame("abc");
    expect(framing.take(stream, 0, stream.length)).to.equal(LINE);
    expect([framing.bytes === stream, framing.at, framing.size]).to.deep.equal([true, 4, 3]);
  });

  it("takes nothing of a stream that cannot be followed", () => {
    const framing = new LineFraming(nodeBytes, LIMIT);
    framing.take(lengthOf(1), 0, 4);
    expect(framing.take(frame("a"), 0, 5)).to.equal(BROKEN);
    expect([framing.taken, framing.partial]).to.deep.equal([5, false]);
  });

  it("finds the same however it is cut, in any bytes", () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: LIMIT }).map(frame),
      fc.uint8Array({ minLength: LIMIT, maxLength: 3 * LIMIT }).map(frame),
      fc.nat(FALSE_LENGTH * 2).map(lengthOf),
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 40 })), (parts, cuts) => {
        const stream = Buffer.concat(parts);
        const pieces: Uint8Array[] = [];
        let at = 0;
        for (const size of cuts) {
          pieces.push(stream.subarray(at, at + size));
          at += size;
        }
        pieces.push(stream.subarray(at));
        const whole = cut([stream]);
        expect(cut(pieces)).to.deep.equal(whole);
        expect(cut(bytewise(stream))).to.deep.equal(whole);
      }),
      { numRuns: 500 },
    );
  });
});
