import { expect } from "chai";
import fc from "fast-check";
import { findByte } from "../../../services/ninedoor/find-byte.ts";

describe("find byte", () => {
  it("finds the first one within the part and none outside, however long the part", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200, max: 50 }), fc.nat(200), fc.nat(200), (bytes, a, b) => {
        const start = Math.min(a, b, bytes.length);
        const end = Math.min(Math.max(a, b), bytes.length);
        const at = [...bytes].slice(start, end).indexOf(7);
        expect(findByte(bytes, 7, start, end)).to.equal(at < 0 ? -1 : start + at);
      }),
    );
  });
});
