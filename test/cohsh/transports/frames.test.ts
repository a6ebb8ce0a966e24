import { expect } from "chai";
import fc from "fast-check";
import { frame, FrameReader } from "../../../cohsh/transports/frames.ts";

const lineText = fc.string({ unit: "grapheme", maxLength: 80 }).filter((text) => !/\p{Cc}/u.test(text));

describe("cohsh frames", () => {
  it("are a little-endian length that counts itself, and the line in UTF-8", () => {
    expect([...frame("AUTH é")]).to.deep.equal([11, 0, 0, 0, 0x41, 0x55, 0x54, 0x48, 0x20, 0xc3, 0xa9]);
    expect([...frame("")]).to.deep.equal([4, 0, 0, 0]);
  });

  it("come out as they went in, however the stream is cut", () => {
    fc.assert(
      fc.property(fc.array(lineText, { maxLength: 12 }), fc.array(fc.nat(40), { maxLength: 60 }), (lines, cuts) => {
        const stream = Buffer.concat(lines.map(frame));
        const got: string[] = [];
        const reader = new FrameReader((line) => got.push(line));
        let at = 0;
        for (const cut of cuts) {
          expect(reader.feed(stream.subarray(at, at + cut))).to.equal(undefined);
          at = Math.min(stream.length, at + cut);
        }
        reader.feed(stream.subarray(at));
        expect(got).to.deep.equal(lines);
        expect(reader.partial).to.equal(false);
      }),
    );
  });

  it("never deliver what is no frame, whatever comes, and hold no more than one", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), (chunks) => {
        const reader = new FrameReader((line) => expect(line).to.not.match(/\p{Cc}/u));
        for (const chunk of chunks) if (reader.feed(chunk) !== undefined) return;
      }),
    );
  });

  for (const [what, bytes, why] of [
    ["shorter than its own length", [3, 0, 0, 0], "a frame of false length was sent"],
    ["longer than any", [1, 0, 1, 0], "a frame of false length was sent"],
    ["of all the memory that there is", [255, 255, 255, 255], "a frame of false length was sent"],
    ["no UTF-8", [5, 0, 0, 0, 0xff], "a line was sent that is no UTF-8"],
    ["two lines in one", [7, 0, 0, 0, 0x61, 0x0a, 0x62], "a line was sent that has a control character in it"],
  ] as const) {
    it(`are refused in a sentence when one is ${what}`, () => {
      const got: string[] = [];
      const reader = new FrameReader((line) => got.push(line));
      expect(reader.feed(Buffer.concat([frame("before"), Uint8Array.from(bytes)]))).to.equal(why);
      expect(got).to.deep.equal(["before"]);
    });
  }

  it("give the wire away with what came behind the last line", () => {
    let rest: Uint8Array | undefined;
    const reader = new FrameReader(() => (rest = reader.release()));
    reader.feed(Buffer.concat([frame("OK SECURE9P msize=8192"), Uint8Array.of(1, 2, 3)]));
    expect([...(rest ?? [])]).to.deep.equal([1, 2, 3]);
    expect(reader.partial).to.equal(false);
  });
});
