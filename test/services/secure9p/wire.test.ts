import { expect } from "chai";
import * as fc from "fast-check";
import { Reader, Span, utf8Length, Writer } from "../../../services/secure9p/wire.ts";
import { nodeBytes, utf8 } from "../support/ports.ts";

describe("wire", () => {
  it("reads nothing outside its frame, and nothing after that", () => {
    const reader = new Reader();
    reader.begin(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 2, 5);
    expect([reader.u16(), reader.u8(), reader.u32(), reader.failed]).to.deep.equal([0x0403, 5, 0, true]);
    expect([reader.u8(), reader.u64(), reader.complete()]).to.deep.equal([0, 0, false]);
    const span = new Span();
    span.set(Uint8Array.of(1), 0, 1);
    reader.string(span);
    expect(span.length).to.equal(0);
  });

  it("writes nothing outside its room, nor outside the bytes", () => {
    const bytes = new Uint8Array(6).fill(0xa5);
    const writer = new Writer(nodeBytes);
    writer.begin(bytes, 1, 4);
    writer.u16(0x0201);
    writer.u32(0);
    writer.u8(1);
    expect([writer.failed, ...bytes]).to.deep.equal([true, 0xa5, 1, 2, 0xa5, 0xa5, 0xa5]);
    writer.begin(bytes, 4, 100);
    writer.u32(0);
    expect([writer.failed, bytes[5]]).to.deep.equal([true, 0xa5]);
  });

  it("knows how long a text is in UTF-8, up to a limit", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        expect(utf8Length(text, 1000)).to.equal(utf8(text).length);
      }),
    );
    expect(utf8Length("\ud800x", 1000)).to.equal(utf8("\ud800x").length);
    expect(utf8Length("é".repeat(1000), 255)).to.be.within(256, 258);
  });

  it("compares and searches spans", () => {
    const span = new Span();
    span.set(utf8("xabcx"), 1, 3);
    expect([span.equals("abc"), span.equals("ab"), span.equals("abd"), span.equals("abcx")]).to.deep.equal([
      true,
      false,
      false,
      false,
    ]);
    expect([span.has(0x62), span.has(0x78), span.text(nodeBytes)]).to.deep.equal([true, false, "abc"]);
  });
});
